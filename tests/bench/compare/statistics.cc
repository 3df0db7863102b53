#include "tests/bench/compare/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace culvert::bench {
namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

}  // namespace

double Percentile(std::vector<double> samples, double percent) {
  if (samples.empty()) return kNothing;
  std::sort(samples.begin(), samples.end());
  const double rank = std::ceil(percent / 100 * static_cast<double>(samples.size()));
  const size_t index = rank < 1 ? 0 : static_cast<size_t>(rank) - 1;
  return samples[std::min(index, samples.size() - 1)];
}

Spread SpreadOf(std::vector<double> samples) {
  if (samples.empty()) return {kNothing, kNothing, kNothing};
  std::sort(samples.begin(), samples.end());
  const size_t half = samples.size() / 2;
  const double median = samples.size() % 2 == 1 ? samples[half] : (samples[half - 1] + samples[half]) / 2;
  return {median, samples.front(), samples.back()};
}

double CarriedMbit(double rate_bits_per_second, double loss, double payload_share) {
  return rate_bits_per_second * (1 - loss) * payload_share / 1e6;
}

double BurstMeanLoss(double enter, double leave) { return enter + leave > 0 ? enter / (enter + leave) : 0; }

double BurstEnterFor(double mean_loss, double mean_burst) { return mean_loss / (1 - mean_loss) / mean_burst; }

double SecondsLeft(double planned, double done, double elapsed) {
  if (done <= 0) return planned;
  return std::max(0.0, (planned - done) * elapsed / done);
}

}  // namespace culvert::bench
