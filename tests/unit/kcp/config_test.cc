#include "core/kcp/config.h"

#include <gtest/gtest.h>

namespace culvert::kcp {
namespace {

std::string ErrorOf(const KcpOptions& options) {
  const auto config = KcpConfig::Create(options);
  return config.ok() ? "" : std::string(config.status().message());
}

TEST(KcpConfig, RefusesWhatIsOutOfRangeNamingFieldAndRange) {
  EXPECT_EQ(ErrorOf({.mtu_bytes = 100}), "kcp.mtu_bytes: 100 is not in [576, 1460]");
  EXPECT_EQ(ErrorOf({.mtu_bytes = 1461}), "kcp.mtu_bytes: 1461 is not in [576, 1460]");
  EXPECT_EQ(ErrorOf({.tick_interval = std::chrono::milliseconds(9)}), "kcp.tick_interval: 9ms is not in [10ms, 100ms]");
  EXPECT_NE(ErrorOf({.profile = Profile::kXray, .seed = "x"}), "");
  EXPECT_NE(ErrorOf({.congestion_control = CongestionControl::kFixedRate}), "");
}

TEST(KcpConfig, SegmentPayloadCountsEverythingIncludingTheNonce) {
  const auto payload = [](const KcpOptions& options) { return (*KcpConfig::Create(options))->max_segment_payload_bytes(); };
  EXPECT_EQ(payload({.mtu_bytes = 1350}), 1350u - 6 - 18);
  EXPECT_EQ(payload({.seed = "s", .mtu_bytes = 1350}), 1350u - 28 - 18);  // K28: v2ray forgets 12 of them
  EXPECT_EQ(payload({.header = HeaderType::kDtls, .mtu_bytes = 1350}), 1350u - 13 - 6 - 18);
  EXPECT_EQ(payload({.profile = Profile::kXray, .mtu_bytes = 1350}), 1350u - 18);
}

TEST(KcpConfig, DownlinkCapIsV2raysWindowFormula) {
  // 20 MiB/s at mtu 1350 and tti 50: 776 segments (spec section 6).
  KcpOptions options{.mtu_bytes = 1350, .downlink_bytes_per_second = 20 * 1048576};
  EXPECT_EQ((*KcpConfig::Create(options))->max_receive_window_segments(), 776u);
  options.downlink_bytes_per_second = 1;
  EXPECT_EQ((*KcpConfig::Create(options))->max_receive_window_segments(), 8u);
}

TEST(KcpConfig, AnEmptySeedIsASeedButNoSecret) {
  EXPECT_TRUE((*KcpConfig::Create({}))->is_unkeyed());
  EXPECT_TRUE((*KcpConfig::Create({.seed = ""}))->is_unkeyed());
  EXPECT_FALSE((*KcpConfig::Create({.seed = "s"}))->is_unkeyed());
  EXPECT_EQ((*KcpConfig::Create({.seed = ""}))->sealer().nonce_size(), 12u);
}

}  // namespace
}  // namespace culvert::kcp
