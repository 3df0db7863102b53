// A listener with dozens of dialers over one link: random scenarios (see seeds.h for the options), and how equals share.
#include <gtest/gtest.h>

#include <numeric>

#include "tests/sim/many_dialers.h"
#include "tests/sim/seeds.h"

namespace culvert::sim {
namespace {

using std::chrono::milliseconds;

testing::LinkOptions RandomLink(SeededRandom& random, uint64_t seed, bool may_damage) {
  testing::LinkOptions link;
  link.seed = seed;
  link.rate_bits_per_second = uint64_t{random.NextInRange(5, 100)} * 1'000'000;
  link.delay = milliseconds(random.NextInRange(0, 100));
  link.jitter = milliseconds(random.NextInRange(0, 10));
  if (random.NextInRange(0, 1) == 0) link.loss = random.NextUnit() * 0.1;
  if (random.NextInRange(0, 2) == 0) link.duplicate = random.NextUnit() * 0.05;
  if (random.NextInRange(0, 2) == 0) link.reorder = random.NextUnit() * 0.2;
  if (may_damage && random.NextInRange(0, 2) == 0) link.corrupt = random.NextUnit() * 0.02;
  return link;
}

ManyOptions MakeScenarioOfMany(uint64_t seed) {
  SeededRandom random(seed ^ 0x6f66206d616e79);
  ManyOptions options;
  options.seed = seed;
  kcp::KcpOptions kcp;
  kcp.header = static_cast<HeaderType>(random.NextInRange(0, 5));
  switch (random.NextInRange(0, 2)) {
    case 0:
      kcp.seed = "many";
      break;
    case 1:
      kcp.profile = kcp::Profile::kXray;
      break;
    default:
      break;
  }
  options.listener = kcp;
  options.dialers.assign(random.NextInRange(12, 40), kcp);
  for (kcp::KcpOptions& dialer : options.dialers) {
    dialer.mtu_bytes = random.NextInRange(576, 1460);
    dialer.tick_interval = milliseconds(random.NextInRange(10, 100));
    if (random.NextInRange(0, 2) == 0) dialer.congestion_control = kcp::CongestionControl::kCubic;
    if (random.NextInRange(0, 3) == 0) dialer.downlink_bytes_per_second = random.NextInRange(200'000, 4'000'000);
  }
  options.opens = static_cast<uint32_t>(options.dialers.size()) + random.NextInRange(0, 30);
  options.strangers = random.NextInRange(0, 1) == 0 ? random.NextInRange(1, 300) : 0;
  options.trouble = milliseconds(random.NextInRange(500, 6'000));
  const bool may_damage = kcp.profile != kcp::Profile::kXray;
  options.up = RandomLink(random, seed * 5 + 1, may_damage);
  options.down = RandomLink(random, seed * 5 + 2, may_damage);
  return options;
}

class ManySeeds : public ::testing::TestWithParam<int> {};

TEST_P(ManySeeds, NoStreamTouchesAnother) {
  RunSeeds(GetParam(), [](uint64_t seed, uint64_t* hash) {
    ManyDialers many(MakeScenarioOfMany(seed));
    const std::string problem = many.Run();
    *hash = many.trace_hash();
    return problem;
  });
}

INSTANTIATE_TEST_SUITE_P(Shares, ManySeeds, ::testing::Range(0, kShares));

TEST(Many, EqualDialersShareTheLink) {
  ManyOptions options;
  options.listener.seed = "fair";
  options.dialers.assign(16, options.listener);
  options.opens = 16;
  options.max_stream_bytes = 600'000;
  options.trouble = Duration(0);
  options.up.rate_bits_per_second = options.down.rate_bits_per_second = 50'000'000;
  options.up.delay = options.down.delay = milliseconds(25);
  options.up.queue_bytes = 1'000'000;
  ManyDialers many(options);
  ASSERT_EQ(many.Run(), "");
  ASSERT_EQ(many.shares().size(), 16u);
  double sum = 0;
  double squares = 0;
  for (const uint64_t share : many.shares()) {
    sum += static_cast<double>(share);
    squares += static_cast<double>(share) * static_cast<double>(share);
  }
  const double jain = sum * sum / (16 * squares);
  RecordProperty("jain_percent", static_cast<int>(100 * jain));
  EXPECT_GE(jain, 0.8);
}

}  // namespace
}  // namespace culvert::sim
