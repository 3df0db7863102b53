#include "cli/process/editor.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>
#include <utility>

#include "absl/strings/str_format.h"
#include "cli/text/escape.h"

namespace culvert::cli {
namespace {

constexpr size_t kMaxBytes = size_t{4} << 20;  // as proto/manifest takes them

absl::Status FromErrno(const std::string& what, int error) {
  return absl::InternalError(absl::StrFormat("%s: %s", Visible(what), std::strerror(error)));
}

std::string Variable(const Environment& environment, const char* name) { return environment.get(name).value_or(""); }

// ^C and ^\ at the keyboard reach the editor and us; while it runs they are its own, as with system(3).
class KeyboardSignals {
 public:
  KeyboardSignals() {
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGINT, &ignore, &interrupt_);
    ::sigaction(SIGQUIT, &ignore, &quit_);
  }
  ~KeyboardSignals() {
    ::sigaction(SIGINT, &interrupt_, nullptr);
    ::sigaction(SIGQUIT, &quit_, nullptr);
  }
  KeyboardSignals(const KeyboardSignals&) = delete;
  KeyboardSignals& operator=(const KeyboardSignals&) = delete;

 private:
  struct sigaction interrupt_ {};
  struct sigaction quit_ {};
};

// Runs `editor`, which may have arguments of its own, in a shell, as git does. The exit code, or -1 with `error`.
int RunInShell(const std::string& editor, const std::string& path, int& error) {
  const std::string script = editor + " \"$1\"";
  const char* arguments[] = {"sh", "-c", script.c_str(), "sh", path.c_str(), nullptr};
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t defaults;
  ::sigemptyset(&defaults);
  ::sigaddset(&defaults, SIGINT);
  ::sigaddset(&defaults, SIGQUIT);
  ::posix_spawnattr_setsigdefault(&attributes, &defaults);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  pid_t child = 0;
  const KeyboardSignals signals;
  error = ::posix_spawn(&child, "/bin/sh", nullptr, &attributes, const_cast<char* const*>(arguments), environ);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) return -1;
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno == EINTR) continue;
    error = errno;
    return -1;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

absl::StatusOr<EditedFile> EditedFile::Create(const std::string& name, const Environment& environment) {
  std::string base = Variable(environment, "TMPDIR");
  if (base.empty()) base = "/tmp";
  std::string folder = base + "/culvertctl-edit.XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) return FromErrno(folder, errno);
  EditedFile file(folder, folder + "/" + name);
  const int fd = ::open(file.path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return FromErrno(file.path_, errno);
  ::close(fd);
  return file;
}

EditedFile::EditedFile(EditedFile&& other) noexcept
    : folder_(std::exchange(other.folder_, "")), path_(std::move(other.path_)), is_kept_(other.is_kept_) {}

EditedFile::~EditedFile() {
  if (folder_.empty() || is_kept_) return;
  ::unlink(path_.c_str());
  // Editors leave backups beside what they edit; a folder that is not empty stays then, for its owner alone.
  ::unlink((path_ + "~").c_str());
  ::rmdir(folder_.c_str());
}

absl::Status EditedFile::Write(const std::string& text) {
  const int fd = ::open(path_.c_str(), O_WRONLY | O_TRUNC | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return FromErrno(path_, errno);
  size_t done = 0;
  int error = 0;
  while (done < text.size() && error == 0) {
    const ssize_t count = ::write(fd, text.data() + done, text.size() - done);
    if (count >= 0) {
      done += static_cast<size_t>(count);
    } else if (errno != EINTR) {
      error = errno;
    }
  }
  ::close(fd);
  return error == 0 ? absl::OkStatus() : FromErrno(path_, error);
}

absl::StatusOr<std::string> EditedFile::Edit(const Environment& environment) {
  std::string editor = Variable(environment, "VISUAL");
  if (editor.empty()) editor = Variable(environment, "EDITOR");
  if (editor.empty()) editor = "vi";
  int error = 0;
  const int code = RunInShell(editor, path_, error);
  if (code < 0) return FromErrno("/bin/sh", error);
  if (code != 0) return absl::FailedPreconditionError(absl::StrFormat("the editor \"%s\" failed with code %d", Visible(editor), code));
  // By name: many editors write another file and put it in its place.
  const int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return FromErrno(path_, errno);
  std::string text;
  char buffer[64 * 1024];
  ssize_t count = 0;
  while (text.size() <= kMaxBytes && (count = ::read(fd, buffer, sizeof buffer)) != 0) {
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) break;
    text.append(buffer, static_cast<size_t>(count));
  }
  const int failed = errno;
  ::close(fd);
  if (count < 0) return FromErrno(path_, failed);
  if (text.size() > kMaxBytes) return absl::InvalidArgumentError(absl::StrFormat("%s: larger than %d MiB", path_, kMaxBytes >> 20));
  return text;
}

}  // namespace culvert::cli
