#include "server/store/store_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"

namespace culvert::server {
namespace {

constexpr mode_t kFileMode = 0600;
// A commit of one small object takes two pages of the log; a disk with less room than this is full.
constexpr uint64_t kLeastRoomBytes = 64 * 1024;

absl::Status FromErrno(const std::string& what, int error) {
  absl::Status status = absl::ErrnoToStatus(error, what);
  switch (error) {
    case ENOSPC:
    case EDQUOT: return absl::ResourceExhaustedError(status.message());
    case EROFS:
    case EACCES:
    case EPERM:
    case ENOENT: return absl::FailedPreconditionError(status.message());
    default: return absl::InternalError(status.message());
  }
}

// Makes what was done to `path` last: of a folder its names, of a file its content.
absl::Status Sync(const std::string& path, int flags) {
  const int fd = open(path.c_str(), flags | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return FromErrno("open " + path, errno);
  const int error = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  return error == 0 ? absl::OkStatus() : FromErrno("write " + path, error);
}

absl::Status SyncFolderOf(const std::string& path) { return SyncFolder(std::filesystem::path(path).parent_path()); }

}  // namespace

absl::StatusOr<FileLook> LookAt(const std::string& path, int64_t max_bytes) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return FileLook{};
    return FromErrno("look at " + path, errno);
  }
  FileLook look{.exists = true, .bytes = info.st_size, .changed_unix_seconds = info.st_mtim.tv_sec};
  if (S_ISLNK(info.st_mode)) {
    look.unusable = "is a symbolic link";
  } else if (!S_ISREG(info.st_mode)) {
    look.unusable = "is not a regular file";
  } else if (info.st_uid != geteuid()) {
    look.unusable = "belongs to another user";
  } else if (info.st_size > max_bytes) {
    look.unusable = absl::StrFormat("has %d bytes, more than the %d it can have", info.st_size, max_bytes);
  } else if ((info.st_mode & 07777) != kFileMode) {
    static_cast<void>(chmod(path.c_str(), kFileMode));
  }
  return look;
}

std::optional<FileMark> MarkOf(const std::string& path) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) return std::nullopt;
  return FileMark{.device = info.st_dev,
                  .inode = info.st_ino,
                  .bytes = info.st_size,
                  .changed_ns = info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec};
}

absl::StatusOr<std::string> CheckFolder(const std::string& path) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) return FromErrno("look at folder " + path, errno);
  if (!S_ISDIR(info.st_mode)) return absl::FailedPreconditionError(path + " is not a folder");
  if (info.st_uid != geteuid()) return absl::FailedPreconditionError(path + " belongs to another user");
  if ((info.st_mode & 077) != 0) return absl::FailedPreconditionError(path + " lets others in: chmod 700 " + path);
  std::error_code error;
  const std::filesystem::path own = std::filesystem::canonical(path, error);
  if (error) return FromErrno("look at folder " + path, error.value());
  return own.string();
}

absl::Status CheckRoom(const std::string& folder) {
  struct statvfs info {};
  if (statvfs(folder.c_str(), &info) != 0) return FromErrno("look at folder " + folder, errno);
  if ((info.f_flag & ST_RDONLY) != 0) return absl::FailedPreconditionError(folder + ": the file system is read-only");
  // Some file systems do not count; root may use what is kept back for it.
  const uint64_t room = (geteuid() == 0 ? info.f_bfree : info.f_bavail) * info.f_frsize;
  if (info.f_blocks != 0 && room < kLeastRoomBytes) return absl::ResourceExhaustedError(folder + ": the disk is full");
  return absl::OkStatus();
}

absl::Status MakeFile(const std::string& path) {
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return FromErrno("replace " + path, errno);
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kFileMode);
  if (fd < 0) return FromErrno("create " + path, errno);
  close(fd);
  return absl::OkStatus();
}

absl::Status PutInPlace(const std::string& from, const std::string& to) {
  CULVERT_RETURN_IF_ERROR(Sync(from, O_RDONLY));
  if (rename(from.c_str(), to.c_str()) != 0) return FromErrno("rename " + from, errno);
  return SyncFolderOf(to);
}

absl::Status MoveAway(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) == 0) return SyncFolderOf(to);
  return errno == ENOENT ? absl::OkStatus() : FromErrno("rename " + from, errno);
}

absl::Status SyncFolder(const std::string& folder) { return Sync(folder, O_RDONLY | O_DIRECTORY); }

void Discard(const std::string& path) { static_cast<void>(unlink(path.c_str())); }

}  // namespace culvert::server
