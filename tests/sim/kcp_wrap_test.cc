// Numbers that wrap while a connection lives: segment numbers at 2^31 and 2^32, and the millisecond clock of the wire at 2^31,
// 2^32 and past 49.7 days.
#include <gtest/gtest.h>

#include <cstdlib>

#include "core/kcp/segment.h"
#include "tests/sim/kcp_pair.h"

namespace culvert::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Readable on the wire: no header, no authenticator.
PairOptions Plain() {
  PairOptions options;
  options.client.profile = options.server.profile = kcp::Profile::kXray;
  options.up.rate_bits_per_second = options.down.rate_bits_per_second = 50'000'000;
  options.up.delay = options.down.delay = milliseconds(20);
  options.up.queue_bytes = options.down.queue_bytes = 4 << 20;
  return options;
}

// Moves `bytes` more each way; how long it took, or the limit.
Duration Exchange(KcpPair& pair, uint64_t bytes, Duration limit) {
  const TimePoint start = pair.now();
  pair.client().to_send += bytes;
  pair.server().to_send += bytes;
  pair.PumpClient();
  pair.PumpServer();
  const uint64_t up = pair.client().to_send;
  const uint64_t down = pair.server().to_send;
  (void)pair.RunUntil([&] { return pair.server().received == up && pair.client().received == down; }, limit);
  return pair.now() - start;
}

TEST(KcpWrap, SegmentNumbers) {
  for (const uint32_t first : {0u - 100, 0u - 1, 0u - 2000, 0x80000000u - 100}) {
    PairOptions options = Plain();
    options.first_number = SerialNumber(first);
    KcpPair pair(options);
    pair.Open({.to_send = 5'000'000}, {.to_send = 5'000'000});
    const bool done = pair.RunUntil(
        [&] { return pair.server().received == 5'000'000 && pair.client().received == 5'000'000; }, seconds(10));
    EXPECT_TRUE(done) << first << " " << pair.failure();
    EXPECT_EQ(pair.ClientStats()->retransmitted_segments + pair.ServerStats()->retransmitted_segments, 0u) << first;
  }
}

TEST(KcpWrap, AMillionSegmentsAcross) {
  PairOptions options = Plain();
  options.client.mtu_bytes = 576;
  options.first_number = SerialNumber(0u - 1000);
  options.up.rate_bits_per_second = options.down.rate_bits_per_second = 1'000'000'000;
  options.up.loss = 0.001;
  // At full size 2^32 + 10^6 (reliability F18), otherwise a twentieth of it.
  const uint64_t bytes = std::getenv("CULVERT_TEST_ALL") != nullptr ? 1'001'000ull * 558 : 51'000ull * 558;
  KcpPair pair(options);
  pair.Open({.to_send = bytes}, {});
  ASSERT_TRUE(pair.RunUntil([&] { return pair.server().received == bytes; }, seconds(600))) << pair.failure();
}

// The clock of one end, read from its data segments, passes 2^31 and 2^32 in the middle of a transfer.
TEST(KcpWrap, TimestampsOfEitherEnd) {
  for (const bool of_client : {true, false}) {
    KcpPair pair(Plain());
    std::optional<uint32_t> epoch;
    pair.on_datagram = [&](bool from_client, ByteView datagram) {
      if (from_client != of_client || epoch) return;
      const std::optional<kcp::Segment> segment = kcp::SegmentParser(datagram).Next();
      if (const auto* data = segment ? std::get_if<kcp::DataSegment>(&*segment) : nullptr) epoch = data->timestamp;
    };
    pair.Open({.to_send = 1000}, {.to_send = 1000});
    const TimePoint start = pair.now();
    ASSERT_TRUE(pair.RunUntil([&] { return pair.client().received == 1000 && pair.server().received == 1000; }, seconds(5)));
    ASSERT_TRUE(epoch.has_value());
    pair.on_datagram = nullptr;
    for (const uint64_t wrap : {uint64_t{1} << 31, uint64_t{1} << 32}) {
      const TimePoint at = start + milliseconds(wrap - *epoch);
      pair.RunFor(at - milliseconds(700) - pair.now());
      ASSERT_FALSE(pair.client().closed);
      const uint64_t again = pair.ClientStats()->retransmitted_segments + pair.ServerStats()->retransmitted_segments;
      // At 50 Mbit/s two seconds and a half: the wrap is in the middle.
      EXPECT_LT(Exchange(pair, 12'000'000, seconds(20)), seconds(5)) << of_client << " " << wrap << " " << pair.failure();
      EXPECT_GT(pair.now(), at);
      EXPECT_EQ(pair.ClientStats()->retransmitted_segments + pair.ServerStats()->retransmitted_segments, again);
      EXPECT_LT(pair.ClientStats()->rto, milliseconds(500));
      EXPECT_LT(pair.ServerStats()->rto, milliseconds(500));
    }
    // 49.7 days are behind; so are the wraps of both ends.
    pair.RunFor(std::chrono::hours(24 * 10));
    EXPECT_LT(Exchange(pair, 100'000, seconds(20)), seconds(2));
  }
}

}  // namespace
}  // namespace culvert::sim
