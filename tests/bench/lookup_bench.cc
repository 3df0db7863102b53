// Demultiplexing: which conversation a datagram belongs to, among few and many, and when all keys were chosen to collide under
// an unkeyed hash (reliability T10).
#include <benchmark/benchmark.h>

#include <vector>

#include "core/crypto/system_random.h"
#include "core/kcp/conversation_table.h"
#include "tests/bench/percentiles.h"

namespace culvert::kcp {
namespace {

constexpr size_t kGroup = 32;

ConversationKey KeyOf(uint32_t host, uint16_t port, uint16_t conversation_id) {
  std::array<uint8_t, 4> ip;
  StoreBigEndian32(ip.data(), host);
  return {{IpAddress::V4(ip), port}, conversation_id};
}

std::vector<ConversationKey> RandomKeys(size_t count) {
  SeededRandom random(5);
  std::vector<ConversationKey> keys;
  for (size_t i = 0; i < count; ++i) {
    keys.push_back(KeyOf(0x0a000000u + static_cast<uint32_t>(i), static_cast<uint16_t>(random.NextInRange(1024, 65535)),
                         static_cast<uint16_t>(random.NextU32())));
  }
  return keys;
}

// Keys whose FNV-1a hash over address, port and conversation ends in the same 16 bits, so that a table with that hash would
// keep them all in one chain. The last two bytes are solved for: FNV-1a's steps can be taken back.
std::vector<ConversationKey> CollidingKeys(size_t count) {
  constexpr uint32_t kPrime = 0x01000193;
  uint32_t inverse = 1;  // of the prime modulo 2^32, by Newton's iteration
  for (int i = 0; i < 5; ++i) inverse *= 2 - kPrime * inverse;
  constexpr uint32_t kTarget = 0x1234;
  const uint32_t before_last = kTarget * inverse & 0xffff;
  std::vector<ConversationKey> keys;
  for (uint32_t host = 0x0a000000u; keys.size() < count; ++host) {
    ConversationKey key = KeyOf(host, 4000, 0);
    uint32_t hash = 0x811c9dc5;
    for (const uint8_t byte : key.peer.ip.bytes()) hash = (hash ^ byte) * kPrime;
    hash = (hash ^ (key.peer.port >> 8)) * kPrime;
    hash = (hash ^ (key.peer.port & 0xff)) * kPrime;
    for (uint32_t high = 0; high < 256; ++high) {
      const uint32_t next = (hash ^ high) * kPrime;
      if ((next >> 8 & 0xff) != before_last >> 8) continue;
      key.conversation_id = static_cast<uint16_t>(high << 8 | ((next ^ before_last) & 0xff));
      keys.push_back(key);
      break;
    }
  }
  return keys;
}

void LookUp(benchmark::State& state, const std::vector<ConversationKey>& keys) {
  SystemRandom random;
  const KeyedHash hash(random);
  ConversationTable table(hash);
  for (size_t i = 0; i < keys.size(); ++i) table.Insert(keys[i], {static_cast<uint32_t>(i), 1});
  // In an order the processor cannot foresee.
  std::vector<uint32_t> order(1 << 16);
  for (uint32_t& index : order) index = random.NextInRange(0, static_cast<uint32_t>(keys.size() - 1));
  size_t at = 0;
  bench::Percentiles percentiles(kGroup);
  for (auto _ : state) {
    percentiles.Time(state, [&] {
      for (size_t i = 0; i < kGroup; ++i) {
        auto found = table.Find(keys[order[at++ & (order.size() - 1)]]);
        benchmark::DoNotOptimize(found);
      }
    });
  }
  percentiles.Report(state);
}

void LookUpAmong(benchmark::State& state) { LookUp(state, RandomKeys(static_cast<size_t>(state.range(0)))); }
BENCHMARK(LookUpAmong)->Arg(1)->Arg(1000)->Arg(100'000)->UseManualTime()->Iterations(20'000);

void LookUpAmongColliding(benchmark::State& state) { LookUp(state, CollidingKeys(static_cast<size_t>(state.range(0)))); }
BENCHMARK(LookUpAmongColliding)->Arg(100'000)->UseManualTime()->Iterations(20'000);

void HashKey(benchmark::State& state) {
  SystemRandom random;
  const KeyedHash hash(random);
  std::array<uint8_t, 20> key{};
  for (auto _ : state) {
    ++key[3];
    benchmark::DoNotOptimize(hash(key));
  }
}
BENCHMARK(HashKey);

}  // namespace
}  // namespace culvert::kcp
