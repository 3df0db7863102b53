// Differential simulation: the engine against the reference model of a v2ray, in both roles, over links of every kind.
#include <gtest/gtest.h>

#include "absl/strings/str_format.h"
#include "tests/sim/reference_pair.h"
#include "tests/sim/seeds.h"

namespace culvert::sim {
namespace {

using std::chrono::milliseconds;

testing::LinkOptions MakeLink(SeededRandom& random, uint64_t seed, bool may_damage) {
  testing::LinkOptions link;
  link.seed = seed;
  link.rate_bits_per_second = uint64_t{random.NextInRange(2, 100)} * 1'000'000;
  link.delay = milliseconds(random.NextInRange(0, 120));
  link.jitter = milliseconds(random.NextInRange(0, 10));
  const uint32_t kind = random.NextInRange(0, 3);
  if (kind == 1) link.loss = random.NextUnit() * 0.15;
  if (kind == 2) link.burst_enter = random.NextUnit() * 0.02;
  if (random.NextInRange(0, 2) == 0) link.duplicate = random.NextUnit() * 0.05;
  if (random.NextInRange(0, 2) == 0) {
    link.reorder = random.NextUnit() * 0.2;
    link.reorder_delay = milliseconds(random.NextInRange(1, 30));
  }
  if (may_damage && random.NextInRange(0, 2) == 0) link.corrupt = random.NextUnit() * 0.02;
  if (random.NextInRange(0, 1) == 0) link.queue_bytes = random.NextInRange(30'000, 600'000);
  return link;
}

ReferenceOptions MakeReferenceScenario(uint64_t seed) {
  SeededRandom random(seed ^ 0x7265666572);
  ReferenceOptions options;
  options.seed = seed;
  options.engine_dials = random.NextInRange(0, 1) == 0;
  options.engine.profile = random.NextInRange(0, 3) == 0 ? kcp::Profile::kXray : kcp::Profile::kV2ray;
  options.engine.header = static_cast<HeaderType>(random.NextInRange(0, 5));
  options.engine.mtu_bytes = random.NextInRange(576, 1460);
  options.engine.tick_interval = milliseconds(random.NextInRange(10, 100));
  options.engine.congestion_control =
      random.NextInRange(0, 2) == 0 ? kcp::CongestionControl::kCubic : kcp::CongestionControl::kBbr;
  if (random.NextInRange(0, 3) == 0) options.engine.downlink_bytes_per_second = random.NextInRange(50'000, 5'000'000);
  options.reference.mtu = random.NextInRange(576, 1460);
  options.reference.tti = random.NextInRange(10, 100);
  options.reference.uplink = random.NextInRange(0, 20);
  options.reference.downlink = random.NextInRange(0, 50);
  options.reference.congestion = random.NextInRange(0, 1) == 0;
  options.reference.write_buffer = random.NextInRange(1, 4) * 524288;
  options.streams = random.NextInRange(0, 2) == 0 ? random.NextInRange(2, 5) : 1;
  options.engine_bytes = random.NextInRange(1, 400'000 / options.streams);
  options.reference_bytes = random.NextInRange(0, 3) == 0 ? 0 : random.NextInRange(1, 400'000 / options.streams);
  options.closer = static_cast<Closer>(random.NextInRange(0, 2));
  options.close_when_written = random.NextInRange(0, 2) == 0;
  options.first_conversation = static_cast<uint16_t>(random.NextInRange(65530, 65535));
  // The profile without an authenticator delivers a damaged byte, as it must.
  const bool may_damage = options.engine.profile == kcp::Profile::kV2ray;
  options.to_engine = MakeLink(random, seed * 3 + 1, may_damage);
  options.to_reference = MakeLink(random, seed * 3 + 2, may_damage);
  return options;
}

class ReferenceSeeds : public ::testing::TestWithParam<int> {};

TEST_P(ReferenceSeeds, BothDirectionsWholeAndBothEndsGone) {
  RunSeeds(GetParam(), [](uint64_t seed, uint64_t* hash) {
    ReferencePair pair(MakeReferenceScenario(seed));
    const std::string problem = pair.Run();
    const EndpointCounters& counters = pair.engine().counters();
    *hash = counters.tx_bytes * 31 + counters.rx_bytes * 17 + counters.tx_datagrams;
    return problem;
  });
}

INSTANTIATE_TEST_SUITE_P(Shares, ReferenceSeeds, ::testing::Range(0, kShares));

ReferenceOptions CleanLink(bool engine_dials) {
  ReferenceOptions options;
  options.engine_dials = engine_dials;
  options.to_engine.delay = options.to_reference.delay = milliseconds(20);
  options.to_engine.rate_bits_per_second = options.to_reference.rate_bits_per_second = 50'000'000;
  options.to_engine.queue_bytes = options.to_reference.queue_bytes = 8 << 20;
  options.engine_bytes = 1'000'000;
  options.reference_bytes = 1'000'000;
  return options;
}

TEST(Reference, ACleanLinkSeesNoRetransmissionOfOurs) {
  for (const bool engine_dials : {true, false}) {
    // One direction alone: beside its own data, whose bursts fill the queue, a v2ray's acks come late enough for a probe.
    ReferenceOptions options = CleanLink(engine_dials);
    options.reference_bytes = 100;
    ReferencePair pair(options);
    EXPECT_EQ(pair.Run(), "");
    EXPECT_EQ(pair.engine_retransmits(), 0u) << engine_dials;
  }
}

TEST(Reference, NoGhostIsLeftBehindByUs) {
  for (const Closer closer : {Closer::kEngine, Closer::kReference, Closer::kBoth}) {
    for (const bool early : {false, true}) {
      ReferenceOptions options = CleanLink(true);
      options.streams = 3;
      options.closer = closer;
      options.close_when_written = early;
      options.engine_bytes = options.reference_bytes = 50'000;
      ReferencePair pair(options);
      EXPECT_EQ(pair.Run(), "");
      EXPECT_EQ(pair.ghosts(), 0u) << static_cast<int>(closer) << early;
    }
  }
}

}  // namespace
}  // namespace culvert::sim
