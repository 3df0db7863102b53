// What a session costs that only exists: bytes of heap at each end, and engine time per second it is kept alive (reliability
// L1: at most 6 KiB; 10,000 of them at most 5 % of a core, which is 5 us per session and second).
#include <benchmark/benchmark.h>

#include <malloc.h>

#include <chrono>
#include <ctime>

#include "tests/bench/endpoint_pair.h"

namespace culvert::bench {
namespace {

constexpr size_t kSessions = 10'000;

kcp::KcpOptions Options() {
  kcp::KcpOptions options;
  options.seed = "seed";
  return options;
}

size_t HeapInUse() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

// Both ends are in one process, so the figure is the mean of the two.
void BytesPerIdleSession(benchmark::State& state) {
  size_t bytes = 0;
  for (auto _ : state) {
    EndpointPair pair(Options());
    pair.OpenIdle(1);  // what an endpoint needs once
    const size_t before = HeapInUse();
    pair.OpenIdle(kSessions);
    bytes = HeapInUse() - before;
    if (pair.listener().streams.size() != kSessions + 1) state.SkipWithError("not all sessions came up");
  }
  state.counters["bytes"] = static_cast<double>(bytes) / (2.0 * kSessions);
}
BENCHMARK(BytesPerIdleSession)->Iterations(1)->Unit(benchmark::kMillisecond);

// Virtual time: each iteration is a minute of 10,000 sessions with keep-alives at both ends.
void IdleEngineTime(benchmark::State& state) {
  constexpr auto kTime = std::chrono::seconds(60);
  EndpointPair pair(Options());
  pair.OpenIdle(kSessions);
  const uint64_t datagrams = pair.dialler().sent_datagrams + pair.listener().sent_datagrams;
  const std::clock_t begin = std::clock();  // processor time: the machine may be busy with other things
  for (auto _ : state) pair.RunFor(kTime);
  const double taken = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  if (pair.listener().endpoint->session_count() != kSessions) state.SkipWithError("sessions were lost");
  const double seconds = 60.0 * static_cast<double>(state.iterations());
  const double per_end = 2.0 * kSessions * seconds;
  state.counters["ns_per_session_second"] = taken * 1e9 / per_end;
  state.counters["datagrams_per_session_second"] =
      static_cast<double>(pair.dialler().sent_datagrams + pair.listener().sent_datagrams - datagrams) / per_end;
  state.counters["percent_of_core"] = 100 * taken / seconds / 2;  // of one end, all sessions
}
BENCHMARK(IdleEngineTime)->Iterations(3)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace culvert::bench
