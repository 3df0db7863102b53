// bench_compare: culvert beside v2ray, both ends and the load on this machine. Every round measures every subject once, so
// that what the machine does meanwhile hits all of them alike.
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"
#include "tests/bench/compare/load.h"
#include "tests/bench/compare/report.h"
#include "tests/bench/compare/subject.h"
#include "tests/testing/netns.h"
#include "tests/testing/process.h"

namespace culvert::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kUsage =
    "Usage: bench_compare [--rounds N] [--quick] [--only TEXT]\n"
    "  --rounds N   default 5\n"
    "  --quick      two rounds\n"
    "  --only TEXT  subjects whose name contains it\n"
    "As root also over an emulated link: 100 ms round trip, 2 % loss, 50 Mbit/s.\n";

// The emulated link, made once.
struct LossyLink {
  testing::Netns near;
  testing::Netns far;
  testing::Process link;

  static absl::StatusOr<LossyLink> Create() {
    CULVERT_ASSIGN_OR_RETURN(testing::Netns near, testing::Netns::Create("bench-near"));
    CULVERT_ASSIGN_OR_RETURN(testing::Netns far, testing::Netns::Create("bench-far"));
    testing::ProcessOptions options;
    options.arguments = {testing::LinkemBinary(),
                         "tun",
                         "--left",
                         near.name(),
                         "--right",
                         far.name(),
                         "--left-address",
                         "10.77.0.1/24",
                         "--right-address",
                         "10.77.0.2/24",
                         "--rate",
                         "50mbit",
                         "--delay",
                         "50ms",
                         "--loss",
                         "2%",
                         "--queue",
                         "625000",
                         "--seed",
                         "1"};
    CULVERT_ASSIGN_OR_RETURN(testing::Process link, testing::Process::Start(options));
    if (!link.WaitForOutput("ready", seconds(10))) return absl::InternalError(link.Stderr());
    return LossyLink{std::move(near), std::move(far), std::move(link)};
  }
};

absl::Status MeasureLoopback(const Subject& subject, bool has_seed, const std::string& row, Report& report) {
  CULVERT_ASSIGN_OR_RETURN(const std::unique_ptr<Target> target, Target::Start(""));
  CULVERT_ASSIGN_OR_RETURN(const std::unique_ptr<RunningSubject> running,
                           RunningSubject::Start(subject, has_seed, {}, target->address()));
  report.Add(row, Figure::kIdleMib, static_cast<double>(running->Usage().resident_bytes) / 1048576);
  CULVERT_ASSIGN_OR_RETURN(const double round_trip, MeasureRoundTrip(*running, "", milliseconds(1500)));
  report.Add(row, Figure::kRoundTrip, round_trip);
  CULVERT_ASSIGN_OR_RETURN(const BulkResult one, MeasureBulk(*running, *target, "", {.streams = 1}));
  report.Add(row, Figure::kOneStream, one.mbit_per_second);
  report.Add(row, Figure::kCpuPerGib, one.cpu_seconds_per_gib);
  CULVERT_ASSIGN_OR_RETURN(const BulkResult four, MeasureBulk(*running, *target, "", {.streams = 4}));
  report.Add(row, Figure::kFourStreams, four.mbit_per_second);
  report.Add(row, Figure::kLoadMib, four.resident_mib);
  return absl::OkStatus();
}

absl::Status MeasureLossy(const Subject& subject, bool has_seed, const std::string& row, const LossyLink& link,
                          Report& report) {
  CULVERT_ASSIGN_OR_RETURN(const std::unique_ptr<Target> target, Target::Start(link.far.name()));
  const Place place{link.near.name(), link.far.name(), IpAddress::V4({10, 77, 0, 2})};
  CULVERT_ASSIGN_OR_RETURN(const std::unique_ptr<RunningSubject> running,
                           RunningSubject::Start(subject, has_seed, place, target->address()));
  CULVERT_ASSIGN_OR_RETURN(const BulkResult result, MeasureBulk(*running, *target, link.near.name(),
                                                                {.warm_up = seconds(3), .window = seconds(8)}));
  report.Add(row, Figure::kLossyLink, result.mbit_per_second);
  return absl::OkStatus();
}

int Main(const std::vector<std::string>& words) {
  (void)signal(SIGPIPE, SIG_IGN);
  int rounds = 5;
  std::string only;
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--quick") {
      rounds = 2;
    } else if (words[i] == "--rounds" && i + 1 < words.size()) {
      rounds = std::atoi(words[++i].c_str());
    } else if (words[i] == "--only" && i + 1 < words.size()) {
      only = words[++i];
    } else {
      std::fputs(kUsage, words[i] == "--help" ? stdout : stderr);
      return words[i] == "--help" ? 0 : 2;
    }
  }
  if (rounds < 1 || rounds > 100) {
    std::fputs("bench_compare: --rounds: 1 to 100\n", stderr);
    return 2;
  }
  if (testing::V2ray::FindBinary().empty())
    std::fputs("no v2ray here (deploy/setup fetches it): culvert alone\n", stderr);
  std::optional<LossyLink> link;
  if (const std::string why_not = testing::WhyNoNetns(); why_not.empty()) {
    absl::StatusOr<LossyLink> created = LossyLink::Create();
    if (created.ok()) link = *std::move(created);
  } else {
    std::fprintf(stderr, "no emulated link: %s\n", why_not.c_str());
  }

  Report report;
  for (int round = 1; round <= rounds; ++round) {
    for (const Subject& subject : Subjects()) {
      if (subject.name.find(only) == std::string::npos) continue;
      for (const bool has_seed : {false, true}) {
        const std::string row = subject.name + (has_seed ? ", seed" : ", no seed");
        std::fprintf(stderr, "round %d of %d: %s\n", round, rounds, row.c_str());
        absl::Status status = MeasureLoopback(subject, has_seed, row, report);
        if (status.ok() && link) status = MeasureLossy(subject, has_seed, row, *link, report);
        if (!status.ok()) std::fprintf(stderr, "  failed: %s\n", std::string(status.message()).c_str());
      }
    }
  }
  std::fputs(report.Table().c_str(), stdout);
  return 0;
}

}  // namespace
}  // namespace culvert::bench

int main(int argc, char** argv) { return culvert::bench::Main({argv + 1, argv + argc}); }
