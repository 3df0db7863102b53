#include "tests/bench/compare/profile.h"

#include <algorithm>

namespace culvert::bench {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::vector<Profile> Profiles(bool is_quick) {
  std::vector<Profile> all = {
      {.name = "loopback", .kind = PathKind::kLoopback},
      {.name = "veth-1g", .kind = PathKind::kVeth, .rate_bits_per_second = 1e9},
  };
  const auto emulated = [&](const char* name, milliseconds round_trip, double mbit, double loss, double burst = 1) {
    all.push_back({.name = name,
                   .kind = PathKind::kEmulated,
                   .rate_bits_per_second = mbit * 1e6,
                   .one_way_delay = round_trip / 2,
                   .loss = loss,
                   .mean_burst = burst});
  };
  emulated("40ms-100m-0.1", milliseconds(40), 100, 0.001);
  emulated("100ms-50m-2", milliseconds(100), 50, 0.02);
  emulated("200ms-20m-10", milliseconds(200), 20, 0.10);
  emulated("80ms-50m-burst3", milliseconds(80), 50, 0.03, 3);
  for (Profile& profile : all) {
    if (profile.is_emulated()) {
      profile.bulk = is_quick ? seconds(8) : seconds(20);
      profile.warm_up = is_quick ? seconds(2) : seconds(3);
      profile.alone = is_quick ? seconds(3) : seconds(6);
    } else {
      profile.bulk = is_quick ? milliseconds(2500) : seconds(5);
      profile.warm_up = is_quick ? milliseconds(500) : seconds(1);
      profile.alone = is_quick ? seconds(1) : seconds(2);
    }
  }
  return all;
}

uint64_t QueueBytes(const Profile& profile) {
  constexpr double kLeast = 64 * 1024;
  const double waiting = profile.is_emulated() ? 2 * ToSeconds(profile.one_way_delay) : 0.010;
  return static_cast<uint64_t>(std::max(kLeast, profile.rate_bits_per_second / 8 * waiting));
}

}  // namespace culvert::bench
