// Results: every figure of every round, from which table, file and plot are made.
// Thread: Add may be called from several; the rest once they are done.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tests/bench/compare/statistics.h"

namespace culvert::bench {

enum class Metric {
  kUp,        // goodput near to far, from the connect call on, start-up included
  kDown,      // the other way
  kUpSteady,  // the same without the first seconds
  kDownSteady,
  kShareUp,  // steady goodput / what the link can carry of such packets
  kShareDown,
  kWireUp,  // IP bytes sent / application bytes delivered, in the direction of the data, steady
  kWireDown,
  kWasteUp,  // the same x payload share: data sent / data delivered
  kWasteDown,
  kBackUp,  // IP bytes of the opposite direction / application bytes delivered
  kBackDown,
  kCpuUp,  // CPU time of both ends / GiB delivered
  kCpuDown,
  kAlone50,  // round trip of 64 bytes, nothing else going on
  kAlone99,
  kBeside50,  // beside a bulk stream
  kBeside99,
  kFirst50,  // first byte of the answer, from the connect call on
  kFirst99,
  kCrowdDone,     // of 1,000 streams at once, how many finished
  kCrowdSeconds,  // until the last one that did
  kIdleMib,       // resident memory of both ends after the start
  kPeakMib,       // at most, with one bulk stream near to far
};

struct MetricInfo {
  Metric metric;
  const char* key;    // in the file
  const char* title;  // in the table
  const char* unit;
  int decimals;
  bool is_plotted;
};
const std::vector<MetricInfo>& Metrics();

class Results {
 public:
  void Add(int round, const std::string& profile, const std::string& subject, Metric metric, double value);
  // A measurement that did not come to an end. Shown as "failed" where the metric has no value of another round.
  void AddFailure(int round, const std::string& profile, const std::string& subject, const std::vector<Metric>& metrics,
                  const std::string& why);

  struct Cell {
    std::vector<double> values;
    int failures = 0;
  };
  const Cell* Find(const std::string& profile, const std::string& subject, Metric metric) const;
  bool Has(const std::string& profile, Metric metric) const;
  std::vector<std::string> failures() const { return failures_; }  // a line each

  // One line per figure and round, with a head line: round, profile, subject, metric, unit, value ("failed").
  std::string ToTsv() const;

 private:
  struct Row {
    int round;
    std::string profile, subject;
    Metric metric;
    std::optional<double> value;
  };
  mutable std::mutex mutex_;
  std::vector<Row> rows_;
  std::map<std::string, std::map<std::string, std::map<Metric, Cell>>> cells_;
  std::vector<std::string> failures_;
};

}  // namespace culvert::bench
