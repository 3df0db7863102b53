#include "server/observe/metric_book.h"

#include <limits>

#include "prometheus/text_serializer.h"

namespace culvert::server {

prometheus::ClientMetric& MetricBook::Series(const std::string& name, const std::string& help, prometheus::MetricType type, const Labels& labels) {
  Family& family = families_[name];
  family.help = help;
  family.type = type;
  const auto [at, is_new] = family.series.try_emplace(labels);
  if (is_new) {
    for (const auto& [label, value] : labels) at->second.label.push_back({label, value});
  }
  return at->second;
}

void MetricBook::Gauge(const std::string& name, const std::string& help, const Labels& labels, double value) {
  Series(name, help, prometheus::MetricType::Gauge, labels).gauge.value += value;
}

void MetricBook::Counter(const std::string& name, const std::string& help, const Labels& labels, double value) {
  Series(name, help, prometheus::MetricType::Counter, labels).counter.value += value;
}

void MetricBook::Histogram(const std::string& name, const std::string& help, const Labels& labels,
                           const std::vector<std::pair<double, uint64_t>>& buckets, double sum) {
  prometheus::ClientMetric& series = Series(name, help, prometheus::MetricType::Histogram, labels);
  series.histogram.sample_sum = sum;
  series.histogram.bucket.clear();
  for (const auto& [bound, count] : buckets) series.histogram.bucket.push_back({count, bound});
  series.histogram.sample_count = buckets.empty() ? 0 : buckets.back().second;
}

std::string MetricBook::OwnerLabel(const std::string& kind, const std::string& name) {
  std::set<std::string>& owners = owners_[kind];
  if (owners.contains(name)) return name;
  if (owners.size() >= kMaxOwners) return kOther;
  owners.insert(name);
  return name;
}

std::string MetricBook::Text() const {
  std::vector<prometheus::MetricFamily> families;
  for (const auto& [name, family] : families_) {
    prometheus::MetricFamily& out = families.emplace_back();
    out.name = name;
    out.help = family.help;
    out.type = family.type;
    for (const auto& [labels, series] : family.series) out.metric.push_back(series);
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace culvert::server
