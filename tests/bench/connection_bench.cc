// The engines at work: what a datagram of a bulk transfer costs from Write at one end to Consume at the other, acknowledgements
// and sealing at both ends included, without system calls.
#include <benchmark/benchmark.h>

#include <vector>

#include "tests/bench/endpoint_pair.h"

namespace culvert::bench {
namespace {

enum Mode : int64_t { kNoSeed, kSeed, kXray };

// Each iteration moves 4 MiB.
void BulkTransfer(benchmark::State& state) {
  constexpr uint64_t kBytes = 4 << 20;
  kcp::KcpOptions options;
  if (state.range(0) == kSeed) options.seed = "seed";
  if (state.range(0) == kXray) options.profile = kcp::Profile::kXray;
  EndpointPair pair(options);
  pair.OpenIdle(1);
  const std::vector<uint8_t> bytes(256 << 10, 7);
  uint64_t written = 0;
  const auto move = [&](uint64_t until) {
    while (pair.listener().read_bytes < until) {
      const uint64_t wanted = std::min<uint64_t>(bytes.size(), until - written);
      written += pair.dialler().endpoint->Write(pair.dialler().streams[0], ByteView(bytes).first(wanted));
      pair.Step(kInfiniteFuture);
    }
  };
  move(16 * kBytes);  // to a steady state
  const uint64_t datagrams = pair.dialler().sent_datagrams;
  for (auto _ : state) move(written + kBytes);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(kBytes));
  state.counters["per_datagram"] = benchmark::Counter(static_cast<double>(pair.dialler().sent_datagrams - datagrams),
                                                      benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(BulkTransfer)->Arg(kNoSeed)->Arg(kSeed)->Arg(kXray)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace culvert::bench
