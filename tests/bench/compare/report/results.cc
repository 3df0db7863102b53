#include "tests/bench/compare/report/results.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace culvert::bench {

const std::vector<MetricInfo>& Metrics() {
  static const auto& metrics = *new std::vector<MetricInfo>{
      {Metric::kUp, "goodput_up", "up", "Mbit/s", 1, true},
      {Metric::kDown, "goodput_down", "down", "Mbit/s", 1, true},
      {Metric::kUpSteady, "goodput_up_steady", "up steady", "Mbit/s", 1, false},
      {Metric::kDownSteady, "goodput_down_steady", "down steady", "Mbit/s", 1, false},
      {Metric::kShareUp, "share_up", "of link up", "%", 1, true},
      {Metric::kShareDown, "share_down", "of link down", "%", 1, true},
      {Metric::kWireUp, "wire_up", "wire/byte up", "", 3, true},
      {Metric::kWireDown, "wire_down", "wire/byte down", "", 3, true},
      {Metric::kWasteUp, "waste_up", "waste up", "", 3, false},
      {Metric::kWasteDown, "waste_down", "waste down", "", 3, false},
      {Metric::kBackUp, "back_up", "back/byte up", "", 3, false},
      {Metric::kBackDown, "back_down", "back/byte down", "", 3, false},
      {Metric::kCpuUp, "cpu_up", "CPU up", "s/GiB", 2, true},
      {Metric::kCpuDown, "cpu_down", "CPU down", "s/GiB", 2, true},
      {Metric::kAlone50, "rtt_alone_p50", "rtt p50", "ms", 2, false},
      {Metric::kAlone99, "rtt_alone_p99", "rtt p99", "ms", 2, true},
      {Metric::kBeside50, "rtt_bulk_p50", "beside p50", "ms", 2, false},
      {Metric::kBeside99, "rtt_bulk_p99", "beside p99", "ms", 2, true},
      {Metric::kFirst50, "ttfb_p50", "first p50", "ms", 2, false},
      {Metric::kFirst99, "ttfb_p99", "first p99", "ms", 2, true},
      {Metric::kCrowdDone, "streams_done", "of 1000", "", 0, false},
      {Metric::kCrowdSeconds, "streams_seconds", "1000 in", "s", 2, true},
      {Metric::kIdleMib, "rss_idle", "idle", "MiB", 1, false},
      {Metric::kPeakMib, "rss_peak", "peak", "MiB", 1, true},
  };
  return metrics;
}

void Results::Add(int round, const std::string& profile, const std::string& subject, Metric metric, double value) {
  const std::lock_guard lock(mutex_);
  rows_.push_back({round, profile, subject, metric, value});
  cells_[profile][subject][metric].values.push_back(value);
}

void Results::AddFailure(int round, const std::string& profile, const std::string& subject,
                         const std::vector<Metric>& metrics, const std::string& why) {
  const std::lock_guard lock(mutex_);
  failures_.push_back(absl::StrFormat("round %d, %s, %s: %s", round, profile, subject, why));
  for (const Metric metric : metrics) {
    rows_.push_back({round, profile, subject, metric, std::nullopt});
    ++cells_[profile][subject][metric].failures;
  }
}

const Results::Cell* Results::Find(const std::string& profile, const std::string& subject, Metric metric) const {
  const std::lock_guard lock(mutex_);
  const auto of_profile = cells_.find(profile);
  if (of_profile == cells_.end()) return nullptr;
  const auto of_subject = of_profile->second.find(subject);
  if (of_subject == of_profile->second.end()) return nullptr;
  const auto cell = of_subject->second.find(metric);
  return cell == of_subject->second.end() ? nullptr : &cell->second;
}

bool Results::Has(const std::string& profile, Metric metric) const {
  const std::lock_guard lock(mutex_);
  const auto of_profile = cells_.find(profile);
  return of_profile != cells_.end() &&
         std::any_of(of_profile->second.begin(), of_profile->second.end(),
                     [&](const auto& subject) { return subject.second.contains(metric); });
}

std::string Results::ToTsv() const {
  const std::lock_guard lock(mutex_);
  std::string text = "round\tprofile\tsubject\tmetric\tunit\tvalue\n";
  for (const Row& row : rows_) {
    const auto info = std::find_if(Metrics().begin(), Metrics().end(),
                                   [&](const MetricInfo& candidate) { return candidate.metric == row.metric; });
    text += absl::StrFormat("%d\t%s\t%s\t%s\t%s\t%s\n", row.round, row.profile, row.subject, info->key, info->unit,
                            row.value ? absl::StrFormat("%.6g", *row.value) : "failed");
  }
  return text;
}

}  // namespace culvert::bench
