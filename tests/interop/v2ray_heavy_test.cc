// Long transfers and many connections at once, with v2ray 4.34 at the other end. Built twice: with four combinations that
// between them have both roles, both authenticators and headers of several sizes, and, labelled slow, with all others.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/interop/require_v2ray.h"
#include "tests/interop/v2ray_pairing.h"

namespace culvert::testing {
namespace {

constexpr uint64_t kMebibyte = 1 << 20;
// v2ray with its default settings carries 20 to 90 Mbit/s on a free machine.
constexpr Duration kLongLimit = std::chrono::minutes(4);

std::vector<Combination> Combinations() {
  const std::vector<Combination> few = {{Role::kCulvertDials, std::nullopt, false},
                                        {Role::kCulvertDials, "srtp", true},
                                        {Role::kCulvertListens, "dtls", false},
                                        {Role::kCulvertListens, "wireguard", true}};
#ifndef CULVERT_INTEROP_ALL
  return few;
#else
  std::vector<Combination> rest;
  for (const Combination& one : AllCombinations()) {
    const bool is_among_few =
        std::any_of(few.begin(), few.end(), [&](const Combination& other) { return other.Name() == one.Name(); });
    if (!is_among_few) rest.push_back(one);
  }
  return rest;
#endif
}

class Heavy : public ::testing::TestWithParam<Combination> {
 protected:
  void SetUp() override {
    CULVERT_SKIP_WITHOUT_V2RAY();
    absl::StatusOr<V2rayPairing*> pairing = V2rayPairing::Get();
    ASSERT_TRUE(pairing.ok()) << pairing.status();
    pairing_ = *pairing;
    options_ = {.to = pairing_->ToChoice(GetParam()), .chooses = true, .limit = kLongLimit};
  }
  V2rayPairing* pairing_ = nullptr;
  ClientOptions options_;
};

TEST_P(Heavy, CarriesSixteenMebibytesEachWay) {
  EXPECT_EQ(RunExchange(options_, {.up_bytes = 16 * kMebibyte, .seed = 41}), absl::OkStatus()) << pairing_->Logs();
  EXPECT_EQ(RunExchange(options_, {.down_bytes = 16 * kMebibyte, .seed = 42}), absl::OkStatus()) << pairing_->Logs();
}

TEST_P(Heavy, CarriesFiftyConnectionsAtOnce) {
  const absl::Status status = RunTogether(50, [&](int number) {
    return RunExchange(options_,
                       {.up_bytes = 50'000, .down_bytes = 50'000, .seed = 100 + static_cast<uint64_t>(number)});
  });
  EXPECT_EQ(status, absl::OkStatus()) << pairing_->Logs();
}

std::string CombinationName(const ::testing::TestParamInfo<Combination>& info) { return info.param.Name(); }
INSTANTIATE_TEST_SUITE_P(V2ray, Heavy, ::testing::ValuesIn(Combinations()), CombinationName);

}  // namespace
}  // namespace culvert::testing
