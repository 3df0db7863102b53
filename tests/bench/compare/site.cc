#include "tests/bench/compare/site.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <mutex>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"
#include "tests/bench/compare/statistics.h"
#include "tests/testing/daemon.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/unique_fd.h"

namespace culvert::bench {
namespace {

constexpr const char* kDevice = "wire0";
constexpr uint64_t kEthernetHeadBytes = 14;  // counted by a queue discipline on veth, not on TUN
constexpr Duration kCommandLimit = std::chrono::seconds(20);
const IpAddress kNearIp = IpAddress::V4({10, 77, 0, 1});
const IpAddress kFarIp = IpAddress::V4({10, 77, 0, 2});

absl::Status Run(const std::vector<std::string>& arguments) {
  const testing::RunResult result = testing::RunProgram(arguments, kCommandLimit);
  if (result.exit_code == 0) return absl::OkStatus();
  std::string command;
  for (const std::string& argument : arguments) command += argument + " ";
  return absl::InternalError(absl::StrFormat("%s: %s", command, result.err));
}

absl::Status WriteSetting(const std::string& path, const std::string& value) {
  const testing::UniqueFd file(open(("/proc/sys/" + path).c_str(), O_WRONLY | O_CLOEXEC));
  if (write(file.get(), value.data(), value.size()) == static_cast<ssize_t>(value.size())) return absl::OkStatus();
  return absl::InternalError(absl::StrFormat("%s = %s: %s", path, value, strerror(errno)));
}

// Sets a congestion control in the namespace the calling thread is in. A namespace may only choose from the machine's
// list of allowed ones, so the list is widened for the moment of the choice and put back.
absl::Status ChooseCongestionControl(const std::string& netns, const std::string& name) {
  static std::mutex mutex;  // several sites, one list
  constexpr const char* kAllowed = "net/ipv4/tcp_allowed_congestion_control";
  constexpr const char* kChosen = "net/ipv4/tcp_congestion_control";
  const std::lock_guard lock(mutex);
  const std::string before = testing::ReadFile(std::string("/proc/sys/") + kAllowed);
  const bool widen = (" " + before).find(" " + name) == std::string::npos;
  if (widen) CULVERT_RETURN_IF_ERROR(WriteSetting(kAllowed, before.substr(0, before.find('\n')) + " " + name));
  absl::Status status;
  {
    const absl::StatusOr<testing::NetnsVisit> visit = testing::NetnsVisit::Enter(netns);
    status = visit.ok() ? WriteSetting(kChosen, name) : visit.status();
  }
  if (widen) status.Update(WriteSetting(kAllowed, before.substr(0, before.find('\n'))));
  return status;
}

// What TCP remembers of a peer would let one subject profit, or suffer, from what an earlier one saw.
absl::Status ForgetTcpMetrics(const std::string& netns) {
  CULVERT_ASSIGN_OR_RETURN(const testing::NetnsVisit visit, testing::NetnsVisit::Enter(netns));
  return WriteSetting("net/ipv4/tcp_no_metrics_save", "1");
}

// A queue discipline that counts: its byte counter, unlike the device's, has the headers of every wire packet of a
// segmentation super-packet.
absl::Status AddCounter(const std::string& netns) {
  return Run({"tc", "-n", netns, "qdisc", "replace", "dev", kDevice, "root", "pfifo", "limit", "10000"});
}

absl::Status AddRate(const std::string& netns, const Profile& profile) {
  const std::string rate = absl::StrFormat("%.0fbit", profile.rate_bits_per_second);
  const std::string queue = absl::StrFormat("%u", QueueBytes(profile));
  CULVERT_RETURN_IF_ERROR(
      Run({"tc", "-n", netns, "qdisc", "add", "dev", kDevice, "root", "handle", "1:", "htb", "default", "10"}));
  CULVERT_RETURN_IF_ERROR(Run({"tc", "-n", netns, "class", "add", "dev", kDevice, "parent", "1:", "classid", "1:10",
                               "htb", "rate", rate, "ceil", rate, "quantum", "65536"}));
  return Run({"tc", "-n", netns, "qdisc", "add", "dev", kDevice, "parent", "1:10", "bfifo", "limit", queue});
}

}  // namespace

Site::~Site() = default;

const std::string& Site::near_netns() const {
  static const std::string none;
  return near_ ? near_->name() : none;
}

const std::string& Site::far_netns() const { return far_ ? far_->name() : near_netns(); }

absl::StatusOr<std::unique_ptr<Site>> Site::Create(const Profile& profile) {
  std::unique_ptr<Site> site(new Site(profile));
  if (geteuid() != 0) {
    if (profile.kind != PathKind::kLoopback) return absl::PermissionDeniedError("needs root");
    return site;
  }
  CULVERT_ASSIGN_OR_RETURN(site->near_, testing::Netns::Create("bench-near"));
  CULVERT_RETURN_IF_ERROR(ForgetTcpMetrics(site->near_netns()));
  if (profile.kind == PathKind::kLoopback) return site;
  CULVERT_ASSIGN_OR_RETURN(site->far_, testing::Netns::Create("bench-far"));
  CULVERT_RETURN_IF_ERROR(ForgetTcpMetrics(site->far_netns()));
  site->near_ip_ = kNearIp;
  site->far_ip_ = kFarIp;
  CULVERT_RETURN_IF_ERROR(profile.is_emulated() ? site->SetUpEmulated() : site->SetUpVeth());
  return site;
}

absl::Status Site::SetUpVeth() {
  CULVERT_RETURN_IF_ERROR(Run({"ip", "-n", near_netns(), "link", "add", kDevice, "type", "veth", "peer", "name",
                               kDevice, "netns", far_netns()}));
  for (const auto& [netns, address] : {std::pair(near_netns(), near_ip_), std::pair(far_netns(), far_ip_)}) {
    CULVERT_RETURN_IF_ERROR(Run({"ip", "-n", netns, "address", "add", address.ToString() + "/24", "dev", kDevice}));
    CULVERT_RETURN_IF_ERROR(Run({"ip", "-n", netns, "link", "set", kDevice, "up"}));
    CULVERT_RETURN_IF_ERROR(AddRate(netns, profile_));
  }
  return absl::OkStatus();
}

absl::Status Site::SetUpEmulated() {
  testing::ProcessOptions options;
  options.arguments = {testing::LinkemBinary(), "tun", "--device", kDevice};
  const auto add = [&](const std::string& flag, const std::string& value) {
    options.arguments.insert(options.arguments.end(), {flag, value});
  };
  add("--left", near_netns());
  add("--right", far_netns());
  add("--left-address", near_ip_.ToString() + "/24");
  add("--right-address", far_ip_.ToString() + "/24");
  add("--rate", absl::StrFormat("%.0fbit", profile_.rate_bits_per_second));
  add("--queue", absl::StrFormat("%u", QueueBytes(profile_)));
  add("--delay", absl::StrFormat("%dus", profile_.one_way_delay / std::chrono::microseconds(1)));
  if (profile_.mean_burst > 1) {
    add("--burst-enter", absl::StrFormat("%.9f", BurstEnterFor(profile_.loss, profile_.mean_burst)));
    add("--burst-leave", absl::StrFormat("%.9f", 1 / profile_.mean_burst));
    add("--burst-loss", "1");
  } else {
    add("--loss", absl::StrFormat("%.9f", profile_.loss));
  }
  CULVERT_ASSIGN_OR_RETURN(link_, testing::Process::Start(options));
  if (!link_->WaitForOutput("ready", kCommandLimit)) {
    return absl::InternalError("linkem: " + link_->Stdout() + link_->Stderr());
  }
  CULVERT_RETURN_IF_ERROR(AddCounter(near_netns()));
  return AddCounter(far_netns());
}

absl::Status Site::SetTcpCongestionControl(const std::string& name) {
  if (!near_) return absl::OkStatus();
  CULVERT_RETURN_IF_ERROR(ChooseCongestionControl(near_netns(), name));
  return far_ ? ChooseCongestionControl(far_netns(), name) : absl::OkStatus();
}

std::optional<uint64_t> Site::SentIpBytes(Direction direction) const {
  if (!far_) return std::nullopt;
  const std::string& netns = direction == Direction::kUp ? near_netns() : far_netns();
  // A dump of the kernel's tables may be interrupted by a change elsewhere and come back empty.
  constexpr int kTries = 3;
  for (int i = 0; i < kTries; ++i) {
    const testing::RunResult shown =
        testing::RunProgram({"tc", "-n", netns, "-s", "-j", "qdisc", "show", "dev", kDevice}, kCommandLimit);
    const auto json = nlohmann::json::parse(shown.out, nullptr, false);
    if (!json.is_array()) continue;
    for (const auto& qdisc : json) {
      if (!qdisc.value("root", false)) continue;
      const uint64_t head = profile_.kind == PathKind::kVeth ? kEthernetHeadBytes * qdisc.value("packets", 0ULL) : 0;
      return qdisc.value("bytes", 0ULL) - head;
    }
  }
  return std::nullopt;
}

}  // namespace culvert::bench
