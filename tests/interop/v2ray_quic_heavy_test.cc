// Long transfers and many streams at once over QUIC, with v2ray 4.34 at the other end. Built twice: with three combinations that
// between them have both roles and every security, and, labelled slow, with all others.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/interop/require_v2ray.h"
#include "tests/interop/v2ray_quic_pairing.h"

namespace culvert::testing {
namespace {

constexpr uint64_t kMebibyte = 1 << 20;
constexpr Duration kLongLimit = std::chrono::minutes(4);

std::vector<QuicCombination> Combinations() {
  const std::vector<QuicCombination> few = {{QuicRole::kCulvertDials, "none", std::nullopt},
                                            {QuicRole::kCulvertDials, "chacha20-poly1305", "dtls"},
                                            {QuicRole::kCulvertListens, "aes-128-gcm", "srtp"}};
#ifndef CULVERT_INTEROP_ALL
  return few;
#else
  std::vector<QuicCombination> rest;
  for (const QuicCombination& one : AllQuicCombinations()) {
    if (std::ranges::none_of(few, [&](const auto& other) { return other.Name() == one.Name(); })) rest.push_back(one);
  }
  return rest;
#endif
}

class QuicHeavy : public ::testing::TestWithParam<QuicCombination> {
 protected:
  void SetUp() override {
    CULVERT_SKIP_WITHOUT_V2RAY();
    absl::StatusOr<V2rayQuicPairing*> pairing = V2rayQuicPairing::Get();
    ASSERT_TRUE(pairing.ok()) << pairing.status();
    pairing_ = *pairing;
    options_ = {.to = pairing_->ToChoice(GetParam()), .chooses = true, .limit = kLongLimit};
  }
  V2rayQuicPairing* pairing_ = nullptr;
  ClientOptions options_;
};

TEST_P(QuicHeavy, CarriesSixteenMebibytesEachWay) {
  EXPECT_EQ(RunExchange(options_, {.up_bytes = 16 * kMebibyte, .seed = 41}), absl::OkStatus()) << pairing_->Logs();
  EXPECT_EQ(RunExchange(options_, {.down_bytes = 16 * kMebibyte, .seed = 42}), absl::OkStatus()) << pairing_->Logs();
}

TEST_P(QuicHeavy, CarriesFortyStreamsAtOnce) {
  const absl::Status status = RunTogether(40, [&](int number) {
    return RunExchange(options_, {.up_bytes = 50'000, .down_bytes = 50'000, .seed = 100 + static_cast<uint64_t>(number)});
  });
  EXPECT_EQ(status, absl::OkStatus()) << pairing_->Logs();
}

std::string CombinationName(const ::testing::TestParamInfo<QuicCombination>& info) { return info.param.Name(); }
INSTANTIATE_TEST_SUITE_P(V2ray, QuicHeavy, ::testing::ValuesIn(Combinations()), CombinationName);

}  // namespace
}  // namespace culvert::testing
