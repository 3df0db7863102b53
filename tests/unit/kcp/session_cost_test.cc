// What sessions may cost, as counts that are the same on every machine: bytes of heap of a session that only exists, and
// allocations per datagram (none) once a transfer is under way. An allocator that counts replaces the global one, so this
// executable holds nothing else.
#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdint>
#include <cstdlib>
#include <new>
#include <vector>

#include "tests/bench/endpoint_pair.h"

namespace {

uint64_t allocations = 0;
int64_t live_bytes = 0;

constexpr int64_t kChunkHead = 8;  // what glibc adds to a block

void* CountedAllocate(size_t size) {
  void* block = std::malloc(size);
  if (block == nullptr) std::abort();
  ++allocations;
  live_bytes += static_cast<int64_t>(malloc_usable_size(block)) + kChunkHead;
  return block;
}

void CountedFree(void* block) {
  if (block == nullptr) return;
  live_bytes -= static_cast<int64_t>(malloc_usable_size(block)) + kChunkHead;
  std::free(block);
}

}  // namespace

void* operator new(size_t size) { return CountedAllocate(size); }
void* operator new[](size_t size) { return CountedAllocate(size); }
void operator delete(void* block) noexcept { CountedFree(block); }
void operator delete[](void* block) noexcept { CountedFree(block); }
void operator delete(void* block, size_t) noexcept { CountedFree(block); }
void operator delete[](void* block, size_t) noexcept { CountedFree(block); }

namespace culvert::bench {
namespace {

using std::chrono::seconds;

// The whole daemon may take 6 KiB for a session (reliability L1): relay, sockets and registry have to fit as well.
constexpr int64_t kIdleBytes = 2048;
constexpr size_t kSessions = 2000;

kcp::KcpOptions WithSeed() {
  kcp::KcpOptions options;
  options.seed = "seed";
  return options;
}

// Moves `size` bytes over the pair's stream `i`, from the dialler to the listener.
void Move(EndpointPair& pair, size_t i, uint64_t size) {
  static const std::vector<uint8_t> bytes(256 << 10, 7);
  const uint64_t until = pair.listener().read_bytes + size;
  uint64_t left = size;
  for (int steps = 0; pair.listener().read_bytes < until; ++steps) {
    ASSERT_LT(steps, 1'000'000);
    const uint64_t part = std::min<uint64_t>(left, bytes.size());
    left -= pair.dialler().endpoint->Write(pair.dialler().streams[i], ByteView(bytes).first(part));
    pair.Step(pair.now() + seconds(10));
  }
}

TEST(SessionCost, AnIdleSessionTakesLittleMemory) {
  EndpointPair pair(WithSeed());
  pair.OpenIdle(1);
  const int64_t before = live_bytes;
  pair.OpenIdle(kSessions);
  ASSERT_EQ(pair.listener().streams.size(), kSessions + 1);
  pair.RunFor(seconds(15));
  ASSERT_EQ(pair.listener().endpoint->session_count(), kSessions + 1);
  const int64_t each = (live_bytes - before) / (2 * static_cast<int64_t>(kSessions));  // both ends are counted
  RecordProperty("bytes_per_idle_session", static_cast<int>(each));
  EXPECT_LE(each, kIdleBytes);
  EXPECT_GT(each, 256) << "the allocator is not counting";
}

TEST(SessionCost, WhatATransferTookIsGivenBackWhenASessionFallsSilent) {
  constexpr size_t kBusy = 50;
  EndpointPair pair(WithSeed());
  pair.OpenIdle(1 + kBusy);
  Move(pair, 0, 8 << 20);  // the endpoint's pools are filled once
  pair.RunFor(seconds(15));
  const int64_t before = live_bytes;
  for (size_t i = 1; i <= kBusy; ++i) Move(pair, i, 2 << 20);
  const int64_t busy = live_bytes;
  pair.RunFor(seconds(15));
  EXPECT_GT(busy - before, 50'000) << "the transfers took no memory, so nothing was tested";
  EXPECT_LE(live_bytes - before, static_cast<int64_t>(2 * kBusy) * 64);
  for (size_t i = 1; i <= kBusy; ++i) Move(pair, i, 100'000);  // and goes on where it stopped
}

TEST(SessionCost, ASteadyTransferAllocatesNothing) {
  // With a cap on the rate, or the window and the pools would grow on and on over this perfect link.
  kcp::KcpOptions options = WithSeed();
  options.uplink_bytes_per_second = 50'000'000;
  EndpointPair pair(options);
  pair.OpenIdle(1);
  for (int i = 0; i < 4; ++i) Move(pair, 0, 16 << 20);
  for (int i = 0; i < 20; ++i) Move(pair, 0, 64);  // tiny payloads have a pool of their own
  const uint64_t before = allocations;
  const uint64_t datagrams = pair.dialler().sent_datagrams;
  Move(pair, 0, 16 << 20);
  EXPECT_GT(pair.dialler().sent_datagrams - datagrams, 10'000u);
  EXPECT_EQ(allocations, before);
}

TEST(SessionCost, SmallMessagesOneByOneAllocateNothing) {
  EndpointPair pair(WithSeed());
  pair.OpenIdle(1);
  for (int i = 0; i < 200; ++i) Move(pair, 0, 64);
  const uint64_t before = allocations;
  for (int i = 0; i < 1000; ++i) Move(pair, 0, 64);
  EXPECT_EQ(allocations, before);
}

TEST(SessionCost, WhatIsDroppedAllocatesNothing) {
  EndpointPair pair(WithSeed());
  pair.OpenIdle(1);
  std::vector<uint8_t> noise(1232);
  Endpoint& endpoint = *pair.listener().endpoint;
  const auto drop = [&] {
    pair.dialler().random.Fill(noise);
    for (const size_t size : {size_t{3}, size_t{40}, noise.size()}) {
      Datagram datagram{pair.dialler().address, ByteSpan(noise).first(size)};
      EXPECT_NE(endpoint.OnDatagram(pair.now(), datagram), DropReason::kNone);
    }
  };
  drop();
  const uint64_t before = allocations;
  for (int i = 0; i < 1000; ++i) drop();
  EXPECT_EQ(allocations, before);
}

}  // namespace
}  // namespace culvert::bench
