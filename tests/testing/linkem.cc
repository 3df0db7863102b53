// linkem: an emulated network link. See --help and README.md.
// The flow: flags, TUN devices or UDP socket, "ready", packets until SIGINT or SIGTERM, one line of JSON.
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"
#include "tests/testing/link_flags.h"
#include "tests/testing/relay_link.h"
#include "tests/testing/tun_device.h"
#include "tests/testing/tun_link.h"

namespace culvert::testing {
namespace {

constexpr std::string_view kUsage = R"(Usage:
  linkem tun   [--left NETNS] [--left-address CIDR]... [--right NETNS] [--right-address CIDR]... [--device NAME] [--mtu BYTES] [LINK]
  linkem relay --listen ADDRESS:PORT --to ADDRESS:PORT [LINK]
tun joins two network namespaces by a pair of TUN devices (needs root); relay passes UDP on (needs nothing).
Prints "ready ..." when packets are carried, and one line of JSON with counts when it ends (SIGINT, SIGTERM).
  --stats-file PATH  the line of counts goes there too
  --stats-fd N       and there
LINK, for both directions, or with up- (left to right, client to target) or down- in front for one:
)";

struct Arguments {
  std::string mode;
  TunOptions left;
  TunOptions right;
  std::string listen;
  std::string to;
  std::string stats_file;
  int stats_fd = -1;
  LinkPair links;
};

absl::Status SetOwnFlag(std::string_view flag, const std::string& value, Arguments& arguments) {
  const std::pair<std::string_view, std::string*> texts[] = {
      {"left", &arguments.left.netns}, {"right", &arguments.right.netns},        {"listen", &arguments.listen},
      {"to", &arguments.to},           {"stats-file", &arguments.stats_file},
  };
  for (const auto& [name, text] : texts) {
    if (flag != name) continue;
    *text = value;
    return absl::OkStatus();
  }
  if (flag == "left-address") {
    arguments.left.addresses.push_back(value);
  } else if (flag == "right-address") {
    arguments.right.addresses.push_back(value);
  } else if (flag == "device") {
    arguments.left.device = arguments.right.device = value;
  } else if (flag == "stats-fd") {
    CULVERT_ASSIGN_OR_RETURN(const uint64_t fd, ParseSize(value));
    arguments.stats_fd = static_cast<int>(fd);
  } else if (flag == "mtu") {
    CULVERT_ASSIGN_OR_RETURN(const uint64_t mtu, ParseSize(value));
    arguments.left.mtu_bytes = arguments.right.mtu_bytes = static_cast<uint32_t>(mtu);
  } else {
    return SetLinkFlag(flag, value, arguments.links);
  }
  return absl::OkStatus();
}

absl::StatusOr<Arguments> ParseArguments(const std::vector<std::string>& words) {
  Arguments arguments;
  CULVERT_RETURN_IF_ERROR(SetLinkFlag("seed", "1", arguments.links));
  if (words.empty() || (words[0] != "tun" && words[0] != "relay")) {
    return absl::InvalidArgumentError("the first argument is tun or relay");
  }
  arguments.mode = words[0];
  for (size_t i = 1; i < words.size(); ++i) {
    std::string flag = words[i];
    if (!flag.starts_with("--")) return absl::InvalidArgumentError(absl::StrFormat("'%s' is not an option", flag));
    flag.erase(0, 2);
    std::string value;
    if (const size_t equals = flag.find('='); equals != std::string::npos) {
      value = flag.substr(equals + 1);
      flag.erase(equals);
    } else if (++i < words.size()) {
      value = words[i];
    } else {
      return absl::InvalidArgumentError(absl::StrFormat("--%s wants a value", flag));
    }
    CULVERT_RETURN_IF_ERROR(SetOwnFlag(flag, value, arguments));
  }
  return arguments;
}

std::string ToJson(const LinkCounters& counters) {
  return absl::StrFormat(
      R"({"packets":%u,"bytes":%u,"delivered":%u,"delivered_bytes":%u,"lost":%u,"queue_full":%u,"duplicated":%u,)"
      R"("reordered":%u,"corrupted":%u,"max_backlog_bytes":%u})",
      counters.packets, counters.bytes, counters.delivered, counters.delivered_bytes, counters.lost,
      counters.queue_full, counters.duplicated, counters.reordered, counters.corrupted, counters.max_backlog_bytes);
}

// A link that oversleeps is a link with jitter: short slack, and real-time priority where we may have it.
bool BecomeRealTime() {
  (void)prctl(PR_SET_TIMERSLACK, 1UL);
  const sched_param priority{.sched_priority = 10};
  return sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &priority) == 0;
}

absl::StatusOr<LinkReport> Carry(const Arguments& arguments, int stop_fd, bool real_time) {
  const char* priority = real_time ? "real-time" : "normal priority";
  if (arguments.mode == "tun") {
    CULVERT_ASSIGN_OR_RETURN(TunDevice left, TunDevice::Create(arguments.left));
    CULVERT_ASSIGN_OR_RETURN(TunDevice right, TunDevice::Create(arguments.right));
    printf("ready tun udp-segmentation=%s %s\n", left.has_udp_segmentation() ? "yes" : "no", priority);
    fflush(stdout);
    return RunTunLink(left, right, arguments.links, stop_fd);
  }
  CULVERT_ASSIGN_OR_RETURN(const SocketAddress listen, SocketAddress::Parse(arguments.listen));
  CULVERT_ASSIGN_OR_RETURN(const SocketAddress to, SocketAddress::Parse(arguments.to));
  CULVERT_ASSIGN_OR_RETURN(RelayLink relay, RelayLink::Create(listen, to));
  printf("ready relay %s %s\n", relay.address().ToString().c_str(), priority);
  fflush(stdout);
  return relay.Run(arguments.links, stop_fd);
}

int Main(const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    if (word != "--help" && word != "-h") continue;
    fputs((std::string(kUsage) + LinkFlagHelp()).c_str(), stdout);
    return 0;
  }
  const absl::StatusOr<Arguments> arguments = ParseArguments(words);
  if (!arguments.ok()) {
    fprintf(stderr, "linkem: %s (--help shows the options)\n", std::string(arguments.status().message()).c_str());
    return 2;
  }
  sigset_t stop_signals;
  sigemptyset(&stop_signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&stop_signals, signal);
  sigprocmask(SIG_BLOCK, &stop_signals, nullptr);
  const UniqueFd stop(signalfd(-1, &stop_signals, SFD_CLOEXEC));
  const bool real_time = BecomeRealTime();
  const absl::StatusOr<LinkReport> report = Carry(*arguments, stop.get(), real_time);
  if (!report.ok()) {
    fprintf(stderr, "linkem: %s\n", std::string(report.status().message()).c_str());
    return 1;
  }
  const std::string line =
      absl::StrFormat(R"({"up":%s,"down":%s,"refused":%u,"malformed":%u,"real_time":%s})", ToJson(report->up),
                      ToJson(report->down), report->refused, report->malformed, real_time ? "true" : "false") +
      "\n";
  fputs(line.c_str(), stdout);
  if (arguments->stats_fd >= 0) dprintf(arguments->stats_fd, "%s", line.c_str());
  if (!arguments->stats_file.empty()) {
    FILE* file = fopen(arguments->stats_file.c_str(), "we");
    if (file == nullptr || fputs(line.c_str(), file) < 0 || fclose(file) != 0) {
      fprintf(stderr, "linkem: %s: %s\n", arguments->stats_file.c_str(), strerror(errno));
      return 1;
    }
  }
  return 0;
}

}  // namespace
}  // namespace culvert::testing

int main(int argc, char** argv) { return culvert::testing::Main({argv + 1, argv + argc}); }
