// One schema for all transports: every figure of core/transport/session_stats.h has its field.
#include "server/stats_proto.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/time_util.h>

namespace culvert::server {
namespace {

using google::protobuf::util::TimeUtil;

SessionSnapshot QuicSession() {
  SessionSnapshot session;
  session.id = "s0x1";
  session.transport = Transport::kQuic;
  session.stats.state = "ESTABLISHED";
  session.stats.open_streams = 3;
  session.stats.max_streams = 32;
  session.stats.opened_streams = 40;
  session.stats.path_migrations = 2;
  session.stats.path_mtu_reductions = 1;
  session.stats.ecn_marks = 7;
  session.stats.flow_blocked_time = std::chrono::milliseconds(1500);
  session.stats.key_updates = 4;
  session.stats.slow_start_threshold_bytes = 99;
  return session;
}

TEST(StatsProtoTest, SessionsOfManyStreamsShowThemAndTheirPath) {
  const v1::Session session = ToProto(QuicSession());
  EXPECT_EQ(session.transport(), v1::TRANSPORT_QUIC);
  EXPECT_EQ(session.state(), v1::STATE_ACTIVE);
  EXPECT_EQ(session.open_streams(), 3u);
  EXPECT_EQ(session.max_streams(), 32u);
  EXPECT_EQ(session.opened_streams(), 40u);
  EXPECT_EQ(session.key_updates(), 4u);
  EXPECT_EQ(session.path().migrations(), 2u);
  EXPECT_EQ(session.path().path_mtu_reductions(), 1u);
  EXPECT_EQ(session.path().ecn_marks(), 7u);
  EXPECT_EQ(TimeUtil::DurationToMilliseconds(session.path().flow_blocked_time()), 1500);
  EXPECT_EQ(session.path().slow_start_threshold_bytes(), 99u);
}

TEST(StatsProtoTest, AHandshakeIsPendingAndAnEndIsNotActive) {
  SessionSnapshot session = QuicSession();
  session.stats.state = "HANDSHAKING";
  EXPECT_EQ(ToProto(session).state(), v1::STATE_PENDING);
  session.stats.state = "CLOSING";
  EXPECT_EQ(ToProto(session).state(), v1::STATE_DRAINING);
  session.stats.state = "CLOSED";
  EXPECT_EQ(ToProto(session).state(), v1::STATE_CLOSED);
}

TEST(StatsProtoTest, OtherTransportsHaveNone) {
  SessionSnapshot session;
  session.transport = Transport::kKcp;
  session.stats.state = "ACTIVE";
  const v1::Session kcp = ToProto(session);
  EXPECT_EQ(kcp.transport(), v1::TRANSPORT_KCP);
  EXPECT_EQ(kcp.open_streams(), 0u);
  EXPECT_FALSE(kcp.path().has_flow_blocked_time());
}

}  // namespace
}  // namespace culvert::server
