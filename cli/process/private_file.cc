#include "cli/process/private_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string_view>

#include "absl/strings/str_format.h"
#include "cli/text/escape.h"

namespace culvert::cli {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 20;
constexpr mode_t kOthers = 077;
constexpr mode_t kAllBits = 07777;

Failure Wrong(const std::string& path, const std::string& why, std::string next = "") {
  return {ExitCode::kUsage, {absl::StrFormat("%s: %s", Visible(path), why)}, std::move(next), ""};
}
Failure Errno(const std::string& path, int error) { return Wrong(path, std::strerror(error)); }

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

std::string FolderOf(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

Outcome CheckOwner(const std::string& path, const struct stat& info, uint32_t user, std::string_view what) {
  if (info.st_uid == user) return std::nullopt;
  return Wrong(path, absl::StrFormat("%s belongs to user %u, not to you (%u)", what, info.st_uid, user),
               absl::StrFormat("chown %u %s", user, Visible(path)));
}

Outcome CheckClosed(const std::string& path, const struct stat& info, mode_t closed, mode_t wanted) {
  if ((info.st_mode & closed) == 0) return std::nullopt;
  const bool is_writable = (info.st_mode & closed & 022) != 0;
  return Wrong(path, absl::StrFormat("others may %s it (mode %04o)", is_writable ? "change" : "read", info.st_mode & kAllBits),
               absl::StrFormat("chmod %03o %s", wanted, Visible(path)));
}

Outcome CheckLink(const std::string& path, uint32_t user) {
  struct stat link {};
  if (::lstat(path.c_str(), &link) != 0) return Errno(path, errno);
  if (!S_ISLNK(link.st_mode)) return std::nullopt;
  return CheckOwner(path, link, user, "the link");
}

Outcome ReadAll(const std::string& path, int fd, std::string& content) {
  content.clear();
  char buffer[16384];
  for (;;) {
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Errno(path, errno);
    if (got == 0) return std::nullopt;
    content.append(buffer, static_cast<size_t>(got));
    if (content.size() > kMaxBytes) return Wrong(path, "is larger than 1 MiB");
  }
}

// O_NONBLOCK: a FIFO without a writer must not hold us up.
int OpenToRead(const std::string& path) { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); }

Outcome StatFile(const std::string& path, const Descriptor& file, struct stat& info) {
  if (file.get() < 0 || ::fstat(file.get(), &info) != 0) return Errno(path, errno);
  if (!S_ISREG(info.st_mode)) return Wrong(path, "is no file");
  return std::nullopt;
}

Outcome Named(const std::string& origin, Outcome failed) {
  if (failed) failed->faults[0] = origin + ": " + failed->faults[0];
  return failed;
}

Outcome CheckKey(const std::string& path, const struct stat& info, uint32_t user) {
  constexpr uint32_t kRoot = 0;
  if (info.st_uid == user) return CheckClosed(path, info, kOthers, 0600);
  // A key that root gives to a group is ours to read when we are in it.
  if (info.st_uid == kRoot) return CheckClosed(path, info, 027, 0640);
  return CheckOwner(path, info, user, "the key");
}

}  // namespace

Outcome ReadPrivateFile(const std::string& path, uint32_t user, std::optional<std::string>& content) {
  content.reset();
  const std::string folder = FolderOf(path);
  struct stat info {};
  if (::stat(folder.c_str(), &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    return Errno(folder, errno);
  }
  if (Outcome failed = CheckLink(folder, user)) return failed;
  if (Outcome failed = CheckOwner(folder, info, user, "the folder")) return failed;
  if (Outcome failed = CheckClosed(folder, info, kOthers, 0700)) return failed;
  const Descriptor file(OpenToRead(path));
  if (file.get() < 0 && errno == ENOENT) return std::nullopt;
  if (file.get() < 0) return Errno(path, errno);
  if (Outcome failed = CheckLink(path, user)) return failed;
  if (Outcome failed = StatFile(path, file, info)) return failed;
  if (Outcome failed = CheckOwner(path, info, user, "the file")) return failed;
  if (Outcome failed = CheckClosed(path, info, kOthers, 0600)) return failed;
  std::string text;
  if (Outcome failed = ReadAll(path, file.get(), text)) return failed;
  content = std::move(text);
  return std::nullopt;
}

Outcome WritePrivateFile(const std::string& path, const std::string& content) {
  std::string target = path;
  if (char* real = ::realpath(path.c_str(), nullptr); real != nullptr) {
    target = real;
    ::free(real);
  }
  const std::string folder = FolderOf(target);
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(folder).parent_path(), error);
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return Errno(folder, errno);
  std::string fresh = target + "." + std::string(6, 'X');
  const int fd = ::mkostemp(fresh.data(), O_CLOEXEC);  // 0600
  if (fd < 0) return Errno(folder, errno);
  const Descriptor file(fd);
  int failed = 0;
  for (size_t done = 0; failed == 0 && done < content.size();) {
    const ssize_t put = ::write(fd, content.data() + done, content.size() - done);
    if (put >= 0) {
      done += static_cast<size_t>(put);
    } else if (errno != EINTR) {
      failed = errno;
    }
  }
  if (failed == 0 && (::fsync(fd) != 0 || ::rename(fresh.c_str(), target.c_str()) != 0)) failed = errno;
  if (failed == 0) return std::nullopt;
  ::unlink(fresh.c_str());
  return Errno(target, failed);
}

Outcome ReadKeyFile(const std::string& path, const std::string& origin, uint32_t user, std::string& content) {
  const Descriptor file(OpenToRead(path));
  struct stat info {};
  if (Outcome failed = StatFile(path, file, info)) return Named(origin, std::move(failed));
  if (Outcome failed = CheckKey(path, info, user)) return Named(origin, std::move(failed));
  return Named(origin, ReadAll(path, file.get(), content));
}

Outcome ReadPublicFile(const std::string& path, const std::string& origin, std::string& content) {
  const Descriptor file(OpenToRead(path));
  struct stat info {};
  if (Outcome failed = StatFile(path, file, info)) return Named(origin, std::move(failed));
  return Named(origin, ReadAll(path, file.get(), content));
}

}  // namespace culvert::cli
