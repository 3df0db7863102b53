// culvert and v2ray 4.34 over QUIC, each in both roles, with every outer security and every header.
//
// The headers of one role and security run at the same time, two connections each: v2ray takes seconds to pass on an end.
#include <gtest/gtest.h>

#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"
#include "tests/interop/require_v2ray.h"
#include "tests/interop/v2ray_quic_pairing.h"

namespace culvert::testing {
namespace {

constexpr uint64_t kMebibyte = 1 << 20;
// v2ray needs seconds to tell a client that the other side ended; this is generous on a busy machine.
constexpr Duration kLimit = std::chrono::seconds(60);
constexpr Duration kEndLimit = std::chrono::seconds(45);

using RoleAndSecurity = std::tuple<QuicRole, std::string>;

class EveryQuicHeader : public ::testing::TestWithParam<RoleAndSecurity> {
 protected:
  void SetUp() override {
    CULVERT_SKIP_WITHOUT_V2RAY();
    absl::StatusOr<V2rayQuicPairing*> pairing = V2rayQuicPairing::Get();
    ASSERT_TRUE(pairing.ok()) << pairing.status();
    pairing_ = *pairing;
  }

  // Runs `client` for every header of this role and security, all at the same time.
  void ForEveryHeader(const std::function<absl::Status(const QuicCombination&)>& client) {
    const auto& [role, security] = GetParam();
    std::vector<QuicCombination> combinations;
    for (const auto& header : AllQuicHeaders()) combinations.push_back({role, security, header});
    const absl::Status status = RunTogether(static_cast<int>(combinations.size()), [&](int i) {
      const QuicCombination& combination = combinations[static_cast<size_t>(i)];
      const absl::Status result = client(combination);
      if (result.ok()) return result;
      return absl::Status(result.code(), absl::StrFormat("%s: %s", combination.Name(), std::string(result.message())));
    });
    EXPECT_EQ(status, absl::OkStatus()) << pairing_->Logs();
  }
  ClientOptions Choice(const QuicCombination& combination) const {
    return {.to = pairing_->ToChoice(combination), .chooses = true, .limit = kLimit};
  }
  void ExpectAllEnded() {
    EXPECT_TRUE(pairing_->choice().WaitForActive(0, kEndLimit))
        << pairing_->choice().active() << " connections are still open at the server";
  }

  V2rayQuicPairing* pairing_ = nullptr;
};

TEST_P(EveryQuicHeader, EchoesManySizes) {
  // Around the payload of one packet with every overhead, and around powers of two.
  std::vector<uint64_t> sizes = {1, 2, 3, 10, 100, 1000, 2047, 2048, 4096, 8191, 65'535, 65'536, 100'000};
  for (uint64_t size = 1120; size < 1460; size += 11) sizes.push_back(size);
  ForEveryHeader([&](const QuicCombination& combination) { return RunEchoes(Choice(combination), sizes, 11); });
}

TEST_P(EveryQuicHeader, CarriesOneMebibyteEachWayAndTheClientEnds) {
  ForEveryHeader([&](const QuicCombination& combination) {
    return RunExchange(Choice(combination), {.up_bytes = kMebibyte, .down_bytes = kMebibyte, .seed = 21});
  });
  ExpectAllEnded();
}

TEST_P(EveryQuicHeader, CarriesOneMebibyteEachWayAndTheServerEnds) {
  ForEveryHeader([&](const QuicCombination& combination) {
    return RunExchange(Choice(combination),
                       {.up_bytes = kMebibyte, .down_bytes = kMebibyte, .seed = 31, .closer = Closer::kServer});
  });
  ExpectAllEnded();
}

TEST_P(EveryQuicHeader, AResetClientIsGoneAtTheServer) {
  ForEveryHeader([&](const QuicCombination& combination) -> absl::Status {
    CULVERT_ASSIGN_OR_RETURN(TcpStream stream, TcpStream::Connect(pairing_->ToChoice(combination), kLimit));
    stream.SetLimit(kLimit);
    CULVERT_RETURN_IF_ERROR(stream.Write(kEchoMode));
    CULVERT_RETURN_IF_ERROR(stream.Transfer(1000, 1, 1000, 1));
    stream.Reset();
    return absl::OkStatus();
  });
  ExpectAllEnded();
}

TEST_P(EveryQuicHeader, WhatFollowsAHalfCloseArrives) {
  // v2ray makes a whole close of a half one after a second, so the answer is one that comes at once.
  ForEveryHeader([&](const QuicCombination& combination) -> absl::Status {
    CULVERT_ASSIGN_OR_RETURN(TcpStream stream, TcpStream::Connect(pairing_->ToChoice(combination), kLimit));
    stream.SetLimit(kLimit);
    CULVERT_RETURN_IF_ERROR(stream.Write(std::string(kEchoMode) + "the last words"));
    stream.FinishWriting();
    CULVERT_ASSIGN_OR_RETURN(const uint64_t echoed, stream.ReadToEnd());
    if (echoed != 14) return absl::DataLossError(absl::StrFormat("%u of 14 bytes came back", echoed));
    return absl::OkStatus();
  });
  ExpectAllEnded();
}

TEST_P(EveryQuicHeader, TheServerMaySpeakFirstWhereCulvertDials) {
  if (std::get<0>(GetParam()) != QuicRole::kCulvertDials) {
    // A v2ray that dials sends nothing before its own client does: spec/quic.md section 4.
    return;
  }
  ForEveryHeader([&](const QuicCombination& combination) {
    return RunGreeted({.to = pairing_->ToGreeter(combination), .limit = kLimit}, std::string(kQuicGreeting));
  });
}

std::string RoleAndSecurityName(const ::testing::TestParamInfo<RoleAndSecurity>& info) {
  const std::string name = QuicCombination{std::get<0>(info.param), std::get<1>(info.param), {}}.Name();
  return name.substr(0, name.rfind('_'));
}
INSTANTIATE_TEST_SUITE_P(V2ray, EveryQuicHeader,
                         ::testing::Combine(::testing::Values(QuicRole::kCulvertDials, QuicRole::kCulvertListens),
                                            ::testing::ValuesIn(AllSecurities())),
                         RoleAndSecurityName);

}  // namespace
}  // namespace culvert::testing
