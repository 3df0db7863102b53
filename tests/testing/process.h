// Child processes of a test: started with an argument list (never a shell), output captured in files, ended with the
// object. Waiting is by event (pidfd, inotify) with a deadline, never by sleeping.
// Thread: a child gets SIGKILL when the thread that started it ends, so start children from a thread that outlives them.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/time.h"
#include "tests/testing/unique_fd.h"

namespace culvert::testing {

struct ProcessOptions {
  std::vector<std::string> arguments;              // the first one is the program, looked up in PATH
  std::map<std::string, std::string> environment;  // added to ours; an empty value removes a variable
  std::string working_directory;                   // empty: ours
  std::string netns;                               // name as in `ip netns`; empty: ours
  std::string input;                               // standard input, at most 64 KiB; then end of file
  std::string stdout_file;                         // empty: a file of the object's own
  std::string stderr_file;                         // empty: a file of the object's own
  uid_t uid = 0;                                   // not 0: run as this user (and as group of the same number)
};

// How a process ended.
struct ExitStatus {
  int code = -1;   // exit code, -1 when a signal ended it
  int signal = 0;  // the signal that did
};

class Process {
 public:
  // Errors: INTERNAL when it cannot be started; a missing program shows as exit code 127.
  static absl::StatusOr<Process> Start(const ProcessOptions& options);

  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;
  // Ends the process: SIGTERM, and SIGKILL after three seconds.
  ~Process();

  pid_t pid() const { return pid_; }
  bool IsRunning();
  void Signal(int signal) const;
  // nullopt: still running after `limit`.
  std::optional<ExitStatus> Wait(Duration limit);
  // Sends the signal and waits.
  std::optional<ExitStatus> Stop(int signal, Duration limit);

  std::string Stdout() const;
  std::string Stderr() const;
  // Waits until standard output or error contains `text`. False after `limit`, or when the process ended without it.
  bool WaitForOutput(std::string_view text, Duration limit);

 private:
  Process() = default;
  void Terminate();

  pid_t pid_ = -1;
  UniqueFd pidfd_;
  std::optional<ExitStatus> exit_status_;
  std::string stdout_file_;
  std::string stderr_file_;
  std::string own_directory_;  // removed in the end; empty: none
};

struct RunResult {
  int exit_code = -1;  // -1: a signal, or the deadline
  std::string out;
  std::string err;
};
// Runs a program to its end. After `limit` it is killed.
RunResult RunProgram(const ProcessOptions& options, Duration limit);
RunResult RunProgram(const std::vector<std::string>& arguments, Duration limit);

// CPU time used so far and resident memory of a running process; zeros when it is gone.
struct ProcessUsage {
  Duration cpu_time{};
  uint64_t resident_bytes = 0;
};
ProcessUsage UsageOf(pid_t pid);

}  // namespace culvert::testing
