#include "tests/testing/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>

#include <atomic>
#include <string_view>

#include "absl/strings/str_format.h"
#include "tests/testing/process.h"

namespace culvert::testing {
namespace {

constexpr Duration kCommandLimit = std::chrono::seconds(10);

absl::Status RunIp(const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {"ip"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  const RunResult result = RunProgram(command, kCommandLimit);
  if (result.exit_code == 0) return absl::OkStatus();
  std::string text;
  for (const std::string& word : command) text += word + " ";
  return absl::InternalError(absl::StrFormat("%s: %s", text, result.err));
}

}  // namespace

absl::StatusOr<Netns> Netns::Create(const std::string& label) {
  static std::atomic<int> next_number{0};
  Netns netns(absl::StrFormat("culvert-%d-%d-%s", getpid(), next_number++, label));
  absl::Status status = RunIp({"netns", "add", netns.name_});
  if (status.ok()) status = RunIp({"-n", netns.name_, "link", "set", "lo", "up"});
  if (!status.ok()) return status;
  absl::StatusOr<NetnsVisit> visit = NetnsVisit::Enter(netns.name_);
  if (!visit.ok()) return visit.status();
  for (const std::string_view algorithm : {"cubic", "reno"}) {
    const UniqueFd setting(open("/proc/sys/net/ipv4/tcp_congestion_control", O_WRONLY | O_CLOEXEC));
    if (write(setting.get(), algorithm.data(), algorithm.size()) > 0) return netns;
  }
  return absl::InternalError(absl::StrFormat("tcp_congestion_control: %s", strerror(errno)));
}

Netns::~Netns() {
  if (!name_.empty()) (void)RunIp({"netns", "delete", name_});
}

absl::StatusOr<NetnsVisit> NetnsVisit::Enter(const std::string& name) {
  UniqueFd home(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  const UniqueFd target(open(("/run/netns/" + name).c_str(), O_RDONLY | O_CLOEXEC));
  if (!home.is_open() || !target.is_open() || setns(target.get(), CLONE_NEWNET) != 0) {
    return absl::InternalError(absl::StrFormat("cannot enter network namespace %s: %s", name, strerror(errno)));
  }
  return NetnsVisit(std::move(home));
}

NetnsVisit::~NetnsVisit() {
  if (home_.is_open()) (void)setns(home_.get(), CLONE_NEWNET);
}

std::string WhyNoNetns() {
  if (geteuid() != 0) return "needs root";
  if (access("/dev/net/tun", R_OK | W_OK) != 0) return "needs /dev/net/tun";
  const absl::StatusOr<Netns> probe = Netns::Create("probe");
  return probe.ok() ? "" : std::string(probe.status().message());
}

}  // namespace culvert::testing
