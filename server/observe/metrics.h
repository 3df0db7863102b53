// What the daemon knows, as metrics. Names, labels and meanings: metric_names.md. Labels are names of objects and words of ours, never
// addresses or ids of sessions.
// Thread: any.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "core/base/time.h"
#include "server/observe/metric_book.h"
#include "server/observe/observation.h"

namespace culvert::server {

// Round trips of sessions, sampled at every observation that is kSpacing or more after the one before.
// Thread: one at a time.
class RttHistogram {
 public:
  static constexpr Duration kSpacing = std::chrono::seconds(5);
  void Sample(const MergedReport& report);
  void AddTo(MetricBook& book) const;

 private:
  static constexpr std::array<double, 12> kBounds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5};  // seconds
  struct OfTransport {
    std::array<uint64_t, kBounds.size() + 1> counts{};
    double sum = 0;
  };
  std::map<std::string, OfTransport> by_transport_;
  TimePoint sampled_at_{};
};

void AddMetrics(const Observation& observation, MetricBook& book);
// Of the process: what the system says.
void AddProcessMetrics(MetricBook& book);

}  // namespace culvert::server
