// MetricBook: metric families in the making, for one exposition. Labels are bounded: of what is told for each owner (a listener, dialer or
// forward), kMaxOwners owners of a kind have series of their own, in the order in which they come; the rest is summed under "_other".
// Thread: one.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "prometheus/metric_family.h"

namespace culvert::server {

class MetricBook {
 public:
  static constexpr size_t kMaxOwners = 1000;
  static constexpr char kOther[] = "_other";
  using Labels = std::vector<std::pair<std::string, std::string>>;

  void Gauge(const std::string& name, const std::string& help, const Labels& labels, double value);
  // `name` ends in _total.
  void Counter(const std::string& name, const std::string& help, const Labels& labels, double value);
  // `buckets`: upper bounds and how many are at most that; the last one is without bound.
  void Histogram(const std::string& name, const std::string& help, const Labels& labels, const std::vector<std::pair<double, uint64_t>>& buckets,
                 double sum);

  // The label of an owner of a kind: its name, or kOther when there are too many.
  std::string OwnerLabel(const std::string& kind, const std::string& name);

  // The text form 0.0.4 of all that was told, families sorted by name. Series that were told twice are one, with their sum.
  [[nodiscard]] std::string Text() const;

 private:
  struct Family {
    std::string help;
    prometheus::MetricType type = prometheus::MetricType::Gauge;
    std::map<Labels, prometheus::ClientMetric> series;
  };
  prometheus::ClientMetric& Series(const std::string& name, const std::string& help, prometheus::MetricType type, const Labels& labels);

  std::map<std::string, Family> families_;
  std::map<std::string, std::set<std::string>> owners_;  // by kind
};

}  // namespace culvert::server
