// What sealing and opening one datagram costs in each mode, with the disguise header and the random bytes of a nonce.
#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/camouflage/packet_header.h"
#include "core/camouflage/sealed_datagram.h"
#include "core/crypto/system_random.h"

namespace culvert {
namespace {

enum Mode : int64_t { kNoSeed, kSeed, kXray };

std::unique_ptr<DatagramSealer> Sealer(benchmark::State& state) {
  switch (state.range(0)) {
    case kNoSeed:
      state.SetLabel("no seed");
      return DatagramSealer::Simple();
    case kSeed:
      state.SetLabel("seed");
      return DatagramSealer::Aes128Gcm("seed");
    default:
      state.SetLabel("XRAY");
      return DatagramSealer::Plain();
  }
}

// Arguments: mode, bytes of the whole datagram.
void Seal(benchmark::State& state) {
  const auto sealer = Sealer(state);
  SystemRandom random;
  std::vector<uint8_t> bytes(static_cast<size_t>(state.range(1)));
  random.Fill(bytes);
  for (auto _ : state) {
    sealer->SealInPlace(bytes, random);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * state.range(1));
}
BENCHMARK(Seal)->ArgsProduct({{kNoSeed, kSeed, kXray}, {64, 1232}});

// The copy that brings the sealed bytes back is part of the figure (some 20 ns for 1232 bytes).
void Open(benchmark::State& state) {
  const auto sealer = Sealer(state);
  SystemRandom random;
  std::vector<uint8_t> sealed(static_cast<size_t>(state.range(1)));
  random.Fill(sealed);
  sealer->SealInPlace(sealed, random);
  std::vector<uint8_t> bytes = sealed;
  for (auto _ : state) {
    bytes = sealed;
    ByteSpan plain;
    if (sealer->OpenInPlace(bytes, plain) != DropReason::kNone) state.SkipWithError("did not open");
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * state.range(1));
}
BENCHMARK(Open)->ArgsProduct({{kNoSeed, kSeed, kXray}, {64, 1232}});

void Nonce(benchmark::State& state) {
  SystemRandom random;
  std::array<uint8_t, 12> nonce;
  for (auto _ : state) {
    random.Fill(nonce);
    benchmark::DoNotOptimize(nonce);
  }
}
BENCHMARK(Nonce);

void Header(benchmark::State& state) {
  SeededRandom random(1);
  HeaderWriter writer(static_cast<HeaderType>(state.range(0)), random);
  std::array<uint8_t, 16> bytes;
  for (auto _ : state) {
    writer.WriteNext(bytes);
    benchmark::DoNotOptimize(bytes);
  }
}
BENCHMARK(Header)->DenseRange(0, 5);

}  // namespace
}  // namespace culvert
