#include "tests/testing/listening.h"

#include <sstream>

#include "absl/strings/str_format.h"
#include "tests/testing/temp_dir.h"

namespace culvert::testing {
namespace {

// A line of /proc/PID/net/tcp: "  0: 0100007F:1F90 00000000:0000 0A ..." with state 0A for a listener. The file shows the
// namespace of the process.
bool IsListening(pid_t pid, uint16_t port) {
  const std::string wanted = absl::StrFormat(":%04X", port);
  std::istringstream lines(ReadFile(absl::StrFormat("/proc/%d/net/tcp", pid)));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string number, local, remote, state;
    if (fields >> number >> local >> remote >> state && local.ends_with(wanted) && state == "0A") return true;
  }
  return false;
}

}  // namespace

bool WaitForTcpListener(uint16_t port, Process& process, Duration limit) {
  constexpr Duration kStep = std::chrono::milliseconds(5);
  for (const TimePoint deadline = MonotonicNow() + limit; MonotonicNow() < deadline;) {
    // A child is in its namespace only some time after it was started; until then it shows ours, where nobody listens.
    if (IsListening(process.pid(), port)) return true;
    if (process.Wait(kStep)) return false;
  }
  return false;
}

}  // namespace culvert::testing
