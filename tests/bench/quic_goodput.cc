// What QUIC makes of lossy links, in virtual time: share of what the link can carry at best, bytes sent per byte that was new, and
// round trip, for each congestion controller. The links are those of compare/profile.cc and some more.
//
//   quic_goodput [--seconds N] [--seeds N] [NAME-PART...]
//
// One client uploads without end; the first three seconds do not count. Nothing is measured by a real clock, so the machine and what
// else it does have no influence.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "tests/sim/quic_pair.h"

namespace culvert::bench {
namespace {

struct Link {
  const char* name;
  int round_trip_ms;
  double mbit;
  double loss;
  double mean_burst;
};

constexpr Link kLinks[] = {
    {"40ms-100m-0.1", 40, 100, 0.001, 1}, {"100ms-50m-1", 100, 50, 0.01, 1},     {"100ms-50m-2", 100, 50, 0.02, 1},
    {"100ms-50m-5", 100, 50, 0.05, 1},    {"200ms-20m-10", 200, 20, 0.10, 1},    {"100ms-50m-10", 100, 50, 0.10, 1},
    {"80ms-50m-burst3", 80, 50, 0.03, 3}, {"30ms-500m-0", 30, 500, 0, 1},
};

struct Controller {
  const char* name;
  quic::CongestionControl value;
};
constexpr Controller kControllers[] = {{"bbr", quic::CongestionControl::kBbr},
                                       {"cubic", quic::CongestionControl::kCubic},
                                       {"ngtcp2-bbr", quic::CongestionControl::kNgtcp2Bbr}};

constexpr Duration kWarmUp = std::chrono::seconds(3);

testing::LinkOptions OptionsOf(const Link& link, uint64_t seed) {
  testing::LinkOptions options;
  options.seed = seed;
  options.rate_bits_per_second = static_cast<uint64_t>(link.mbit * 1e6);
  options.delay = std::chrono::microseconds(link.round_trip_ms * 500);
  options.queue_bytes = std::max<uint64_t>(64 * 1024, static_cast<uint64_t>(link.mbit * 1e6 / 8 * link.round_trip_ms / 1000));
  if (link.mean_burst > 1) {
    options.burst_leave = 1 / link.mean_burst;
    options.burst_enter = link.loss * options.burst_leave / (1 - link.loss);
  } else {
    options.loss = link.loss;
  }
  return options;
}

struct Figures {
  double share = 0;
  double waste = 0;
  double rtt_ms = 0;
  std::string problem;
};

Figures Measure(const Link& link, const Controller& controller, uint64_t seed, Duration time) {
  sim::QuicPairOptions options;
  options.seed = seed;
  options.client.congestion_control = options.server.congestion_control = controller.value;
  options.up = OptionsOf(link, seed * 2);
  options.down = OptionsOf(link, seed * 2 + 1);
  options.checks_storms = false;
  sim::QuicPair pair(options);
  Figures figures;
  const size_t session = pair.Dial();
  pair.Open(session, uint64_t{1} << 40, 0);
  pair.RunFor(kWarmUp);
  const auto received = [&] { return pair.stream().server == nullptr ? 0 : pair.stream().server->received; };
  const uint64_t before = received();
  double rtt_sum = 0;
  int rtt_count = 0;
  for (Duration done{}; done < time && pair.failure().empty(); done += std::chrono::milliseconds(100)) {
    pair.RunFor(std::chrono::milliseconds(100));
    if (const auto stats = pair.ClientStats(session)) {
      rtt_sum += ToSeconds(stats->smoothed_rtt) * 1000;
      ++rtt_count;
      figures.waste = stats->waste_ratio;
    }
  }
  figures.problem = pair.failure();
  figures.share = static_cast<double>(received() - before) * 8 / ToSeconds(time) / (link.mbit * 1e6 * (1 - link.loss));
  figures.rtt_ms = rtt_count == 0 ? 0 : rtt_sum / rtt_count;
  return figures;
}

bool IsWanted(const std::string& name, const std::vector<std::string>& parts) {
  if (parts.empty()) return true;
  for (const std::string& part : parts) {
    if (name.find(part) != std::string::npos) return true;
  }
  return false;
}

int Main(int argc, char** argv) {
  int seconds = 20;
  int seeds = 3;
  std::vector<std::string> parts;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--seconds") == 0 && i + 1 < argc) {
      seconds = std::atoi(argv[++i]);
    } else if (std::strcmp(argv[i], "--seeds") == 0 && i + 1 < argc) {
      seeds = std::atoi(argv[++i]);
    } else {
      parts.emplace_back(argv[i]);
    }
  }
  if (seconds < 1 || seeds < 1) {
    std::fprintf(stderr, "usage: quic_goodput [--seconds N] [--seeds N] [NAME-PART...]\n");
    return 2;
  }
  std::printf("%-16s %-11s %8s %8s %7s %8s\n", "LINK", "CONTROL", "MBIT/S", "SHARE", "WASTE", "RTT MS");
  for (const Link& link : kLinks) {
    for (const Controller& controller : kControllers) {
      if (!IsWanted(std::string(link.name) + " " + controller.name, parts)) continue;
      Figures sum;
      for (int seed = 1; seed <= seeds; ++seed) {
        const Figures one = Measure(link, controller, static_cast<uint64_t>(seed), std::chrono::seconds(seconds));
        sum.share += one.share / seeds;
        sum.waste += one.waste / seeds;
        sum.rtt_ms += one.rtt_ms / seeds;
        if (!one.problem.empty()) sum.problem = one.problem;
      }
      std::printf("%-16s %-11s %8.2f %7.1f%% %7.3f %8.1f %s\n", link.name, controller.name,
                  sum.share * link.mbit * (1 - link.loss), sum.share * 100, sum.waste, sum.rtt_ms, sum.problem.c_str());
      std::fflush(stdout);
    }
  }
  return 0;
}

}  // namespace
}  // namespace culvert::bench

int main(int argc, char** argv) { return culvert::bench::Main(argc, argv); }
