#include "core/io/file_descriptor.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "core/io/socket_status.h"

namespace culvert::io {

void FileDescriptor::Close() {
  if (fd_ < 0) return;
  // Linux frees the descriptor whatever close() answers; trying again could close somebody else's.
  ::close(std::exchange(fd_, -1));
}

absl::StatusOr<FileDescriptor> FileDescriptor::Duplicate() const {
  const int copy = ::fcntl(fd_, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return SocketStatus("duplicate a socket", errno);
  return FileDescriptor(copy);
}

}  // namespace culvert::io
