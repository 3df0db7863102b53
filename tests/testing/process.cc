#include "tests/testing/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_format.h"
#include "tests/testing/temp_dir.h"

extern char** environ;

namespace culvert::testing {
namespace {

constexpr Duration kTerminationGrace = std::chrono::seconds(3);

std::vector<std::string> MergedEnvironment(const std::map<std::string, std::string>& changes) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!changes.contains(text.substr(0, text.find('=')))) result.push_back(text);
  }
  for (const auto& [name, value] : changes) {
    if (!value.empty()) result.push_back(name + "=" + value);
  }
  return result;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

absl::StatusOr<UniqueFd> Open(const std::string& path, int flags) {
  UniqueFd fd(open(path.c_str(), flags | O_CLOEXEC, 0644));
  if (!fd.is_open()) return absl::InternalError(absl::StrFormat("%s: %s", path, strerror(errno)));
  return fd;
}

// Everything the child needs, made before fork: between fork and exec only system calls are safe.
struct Launch {
  char* const* argv;
  char* const* envp;
  const char* directory;
  int netns;
  int input, output, error;
  uid_t uid;
  pid_t parent;
};

[[noreturn]] void BecomeChild(const Launch& launch) {
  // The test may block signals; a program expects them open.
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  bool ok = true;
  if (launch.netns >= 0) ok = ok && setns(launch.netns, CLONE_NEWNET) == 0;
  if (launch.directory != nullptr) ok = ok && chdir(launch.directory) == 0;
  if (launch.uid != 0) {
    ok = ok && setgroups(0, nullptr) == 0 && setresgid(launch.uid, launch.uid, launch.uid) == 0 &&
         setresuid(launch.uid, launch.uid, launch.uid) == 0;
  }
  // After the change of user, which clears it.
  ok = ok && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == launch.parent;
  ok = ok && dup2(launch.input, 0) >= 0 && dup2(launch.output, 1) >= 0 && dup2(launch.error, 2) >= 0;
  if (ok) execvpe(launch.argv[0], launch.argv, launch.envp);
  _exit(127);
}

}  // namespace

absl::StatusOr<Process> Process::Start(const ProcessOptions& options) {
  Process process;
  process.stdout_file_ = options.stdout_file;
  process.stderr_file_ = options.stderr_file;
  if (options.stdout_file.empty() || options.stderr_file.empty()) {
    process.own_directory_ = (std::filesystem::temp_directory_path() / "culvert-process-XXXXXX").string();
    if (mkdtemp(process.own_directory_.data()) == nullptr) return absl::InternalError("mkdtemp failed");
    if (options.stdout_file.empty()) process.stdout_file_ = process.own_directory_ + "/out";
    if (options.stderr_file.empty()) process.stderr_file_ = process.own_directory_ + "/err";
  }
  absl::StatusOr<UniqueFd> output = Open(process.stdout_file_, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND);
  if (!output.ok()) return output.status();
  absl::StatusOr<UniqueFd> error = Open(process.stderr_file_, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND);
  if (!error.ok()) return error.status();
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) return absl::InternalError("pipe failed");
  const UniqueFd input(pipe_ends[0]);
  {
    const UniqueFd writer(pipe_ends[1]);
    if (options.input.size() > 65'536) return absl::InvalidArgumentError("input above 64 KiB");
    if (!options.input.empty() && write(writer.get(), options.input.data(), options.input.size()) < 0) {
      return absl::InternalError("cannot write the input");
    }
  }
  UniqueFd netns;
  if (!options.netns.empty()) {
    absl::StatusOr<UniqueFd> opened = Open("/run/netns/" + options.netns, O_RDONLY);
    if (!opened.ok()) return opened.status();
    netns = *std::move(opened);
  }

  std::vector<std::string> arguments = options.arguments;
  std::vector<std::string> environment = MergedEnvironment(options.environment);
  const std::vector<char*> argv = Pointers(arguments);
  const std::vector<char*> envp = Pointers(environment);
  const Launch launch{
      argv.data(),  envp.data(), options.working_directory.empty() ? nullptr : options.working_directory.c_str(),
      netns.get(),  input.get(), output->get(),
      error->get(), options.uid, getpid()};
  const pid_t pid = fork();
  if (pid == 0) BecomeChild(launch);
  if (pid < 0) return absl::InternalError(absl::StrFormat("fork: %s", strerror(errno)));
  process.pid_ = pid;
  process.pidfd_ = UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  return process;
}

Process::Process(Process&& other) noexcept { *this = std::move(other); }

Process& Process::operator=(Process&& other) noexcept {
  if (this == &other) return *this;
  Terminate();
  pid_ = std::exchange(other.pid_, -1);
  pidfd_ = std::move(other.pidfd_);
  exit_status_ = other.exit_status_;
  stdout_file_ = std::move(other.stdout_file_);
  stderr_file_ = std::move(other.stderr_file_);
  own_directory_ = std::exchange(other.own_directory_, "");
  return *this;
}

Process::~Process() { Terminate(); }

void Process::Terminate() {
  if (pid_ > 0 && !Stop(SIGTERM, kTerminationGrace)) (void)Stop(SIGKILL, kTerminationGrace);
  if (!own_directory_.empty()) {
    std::error_code ignored;
    std::filesystem::remove_all(own_directory_, ignored);
  }
}

bool Process::IsRunning() { return !Wait(Duration::zero()).has_value(); }

void Process::Signal(int signal) const {
  // Through the pidfd: it can never hit a stranger that got the number after us.
  if (pid_ > 0 && !exit_status_) (void)syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0);
}

std::optional<ExitStatus> Process::Wait(Duration limit) {
  if (exit_status_ || pid_ <= 0) return exit_status_;
  const TimePoint deadline = MonotonicNow() + limit;
  pollfd fd{pidfd_.get(), POLLIN, 0};
  for (;;) {
    const timespec wait = TimeUntil(deadline, MonotonicNow());
    const int ready = ppoll(&fd, 1, &wait, nullptr);
    if (ready == 0) return std::nullopt;
    if (ready > 0) break;
  }
  int status = 0;
  if (waitpid(pid_, &status, 0) != pid_) return std::nullopt;
  exit_status_ = WIFEXITED(status) ? ExitStatus{WEXITSTATUS(status), 0} : ExitStatus{-1, WTERMSIG(status)};
  return exit_status_;
}

std::optional<ExitStatus> Process::Stop(int signal, Duration limit) {
  Signal(signal);
  return Wait(limit);
}

std::string Process::Stdout() const { return ReadFile(stdout_file_); }
std::string Process::Stderr() const { return ReadFile(stderr_file_); }

bool Process::WaitForOutput(std::string_view text, Duration limit) {
  const TimePoint deadline = MonotonicNow() + limit;
  // Watches first, looks second: nothing written in between is missed.
  const UniqueFd watch(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  for (const std::string& file : {stdout_file_, stderr_file_}) {
    (void)inotify_add_watch(watch.get(), file.c_str(), IN_MODIFY);
  }
  for (;;) {
    const bool is_over = !IsRunning();
    if (Stdout().find(text) != std::string::npos || Stderr().find(text) != std::string::npos) return true;
    if (is_over) return false;
    pollfd fds[] = {{watch.get(), POLLIN, 0}, {pidfd_.get(), POLLIN, 0}};
    const timespec wait = TimeUntil(deadline, MonotonicNow());
    if (ppoll(fds, 2, &wait, nullptr) == 0) return false;
    char events[4096];
    while (read(watch.get(), events, sizeof events) > 0) {
    }
  }
}

RunResult RunProgram(const ProcessOptions& options, Duration limit) {
  absl::StatusOr<Process> process = Process::Start(options);
  if (!process.ok()) return {-1, "", std::string(process.status().message())};
  std::optional<ExitStatus> status = process->Wait(limit);
  if (!status) (void)process->Stop(SIGKILL, kTerminationGrace);
  RunResult result{status ? status->code : -1, process->Stdout(), process->Stderr()};
  if (!status) result.err += "\n(killed: did not end in time)";
  return result;
}

RunResult RunProgram(const std::vector<std::string>& arguments, Duration limit) {
  ProcessOptions options;
  options.arguments = arguments;
  return RunProgram(options, limit);
}

ProcessUsage UsageOf(pid_t pid) {
  const std::string stat = ReadFile(absl::StrFormat("/proc/%d/stat", pid));
  const size_t name_end = stat.rfind(')');  // the name may hold anything
  if (name_end == std::string::npos) return {};
  std::istringstream fields(stat.substr(name_end + 2));
  std::vector<std::string> values;
  for (std::string value; fields >> value;) values.push_back(value);
  if (values.size() < 22) return {};
  // proc(5): with the state as field 3, utime is 14, stime 15, rss 24.
  const uint64_t ticks = std::stoull(values[11]) + std::stoull(values[12]);
  const auto ticks_per_second = static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  return {Duration(static_cast<int64_t>(ticks * (1'000'000'000 / ticks_per_second))),
          std::stoull(values[21]) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE))};
}

}  // namespace culvert::testing
