#include "core/quic/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace culvert::quic {
namespace {

using ::testing::HasSubstr;

std::string ErrorOf(const QuicOptions& options) {
  const auto config = QuicConfig::Create(options);
  return config.ok() ? "" : std::string(config.status().message());
}

TEST(QuicConfigTest, DefaultsHaveNoWrapper) {
  const auto config = QuicConfig::Create({});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ((*config)->sealer(), nullptr);
  EXPECT_EQ((*config)->outer_overhead_bytes(), 0u);
  EXPECT_EQ((*config)->max_udp_payload_bytes(), 1452u);
}

TEST(QuicConfigTest, TheWrapperCountsHeaderNonceAndTag) {
  const auto config = QuicConfig::Create(
      {.outer_security = OuterSecurity::kChacha20Poly1305, .outer_key = "k", .outer_header = HeaderType::kDtls});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ((*config)->outer_overhead_bytes(), 13u + 12u + 16u);
  EXPECT_EQ((*config)->inner_offset_bytes(), 13u + 12u);
}

TEST(QuicConfigTest, RefusesWhatIsOutOfRange) {
  EXPECT_THAT(ErrorOf({.max_streams_per_session = 0}), HasSubstr("quic.max_streams_per_session: 0 is not in [1, 65535]"));
  EXPECT_THAT(ErrorOf({.max_streams_per_session = 65536}), HasSubstr("quic.max_streams_per_session"));
  EXPECT_THAT(ErrorOf({.max_udp_payload_bytes = 1199}), HasSubstr("quic.max_udp_payload_bytes: 1199 is not in [1200, 1472]"));
  EXPECT_THAT(ErrorOf({.max_udp_payload_bytes = 1473}), HasSubstr("quic.max_udp_payload_bytes"));
  EXPECT_THAT(ErrorOf({.idle_timeout = std::chrono::seconds(4)}), HasSubstr("quic.idle_timeout"));
  EXPECT_THAT(ErrorOf({.keepalive_interval = std::chrono::milliseconds(999)}), HasSubstr("quic.keepalive_interval"));
  EXPECT_THAT(ErrorOf({.idle_timeout = std::chrono::seconds(10), .keepalive_interval = std::chrono::seconds(10)}),
              HasSubstr("is not below idle_timeout"));
}

TEST(QuicConfigTest, InsideAWrapperNoDatagramMayBeLargerThanV2rayTakes) {
  EXPECT_EQ(ErrorOf({.max_udp_payload_bytes = 1472}), "");
  EXPECT_THAT(ErrorOf({.outer_header = HeaderType::kSrtp, .max_udp_payload_bytes = 1453}), HasSubstr("[1200, 1452]"));
  EXPECT_THAT(ErrorOf({.outer_security = OuterSecurity::kAes128Gcm, .max_udp_payload_bytes = 1453}), HasSubstr("[1200, 1452]"));
}

TEST(QuicConfigTest, AKeyNeedsASecurityAndIsNeverShown) {
  const std::string error = ErrorOf({.outer_key = "canary-of-a-key"});
  EXPECT_THAT(error, HasSubstr("quic.outer.key"));
  EXPECT_THAT(error, ::testing::Not(HasSubstr("canary")));
}

}  // namespace
}  // namespace culvert::quic
