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
  session.stats.limited_by = SendLimit::kPacing;
  session.stats.time_in_limit.spent = {std::chrono::nanoseconds(1), std::chrono::milliseconds(2), std::chrono::seconds(3),
                                       std::chrono::minutes(4), std::chrono::milliseconds(5), std::chrono::milliseconds(6)};
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

TEST(StatsProtoTest, TimeInEachLimitHasItsFieldAndLosesNothing) {
  const v1::PathStats path = ToProto(QuicSession()).path();
  EXPECT_EQ(path.limited_by(), v1::PathStats::LIMITED_BY_PACING);
  const v1::TimeInLimit& time = path.time_in_limit();
  EXPECT_EQ(TimeUtil::DurationToNanoseconds(time.application()), 1);
  EXPECT_EQ(TimeUtil::DurationToMilliseconds(time.congestion()), 2);
  EXPECT_EQ(TimeUtil::DurationToSeconds(time.pacing()), 3);
  EXPECT_EQ(TimeUtil::DurationToMinutes(time.peer_window()), 4);
  EXPECT_EQ(TimeUtil::DurationToMilliseconds(time.buffer()), 5);
  EXPECT_EQ(TimeUtil::DurationToMilliseconds(time.path_down()), 6);
}

TEST(StatsProtoTest, ALimitThatNeverWasIsAbsent) {
  TimeInLimit time;
  time[SendLimit::kBuffer] = std::chrono::seconds(1);
  const v1::TimeInLimit proto = ToProto(time);
  EXPECT_TRUE(proto.has_buffer());
  EXPECT_FALSE(proto.has_application());
  EXPECT_FALSE(proto.has_path_down());
}

TEST(StatsProtoTest, EachHalfOfAStreamHasItsTimesIfItsTransportAccounts) {
  StreamSnapshot stream;
  EXPECT_FALSE(ToProto(stream).has_time_in_limit());
  stream.time_in_limit.emplace()[SendLimit::kPeerWindow] = std::chrono::seconds(7);
  stream.far_time_in_limit.emplace();  // since this moment
  EXPECT_EQ(ToProto(stream).time_in_limit().peer_window().seconds(), 7);
  EXPECT_TRUE(ToProto(stream).has_far_time_in_limit());
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

TEST(StatsProtoTest, ForTcpTheKernelDoesNotSayWhatLimits) {
  SessionSnapshot session;
  session.transport = Transport::kTcp;
  EXPECT_EQ(ToProto(session).path().limited_by(), v1::PathStats::LIMITED_BY_UNSPECIFIED);
  EXPECT_FALSE(ToProto(session).path().has_time_in_limit());
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
