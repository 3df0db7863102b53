#include "server/seed_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/crypto/secret.h"
#include "server/error_builder.h"

namespace culvert::server {
namespace {

void Erase(std::string& text) { SecureErase({reinterpret_cast<uint8_t*>(text.data()), text.size()}); }

absl::Status Unreadable(const std::string& path, const std::string& field, const std::string& why) {
  return ErrorBuilder(absl::StatusCode::kFailedPrecondition, "CREDENTIAL_UNREADABLE", field + ": " + path + ": " + why)
      .Metadata("field", field)
      .Metadata("file", path)
      .Precondition("FILE", path, why)
      .Build();
}

// Fills `content` with at most one byte more than is allowed. 0, or errno.
int ReadAll(int fd, std::string& content) {
  content.resize(kMaxSeedFileBytes + 1);
  size_t size = 0;
  while (size < content.size()) {
    const ssize_t got = read(fd, content.data() + size, content.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  content.resize(size);
  return 0;
}

}  // namespace

absl::StatusOr<std::string> ReadSeedFile(const std::string& path, const std::string& field) {
  // O_NONBLOCK: a FIFO without a writer must not hold up the control thread.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return Unreadable(path, field, std::strerror(errno));
  struct stat info {};
  int error = fstat(fd, &info) == 0 ? 0 : errno;
  std::string content;
  if (error == 0 && !S_ISREG(info.st_mode)) {
    close(fd);
    return Unreadable(path, field, "not a regular file");
  }
  if (error == 0) error = ReadAll(fd, content);
  close(fd);
  if (error != 0) return Unreadable(path, field, std::strerror(error));
  if (content.size() > kMaxSeedFileBytes) {
    Erase(content);
    return Unreadable(path, field, "is longer than " + std::to_string(kMaxSeedFileBytes) + " bytes");
  }
  if (content.ends_with('\n')) content.pop_back();
  if (content.ends_with('\r')) content.pop_back();
  return content;
}

}  // namespace culvert::server
