#include "server/state_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/crypto/secret.h"

namespace culvert::server {
namespace {

constexpr const char* kLockName = "lock";
constexpr mode_t kFolderMode = 0700;
constexpr mode_t kFileMode = 0600;

absl::Status FromErrno(const std::string& what, int error) { return absl::ErrnoToStatus(error, what); }

// A file descriptor that is closed unless it is taken.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  int Take() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

absl::Status MakeFolder(const std::string& path) {
  std::error_code error;
  const std::filesystem::path folder(path);
  if (folder.has_parent_path()) std::filesystem::create_directories(folder.parent_path(), error);
  // A folder above with the set-group-ID bit (Kubernetes' fsGroup) hands that down. It lets nobody in.
  if (mkdir(path.c_str(), kFolderMode) == 0 || errno == EEXIST) return absl::OkStatus();
  return FromErrno("create folder " + path, errno);
}

absl::Status CheckFolder(const std::string& path, const struct stat& info) {
  if (info.st_uid != geteuid()) {
    return absl::FailedPreconditionError(
        absl::StrFormat("%s belongs to user %d, not to ours (%d): chown it, or name another folder", path, info.st_uid, geteuid()));
  }
  if ((info.st_mode & 07777 & ~(kFolderMode | S_ISGID)) != 0 || (info.st_mode & kFolderMode) != kFolderMode) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "%s has mode %04o, it holds secrets and must have 0700: chmod 700 %s", path, info.st_mode & 07777, path));
  }
  return absl::OkStatus();
}

int WriteAll(int fd, ByteView content) {
  while (!content.empty()) {
    const ssize_t written = write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    content = content.subspan(static_cast<size_t>(written));
  }
  return 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<StateDir>> StateDir::Open(const std::string& given) {
  std::string path = given;
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();  // or a link would be followed
  if (absl::Status status = MakeFolder(path); !status.ok()) return status;
  Descriptor folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (folder.get() < 0) {
    const int error = errno;
    if (error == ELOOP || error == ENOTDIR) {
      return absl::FailedPreconditionError(path + " is not a folder, or a symbolic link to one: name the folder itself");
    }
    return FromErrno("open folder " + path, error);
  }
  struct stat info {};
  if (fstat(folder.get(), &info) != 0) return FromErrno("look at folder " + path, errno);
  if (absl::Status status = CheckFolder(path, info); !status.ok()) return status;
  Descriptor lock(openat(folder.get(), kLockName, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, kFileMode));
  if (lock.get() < 0) return FromErrno("open " + path + "/" + kLockName, errno);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return FromErrno("lock " + path + "/" + kLockName, errno);
    return absl::AbortedError(path + " is in use by another culvertd: give each its own folder, or none");
  }
  return std::unique_ptr<StateDir>(new StateDir(path, folder.Take(), lock.Take()));
}

StateDir::~StateDir() {
  close(lock_);
  close(folder_);
}

absl::StatusOr<std::optional<std::string>> StateDir::Read(const std::string& name, size_t max_bytes) const {
  const std::string shown = path_ + "/" + name;
  // O_NONBLOCK: a pipe without a writer must not hold us up.
  const Descriptor file(openat(folder_, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.get() < 0) {
    if (errno == ENOENT) return std::nullopt;
    if (errno == ELOOP) return absl::DataLossError(shown + ": is a symbolic link");
    if (errno == ENXIO || errno == ENODEV) return absl::DataLossError(shown + ": is not a regular file");
    return FromErrno("read " + shown, errno);
  }
  struct stat info {};
  if (fstat(file.get(), &info) != 0) return FromErrno("read " + shown, errno);
  if (!S_ISREG(info.st_mode)) return absl::DataLossError(shown + ": is not a regular file");
  if (info.st_uid != geteuid()) return absl::DataLossError(shown + ": belongs to another user");
  if (info.st_size < 0 || static_cast<size_t>(info.st_size) > max_bytes) {
    return absl::DataLossError(absl::StrFormat("%s: has %d bytes, more than the %d it can have", shown, info.st_size, max_bytes));
  }
  // Nobody else could have come into the folder; whoever gave the file this mode did not mean it.
  if ((info.st_mode & 07777) != kFileMode) static_cast<void>(fchmod(file.get(), kFileMode));
  std::string content(static_cast<size_t>(info.st_size), '\0');
  size_t size = 0;
  while (size < content.size()) {
    const ssize_t got = read(file.get(), content.data() + size, content.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int error = errno;
      SecureErase({reinterpret_cast<uint8_t*>(content.data()), content.size()});
      return FromErrno("read " + shown, error);
    }
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  content.resize(size);
  return content;
}

absl::Status StateDir::Write(const std::string& name, ByteView content) const {
  const std::string temporary = name + ".new";
  const std::string shown = path_ + "/" + name;
  // What a crash left. The folder is ours alone, so the fixed name collides with nothing else.
  if (unlinkat(folder_, temporary.c_str(), 0) != 0 && errno != ENOENT) return FromErrno("replace " + shown + ".new", errno);
  const Descriptor file(
      openat(folder_, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kFileMode));
  if (file.get() < 0) return FromErrno("create " + shown + ".new", errno);
  int error = WriteAll(file.get(), content);
  // Not tried again when it fails: the kernel may have dropped what it could not write and say nothing the next time.
  if (error == 0 && fsync(file.get()) != 0) error = errno;
  if (error == 0 && renameat(folder_, temporary.c_str(), folder_, name.c_str()) != 0) error = errno;
  if (error != 0) {
    unlinkat(folder_, temporary.c_str(), 0);
    return FromErrno("write " + shown, error);
  }
  return fsync(folder_) == 0 ? absl::OkStatus() : FromErrno("write folder " + path_, errno);
}

absl::StatusOr<std::string> StateDir::SetAside(const std::string& name) const {
  const std::string aside = name + ".damaged";
  if (renameat(folder_, name.c_str(), folder_, aside.c_str()) != 0) return FromErrno("rename " + path_ + "/" + name, errno);
  static_cast<void>(fsync(folder_));
  return aside;
}

}  // namespace culvert::server
