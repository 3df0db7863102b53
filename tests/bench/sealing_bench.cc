// What one datagram costs on its way in and out, without the connection: seal, open, header, random bytes, parse.
#include <benchmark/benchmark.h>

#include <array>
#include <memory>
#include <vector>

#include "core/camouflage/packet_header.h"
#include "core/camouflage/sealed_datagram.h"
#include "core/crypto/keyed_hash.h"
#include "core/crypto/system_random.h"
#include "core/kcp/segment.h"

namespace culvert {
namespace {

std::unique_ptr<DatagramSealer> Sealer(int64_t mode) {
  return mode == 0 ? DatagramSealer::Simple() : DatagramSealer::Aes128Gcm("seed");
}

// Arguments: 0 simple or 1 AES, bytes of plaintext.
void Seal(benchmark::State& state) {
  const auto sealer = Sealer(state.range(0));
  SystemRandom random;
  std::vector<uint8_t> bytes(sealer->overhead() + static_cast<size_t>(state.range(1)));
  random.Fill(bytes);
  for (auto _ : state) {
    sealer->SealInPlace(bytes, random);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * state.range(1));
}
BENCHMARK(Seal)->ArgsProduct({{0, 1}, {16, 1200}});

// The copy that brings the sealed bytes back is part of the figure (some 20 ns for 1200 bytes).
void Open(benchmark::State& state) {
  const auto sealer = Sealer(state.range(0));
  SystemRandom random;
  std::vector<uint8_t> sealed(sealer->overhead() + static_cast<size_t>(state.range(1)));
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
BENCHMARK(Open)->ArgsProduct({{0, 1}, {16, 1200}});

// A stranger's bytes: what a flood costs.
void OpenGarbage(benchmark::State& state) {
  const auto sealer = Sealer(state.range(0));
  SystemRandom random;
  std::vector<uint8_t> bytes(1200);
  for (auto _ : state) {
    random.Fill(ByteSpan(bytes).first(16));
    ByteSpan plain;
    benchmark::DoNotOptimize(sealer->OpenInPlace(bytes, plain));
  }
}
BENCHMARK(OpenGarbage)->Arg(0)->Arg(1);

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

void HashPeer(benchmark::State& state) {
  SystemRandom random;
  const KeyedHash hash(random);
  std::array<uint8_t, 20> key{};
  for (auto _ : state) {
    ++key[3];
    benchmark::DoNotOptimize(hash(key));
  }
}
BENCHMARK(HashPeer);

void ParseData(benchmark::State& state) {
  std::array<uint8_t, 1218> bytes;
  const std::array<uint8_t, 1200> payload{};
  kcp::EncodeData({.conversation_id = 1, .payload = payload}, bytes);
  for (auto _ : state) {
    kcp::SegmentParser parser(bytes);
    auto segment = parser.Next();
    benchmark::DoNotOptimize(segment);
  }
}
BENCHMARK(ParseData);

}  // namespace
}  // namespace culvert
