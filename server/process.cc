#include "server/process.h"

#include <malloc.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace culvert::server {
namespace {

constexpr int kWakeSignal = SIGUSR1;

sigset_t AwaitedSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, kWakeSignal}) sigaddset(&set, number);
  return set;
}

absl::Status FromErrno(const std::string& what, int error) {
  return absl::ErrnoToStatus(error, what);
}

// 0 when a process listens at `address`, else errno.
int TryConnect(const sockaddr_un& address) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return errno;
  const int error = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
  close(fd);
  return error;
}

}  // namespace

void PrepareProcess() {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  std::signal(SIGPIPE, SIG_IGN);
}

uint64_t MaxOpenFiles() {
  rlimit files{};
  return getrlimit(RLIMIT_NOFILE, &files) == 0 ? files.rlim_cur : 1024;
}

void BlockSignals() {
  const sigset_t set = AwaitedSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

Signal WaitForSignal() {
  const sigset_t set = AwaitedSignals();
  int number = 0;
  while (sigwait(&set, &number) != 0) {
  }
  return number == kWakeSignal ? Signal::kWake : number == SIGHUP ? Signal::kReload : Signal::kStop;
}

void StopProcess() { kill(getpid(), SIGTERM); }

void WakeSignalWaiter() { kill(getpid(), kWakeSignal); }

void ExitNow(int code) { _exit(code); }

uint64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t pages = 0;
  statm >> pages >> pages;  // the second figure
  return pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

double ProcessCpuSeconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6; };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

void TrimGrownHeap(size_t most) {
  static size_t floor = 0;  // what is needed, as far as it is known
  const size_t resident = ResidentBytes();
  if (floor == 0) floor = resident;
  if (resident <= floor + most) return;
  malloc_trim(0);
  // Slowly: what is in use at this moment may be free at the next, and must not be taken for what is needed.
  floor = std::min(ResidentBytes(), floor + most / 4);
}

bool IsRoot() { return geteuid() == 0; }
uint32_t UserId() { return geteuid(); }
uint32_t GroupId() { return getegid(); }

bool StandardErrorIsTerminal() { return isatty(STDERR_FILENO) == 1; }

std::string HostName() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "";
}

int64_t ProcessId() { return getpid(); }

bool ClockIsSynchronized() {
  timex state{};  // asks, changes nothing
  const int result = adjtimex(&state);
  return result >= 0 && result != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
}

uint64_t OpenFiles() {
  std::error_code error;
  uint64_t count = 0;
  for (auto each = std::filesystem::directory_iterator("/proc/self/fd", error); !error && each != std::filesystem::directory_iterator();
       each.increment(error)) {
    ++count;
  }
  return count > 0 ? count - 1 : 0;  // without the one that the count itself needs
}

absl::Status PrepareControlSocket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(
        absl::StrCat("--control: a socket path has 1 to ", sizeof address.sun_path - 1, " bytes: ", path));
  }
  path.copy(address.sun_path, path.size());

  std::error_code error;
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (!folder.empty() && !std::filesystem::exists(folder, error)) {
    // Missing folders above it keep the umask's mode; the socket's own is for owner and group alone.
    std::filesystem::create_directories(folder.parent_path(), error);
    if (mkdir(folder.c_str(), 0750) != 0 && errno != EEXIST) {
      return FromErrno(absl::StrCat("--control: create folder ", folder.string()), errno);
    }
  }

  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) {
    return errno == ENOENT ? absl::OkStatus() : FromErrno(absl::StrCat("--control: ", path), errno);
  }
  if (!S_ISSOCK(info.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat("--control: ", path, " exists and is no socket"));
  }
  const int refused = TryConnect(address);
  if (refused == ECONNREFUSED) {
    if (unlink(path.c_str()) == 0) return absl::OkStatus();
    return FromErrno(absl::StrCat("--control: remove the stale socket ", path), errno);
  }
  if (refused == ENOENT) return absl::OkStatus();
  if (refused == 0 || refused == EAGAIN) {
    return absl::FailedPreconditionError(absl::StrCat("--control: another process listens on ", path));
  }
  return FromErrno(absl::StrCat("--control: ", path), refused);
}

void RemoveControlSocket(const std::string& path) { unlink(path.c_str()); }

}  // namespace culvert::server
