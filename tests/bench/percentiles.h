// Percentiles of what one call takes, measured over groups of calls so that reading the clock costs nothing.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

namespace culvert::bench {

class Percentiles {
 public:
  explicit Percentiles(size_t calls_per_group) : calls_(static_cast<double>(calls_per_group)) { samples_.reserve(1 << 16); }

  // Runs `group`, which makes the calls; also the time of the iteration (use with UseManualTime).
  template <typename Group>
  void Time(benchmark::State& state, Group&& group) {
    const auto begin = std::chrono::steady_clock::now();
    group();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    state.SetIterationTime(taken.count() / calls_);
    samples_.push_back(taken.count() * 1e9 / calls_);
  }

  double mean_ns() const {
    double sum = 0;
    for (const double sample : samples_) sum += sample;
    return samples_.empty() ? 0 : sum / static_cast<double>(samples_.size());
  }

  // Counters p50_ns and p99_ns, each of one call.
  void Report(benchmark::State& state) {
    if (samples_.empty()) return;
    std::sort(samples_.begin(), samples_.end());
    state.counters["p50_ns"] = samples_[samples_.size() / 2];
    state.counters["p99_ns"] = samples_[samples_.size() * 99 / 100];
  }

 private:
  double calls_;
  std::vector<double> samples_;
};

}  // namespace culvert::bench
