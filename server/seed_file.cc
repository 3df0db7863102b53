#include "server/seed_file.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

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

// O_NONBLOCK: a FIFO without a writer must not hold up the control thread.
constexpr int kReadFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

// -1 and errno when it cannot be opened. There is no other way in than openat2: where the system has none (before Linux 5.6), nothing
// below the folders can be read.
int OpenBelow(const CredentialFolders::Place& place) {
  // A link in the path of the folder itself is the business of who started the daemon.
  const int folder = open(place.folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return -1;
  open_how how{};
  how.flags = kReadFlags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  constexpr int kMaxTries = 32;  // EAGAIN: something was renamed while the kernel followed a '..'
  long fd = -1;
  for (int tries = 0; tries < kMaxTries; ++tries) {
    fd = syscall(SYS_openat2, folder, place.rest.c_str(), &how, sizeof how);
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) break;
  }
  const int error = errno;
  close(folder);
  errno = error;
  return static_cast<int>(fd);
}

std::string ReasonBelow(const CredentialFolders::Place& place, int error) {
  if (error == EXDEV) return "it leads out of " + place.folder + ", as every absolute link does";
  if (error == ENOSYS) return "this system cannot open files below " + place.folder + " safely (it has no openat2)";
  return std::strerror(error);
}

// Fills `content`, which the caller has made one byte longer than is allowed, and cuts it to what there was. 0, or errno.
int ReadAll(int fd, std::string& content) {
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

absl::StatusOr<std::string> ReadCredentialFile(const std::string& path, const std::string& field, size_t max_bytes,
                                               const CredentialFolders& folders) {
  const std::optional<CredentialFolders::Place> place = folders.PlaceOf(path);
  const int fd = place ? OpenBelow(*place) : open(path.c_str(), kReadFlags);
  if (fd < 0) return Unreadable(path, field, place ? ReasonBelow(*place, errno) : std::strerror(errno));
  struct stat info {};
  int error = fstat(fd, &info) == 0 ? 0 : errno;
  std::string content;
  if (error == 0 && !S_ISREG(info.st_mode)) {
    close(fd);
    return Unreadable(path, field, "not a regular file");
  }
  if (error == 0) {
    // Of the file's size where that is known: nothing is left behind by a string that had to grow.
    const auto size = static_cast<size_t>(std::max<off_t>(info.st_size, 0));
    content.resize(std::min(size, max_bytes) + 1);
    error = ReadAll(fd, content);
  }
  close(fd);
  if (error != 0) return Unreadable(path, field, std::strerror(error));
  if (content.size() > max_bytes || content.size() > static_cast<size_t>(info.st_size)) {
    const bool is_long = content.size() > max_bytes;
    Erase(content);
    return Unreadable(path, field,
                      is_long ? "is longer than " + std::to_string(max_bytes) + " bytes" : "is being written to");
  }
  return content;
}

absl::StatusOr<std::string> ReadSeedFile(const std::string& path, const std::string& field, const CredentialFolders& folders) {
  absl::StatusOr<std::string> read = ReadCredentialFile(path, field, kMaxSeedFileBytes, folders);
  if (!read.ok()) return read;
  std::string content = *std::move(read);
  if (content.ends_with('\n')) content.pop_back();
  if (content.ends_with('\r')) content.pop_back();
  return content;
}

}  // namespace culvert::server
