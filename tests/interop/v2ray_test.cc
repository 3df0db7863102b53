// culvert and v2ray 4.34 over mKCP, each in both roles, with every header, with and without a seed.
//
// The combinations of one role and seed run at the same time: v2ray takes up to six seconds to pass on an end, and a client
// of v2ray reaches a server that speaks first only with its first ping, after five.
#include <gtest/gtest.h>

#include "absl/strings/str_format.h"
#include "tests/interop/require_v2ray.h"
#include "tests/interop/v2ray_pairing.h"

namespace culvert::testing {
namespace {

constexpr uint64_t kMebibyte = 1 << 20;
// v2ray needs up to six seconds to tell a client that the other side ended; this is generous on a busy machine.
constexpr Duration kLimit = std::chrono::seconds(60);
constexpr Duration kEndLimit = std::chrono::seconds(45);

using RoleAndSeed = std::tuple<Role, bool>;

class EveryHeader : public ::testing::TestWithParam<RoleAndSeed> {
 protected:
  void SetUp() override {
    CULVERT_SKIP_WITHOUT_V2RAY();
    absl::StatusOr<V2rayPairing*> pairing = V2rayPairing::Get();
    ASSERT_TRUE(pairing.ok()) << pairing.status();
    pairing_ = *pairing;
  }

  // Runs `client` for every header of this role and seed, all at the same time.
  void ForEveryHeader(const std::function<absl::Status(const Combination&)>& client) {
    const auto [role, has_seed] = GetParam();
    std::vector<Combination> combinations;
    for (const auto& header : AllHeaders()) combinations.push_back({role, header, has_seed});
    const absl::Status status = RunTogether(static_cast<int>(combinations.size()), [&](int i) {
      const Combination& combination = combinations[static_cast<size_t>(i)];
      const absl::Status result = client(combination);
      if (result.ok()) return result;
      return absl::Status(result.code(), absl::StrFormat("%s: %s", combination.Name(), std::string(result.message())));
    });
    EXPECT_EQ(status, absl::OkStatus()) << pairing_->Logs();
  }
  ClientOptions Choice(const Combination& combination) const {
    return {.to = pairing_->ToChoice(combination), .chooses = true, .limit = kLimit};
  }

  V2rayPairing* pairing_ = nullptr;
};

TEST_P(EveryHeader, EchoesManySizes) {
  // Around the payload of one segment with every overhead, and around powers of two.
  std::vector<uint64_t> sizes = {1, 2, 3, 10, 100, 1000, 2047, 2048, 4096, 8191, 65'535, 65'536, 100'000};
  for (uint64_t size = 1150; size < 1360; size += 7) sizes.push_back(size);
  ForEveryHeader([&](const Combination& combination) { return RunEchoes(Choice(combination), sizes, 11); });
}

TEST_P(EveryHeader, CarriesOneMebibyteEachWayAndTheClientEnds) {
  ForEveryHeader([&](const Combination& combination) {
    return RunExchange(Choice(combination), {.up_bytes = kMebibyte, .down_bytes = kMebibyte, .seed = 21});
  });
  EXPECT_TRUE(pairing_->choice().WaitForActive(0, kEndLimit))
      << pairing_->choice().active() << " connections are still open at the server";
}

TEST_P(EveryHeader, CarriesOneMebibyteEachWayAndTheServerEnds) {
  ForEveryHeader([&](const Combination& combination) {
    return RunExchange(Choice(combination),
                       {.up_bytes = kMebibyte, .down_bytes = kMebibyte, .seed = 31, .closer = Closer::kServer});
  });
}

TEST_P(EveryHeader, TheServerMaySpeakFirst) {
  ForEveryHeader([&](const Combination& combination) {
    return RunGreeted({.to = pairing_->ToGreeter(combination), .limit = kLimit}, std::string(kGreeting));
  });
}

std::string RoleAndSeedName(const ::testing::TestParamInfo<RoleAndSeed>& info) {
  const auto [role, has_seed] = info.param;
  return absl::StrFormat("%s_%s", role == Role::kCulvertDials ? "CulvertDials" : "CulvertListens",
                         has_seed ? "Seed" : "NoSeed");
}
INSTANTIATE_TEST_SUITE_P(V2ray, EveryHeader,
                         ::testing::Combine(::testing::Values(Role::kCulvertDials, Role::kCulvertListens),
                                            ::testing::Bool()),
                         RoleAndSeedName);

}  // namespace
}  // namespace culvert::testing
