#include "tests/bench/compare/profile.h"

#include <gtest/gtest.h>

#include <string>

namespace culvert::bench {
namespace {

TEST(Profiles, AreTheSixOfTheComparison) {
  std::string names;
  for (const Profile& profile : Profiles(false)) names += profile.name + " ";
  EXPECT_EQ(names, "loopback veth-1g 40ms-100m-0.1 100ms-50m-2 200ms-20m-10 80ms-50m-burst3 ");
}

TEST(Profiles, MeasureLongEnoughForTheirRoundTrip) {
  for (const bool is_quick : {false, true}) {
    for (const Profile& profile : Profiles(is_quick)) {
      EXPECT_LT(profile.warm_up, profile.bulk) << profile.name;
      EXPECT_GE(profile.warm_up, 10 * profile.one_way_delay) << profile.name;
      if (profile.is_emulated()) {
        EXPECT_GE(profile.bulk, std::chrono::seconds(is_quick ? 8 : 20)) << profile.name;
      }
    }
  }
}

TEST(Profiles, QueueIsOneBandwidthDelayProduct) {
  const auto queue = [](const char* name) {
    for (const Profile& profile : Profiles(false)) {
      if (profile.name == name) return QueueBytes(profile);
    }
    return uint64_t{0};
  };
  EXPECT_EQ(queue("100ms-50m-2"), 625'000u);
  EXPECT_EQ(queue("200ms-20m-10"), 500'000u);
  EXPECT_EQ(queue("veth-1g"), 1'250'000u) << "10 ms";
  EXPECT_EQ(queue("loopback"), 65'536u) << "never none";
}

}  // namespace
}  // namespace culvert::bench
