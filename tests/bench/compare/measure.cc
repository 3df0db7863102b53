#include "tests/bench/compare/measure.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"
#include "tests/bench/compare/interrupt.h"
#include "tests/bench/compare/load/client.h"
#include "tests/bench/compare/load/crowd.h"
#include "tests/bench/compare/load/target.h"

namespace culvert::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr double kMib = 1024 * 1024;
constexpr double kGib = 1024 * kMib;
constexpr int kFirstBytes = 200;
constexpr int kCrowd = 1000;
constexpr Duration kCrowdLimit = seconds(20);
constexpr double kStartSeconds = 0.5;

// Many round trips must fit into the window even where one takes long; over loopback few connections give many.
int PingConnections(const Profile& profile) { return profile.is_emulated() ? 8 : 2; }
int FirstBytesAtOnce(const Profile& profile) { return profile.is_emulated() ? 20 : 4; }
constexpr Duration kPingPause = milliseconds(10);

struct Running {
  std::unique_ptr<Target> target;
  std::unique_ptr<RunningSubject> subject;
  Door door;
};

absl::StatusOr<Running> Start(const Cell& cell) {
  Running running;
  CULVERT_ASSIGN_OR_RETURN(running.target, Target::Start(cell.site.far_netns()));
  CULVERT_ASSIGN_OR_RETURN(running.subject, RunningSubject::Start(cell.subject, cell.site, running.target->port()));
  running.door = {cell.site.near_netns(), running.subject->entrance()};
  return running;
}

// Figures of one phase; they are added to the results only when all of it went well.
using Figures = std::vector<std::pair<Metric, double>>;

void AddPercentiles(const std::vector<double>& samples, Metric p50, Metric p99, Figures& figures) {
  figures.emplace_back(p50, Percentile(samples, 50));
  figures.emplace_back(p99, Percentile(samples, 99));
}

absl::StatusOr<Figures> MeasureQuiet(const Cell& cell) {
  CULVERT_ASSIGN_OR_RETURN(const Running running, Start(cell));
  const Profile& profile = cell.site.profile();
  Figures figures;
  if (running.subject->has_processes()) {
    figures.emplace_back(Metric::kIdleMib, static_cast<double>(running.subject->ResidentBytes()) / kMib);
  }
  Pings pings(running.door, {.connections = PingConnections(profile), .pause = kPingPause});
  if (!SleepUnlessInterrupted(profile.alone)) return absl::CancelledError("interrupted");
  CULVERT_ASSIGN_OR_RETURN(const std::vector<double> alone, pings.Finish());
  AddPercentiles(alone, Metric::kAlone50, Metric::kAlone99, figures);
  CULVERT_ASSIGN_OR_RETURN(const std::vector<double> first,
                           MeasureFirstBytes(running.door, kFirstBytes, FirstBytesAtOnce(profile)));
  AddPercentiles(first, Metric::kFirst50, Metric::kFirst99, figures);
  return figures;
}

absl::StatusOr<Figures> MeasureCrowd(const Cell& cell) {
  CULVERT_ASSIGN_OR_RETURN(const Running running, Start(cell));
  CULVERT_ASSIGN_OR_RETURN(const CrowdResult crowd, RunCrowd(running.door, kCrowd, kCrowdLimit));
  if (running.target->corrupted() > 0) return absl::DataLossError("what arrived is not what was sent");
  Figures figures = {{Metric::kCrowdDone, crowd.finished}};
  if (crowd.finished == kCrowd) figures.emplace_back(Metric::kCrowdSeconds, crowd.seconds);
  return figures;
}

struct Snapshot {
  TimePoint at{};
  double bytes = 0;
  std::optional<uint64_t> there, back;  // IP bytes on the wire
  Duration cpu{};
};

Snapshot Take(const Site& site, const RunningSubject& subject, const BulkStream& bulk, Direction direction) {
  Snapshot snapshot;
  const Direction other = direction == Direction::kUp ? Direction::kDown : Direction::kUp;
  snapshot.back = site.SentIpBytes(other);
  snapshot.there = site.SentIpBytes(direction);
  snapshot.at = testing::MonotonicNow();
  snapshot.bytes = static_cast<double>(bulk.delivered());
  snapshot.cpu = subject.CpuTime();
  return snapshot;
}

struct BulkMetrics {
  Metric goodput, steady, share, wire, waste, back, cpu;
};
constexpr BulkMetrics kUpMetrics = {Metric::kUp,      Metric::kUpSteady, Metric::kShareUp, Metric::kWireUp,
                                    Metric::kWasteUp, Metric::kBackUp,   Metric::kCpuUp};
constexpr BulkMetrics kDownMetrics = {Metric::kDown,      Metric::kDownSteady, Metric::kShareDown, Metric::kWireDown,
                                      Metric::kWasteDown, Metric::kBackDown,   Metric::kCpuDown};

// `begin` is the moment of the connect call, `warm` the end of the warm-up, `end` that of the window.
void AddBulkFigures(const Cell& cell, Direction direction, const Snapshot& begin, const Snapshot& warm,
                    const Snapshot& end, Figures& figures) {
  const Profile& profile = cell.site.profile();
  const BulkMetrics& metrics = direction == Direction::kUp ? kUpMetrics : kDownMetrics;
  const double share = (direction == Direction::kUp ? cell.subject.packet_up : cell.subject.packet_down).share();
  const double steady_bytes = end.bytes - warm.bytes;
  const double steady_mbit = steady_bytes * 8 / 1e6 / ToSeconds(end.at - warm.at);
  figures.emplace_back(metrics.goodput, end.bytes * 8 / 1e6 / ToSeconds(end.at - begin.at));
  figures.emplace_back(metrics.steady, steady_mbit);
  if (profile.is_emulated()) {
    const double carried = CarriedMbit(profile.rate_bits_per_second, profile.loss, share);
    figures.emplace_back(metrics.share, steady_mbit / carried * 100);
  }
  if (steady_bytes > 0 && warm.there && end.there && warm.back && end.back) {
    const double wire = static_cast<double>(*end.there - *warm.there) / steady_bytes;
    figures.emplace_back(metrics.wire, wire);
    figures.emplace_back(metrics.waste, wire * share);
    figures.emplace_back(metrics.back, static_cast<double>(*end.back - *warm.back) / steady_bytes);
  }
  if (end.bytes > 0 && end.cpu > Duration::zero()) {
    figures.emplace_back(metrics.cpu, ToSeconds(end.cpu - begin.cpu) / (end.bytes / kGib));
  }
}

absl::StatusOr<Figures> MeasureBulk(const Cell& cell, Direction direction) {
  CULVERT_ASSIGN_OR_RETURN(const Running running, Start(cell));
  const Profile& profile = cell.site.profile();
  Snapshot begin;
  begin.cpu = running.subject->CpuTime();
  CULVERT_ASSIGN_OR_RETURN(const std::unique_ptr<BulkStream> bulk,
                           BulkStream::Start(running.door, direction, *running.target));
  begin.at = bulk->started_at();
  if (!SleepUnlessInterrupted(profile.warm_up)) return absl::CancelledError("interrupted");
  const Snapshot warm = Take(cell.site, *running.subject, *bulk, direction);
  // The small messages begin once the bulk stream has filled the path.
  std::optional<Pings> pings;
  if (direction == Direction::kUp) {
    pings.emplace(running.door, Pings::Options{.connections = PingConnections(profile) / 2, .pause = 2 * kPingPause});
  }
  const Duration left = profile.bulk - (testing::MonotonicNow() - begin.at);
  if (!SleepUnlessInterrupted(left)) return absl::CancelledError("interrupted");
  const Snapshot end = Take(cell.site, *running.subject, *bulk, direction);

  if (const std::string ended = running.subject->WhatEnded(); !ended.empty()) return absl::InternalError(ended);
  CULVERT_RETURN_IF_ERROR(bulk->status());
  if (end.bytes <= warm.bytes) return absl::DeadlineExceededError("nothing arrived any more");
  Figures figures;
  AddBulkFigures(cell, direction, begin, warm, end, figures);
  if (direction == Direction::kUp && running.subject->has_processes()) {
    figures.emplace_back(Metric::kPeakMib, static_cast<double>(running.subject->PeakResidentBytes()) / kMib);
  }
  if (pings) {
    const absl::StatusOr<std::vector<double>> beside = pings->Finish();
    // A bulk stream that lets nobody else through has still shown its goodput.
    if (beside.ok()) AddPercentiles(*beside, Metric::kBeside50, Metric::kBeside99, figures);
  }
  return figures;
}

absl::StatusOr<Figures> MeasurePhase(const Cell& cell, Phase phase) {
  switch (phase) {
    case Phase::kQuiet:
      return MeasureQuiet(cell);
    case Phase::kCrowd:
      return MeasureCrowd(cell);
    case Phase::kUp:
      return MeasureBulk(cell, Direction::kUp);
    case Phase::kDown:
      return MeasureBulk(cell, Direction::kDown);
  }
  return absl::InternalError("no such phase");
}

// What a phase owes.
std::vector<Metric> MetricsOf(Phase phase, const Profile& profile) {
  const bool has_link = profile.kind != PathKind::kLoopback;
  std::vector<Metric> metrics;
  switch (phase) {
    case Phase::kQuiet:
      return {Metric::kAlone50, Metric::kAlone99, Metric::kFirst50, Metric::kFirst99};
    case Phase::kCrowd:
      return {Metric::kCrowdDone};
    case Phase::kUp:
      metrics = {Metric::kUp, Metric::kUpSteady, Metric::kBeside50, Metric::kBeside99};
      if (has_link) metrics.push_back(Metric::kWireUp);
      return metrics;
    case Phase::kDown:
      metrics = {Metric::kDown, Metric::kDownSteady};
      if (has_link) metrics.push_back(Metric::kWireDown);
      return metrics;
  }
  return metrics;
}

const char* WhyAbsent(Metric metric) {
  const bool is_wire = metric == Metric::kWireUp || metric == Metric::kWireDown;
  return is_wire ? "the counters of the link could not be read" : "small messages got no answer";
}

std::string Line(const Figures& figures) {
  constexpr Metric kShown[] = {Metric::kUp,      Metric::kDown,     Metric::kShareUp,  Metric::kShareDown,
                               Metric::kWireUp,  Metric::kWireDown, Metric::kBeside99, Metric::kAlone50,
                               Metric::kFirst50, Metric::kCrowdDone};
  std::string line;
  for (const MetricInfo& info : Metrics()) {
    if (std::find(std::begin(kShown), std::end(kShown), info.metric) == std::end(kShown)) continue;
    for (const auto& [metric, value] : figures) {
      if (metric != info.metric) continue;
      line += absl::StrFormat("%s%s %.*f %s", line.empty() ? "" : ", ", info.title, info.decimals, value, info.unit);
    }
  }
  return line;
}

}  // namespace

const char* NameOf(Phase phase) {
  constexpr const char* kNames[] = {"quiet", "streams", "up", "down"};
  return kNames[static_cast<size_t>(phase)];
}

bool AppliesTo(Phase phase, const Profile& profile) { return phase != Phase::kCrowd || profile.has_crowd(); }

double PlannedSeconds(Phase phase, const Profile& profile) {
  switch (phase) {
    case Phase::kQuiet: {
      // Two round trips of the path for each first byte, and some for what is lost.
      const double waves = static_cast<double>(kFirstBytes) / FirstBytesAtOnce(profile);
      return kStartSeconds + ToSeconds(profile.alone) + waves * (0.01 + 2.5 * 2 * ToSeconds(profile.one_way_delay));
    }
    case Phase::kCrowd:
      return kStartSeconds + 2;
    case Phase::kUp:
    case Phase::kDown:
      return kStartSeconds + ToSeconds(profile.bulk);
  }
  return 0;
}

std::string Measure(const Cell& cell, Phase phase, Results& results) {
  const std::string& profile = cell.site.profile().name;
  const absl::StatusOr<Figures> figures = MeasurePhase(cell, phase);
  if (!figures.ok()) {
    const std::string why(figures.status().message());
    if (!IsInterrupted()) {
      results.AddFailure(cell.round, profile, cell.subject.name, MetricsOf(phase, cell.site.profile()),
                         absl::StrFormat("%s: %s", NameOf(phase), why));
    }
    return "failed: " + why;
  }
  for (const auto& [metric, value] : *figures) results.Add(cell.round, profile, cell.subject.name, metric, value);
  for (const Metric metric : MetricsOf(phase, cell.site.profile())) {
    const auto has = [&](const auto& figure) { return figure.first == metric; };
    if (std::any_of(figures->begin(), figures->end(), has)) continue;
    results.AddFailure(cell.round, profile, cell.subject.name, {metric},
                       absl::StrFormat("%s: %s", NameOf(phase), WhyAbsent(metric)));
  }
  return Line(*figures);
}

}  // namespace culvert::bench
