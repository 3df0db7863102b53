// One test for each fault of v2ray's dispatcher (spec/udp.md, quirks U2 to U4, reliability.md S17 to S22), named by it: what is right. And
// its documented behaviour where somebody asks for that.
#include <gtest/gtest.h>

#include <vector>

#include "core/dispatch/packet_connection.h"
#include "core/dispatch/udp_dispatcher.h"

namespace culvert::dispatch {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const SocketAddress kClient{IpAddress::V4({10, 0, 0, 1}), 5000};
const SocketAddress kServer{IpAddress::V4({10, 0, 0, 2}), 7};

class V2rayFaults : public ::testing::Test {
 protected:
  void Advance(Duration time) {
    now_ += time;
    dispatcher_.OnTimeout(now_);
  }
  SeededRandom random_{1};
  TimePoint now_{seconds(100)};
  UdpDispatcher dispatcher_{{}, random_};
};

TEST_F(V2rayFaults, FourSecondsRefreshedByRepliesOnly) {
  const AssociationHandle client = dispatcher_.Open(now_, kClient, {}, 0);
  const FlowHandle flow = dispatcher_.OnOutgoing(now_, client, {kServer}, 1);
  // 10 datagrams a second one way for 130 s: one flow, and so one port outside (T46).
  for (int i = 0; i < 1300; ++i) {
    Advance(milliseconds(100));
    ASSERT_EQ(dispatcher_.OnOutgoing(now_, client, {kServer}, 1), flow) << i;
  }
  EXPECT_EQ(dispatcher_.counters().flows_opened, 1u);
}

TEST_F(V2rayFaults, FourSecondsRefreshedByRepliesOnlyWhereAskedFor) {
  const AssociationRules rules{.idle_timeout = seconds(4), .dns_idle_timeout = seconds(4), .is_endpoint_independent = true,
                               .only_replies_refresh = true};
  AssociationHandle client = dispatcher_.Open(now_, kClient, rules, 0);
  FlowHandle flow = dispatcher_.OnOutgoing(now_, client, {kServer}, 1);
  // One way it is cut after exactly 4 s, however much is sent.
  for (int i = 0; i < 39; ++i) {
    Advance(milliseconds(100));
    ASSERT_EQ(dispatcher_.OnOutgoing(now_, client, {kServer}, 1), flow);
  }
  Advance(milliseconds(100));
  EXPECT_EQ(dispatcher_.FindFlow(flow), nullptr);
  while (dispatcher_.PollEvent()) {
  }
  // With a reply at 1 s it lives to the look at 8 s, the second one after its beginning.
  client = dispatcher_.Open(now_, kClient, rules, 0);
  flow = dispatcher_.OnOutgoing(now_, client, {kServer}, 1);
  Advance(seconds(1));
  EXPECT_EQ(dispatcher_.OnIncoming(now_, client, {{IpAddress::V4({9, 9, 9, 9}), 1}}, 1), flow) << "anyone's counts as the destination's";
  Advance(milliseconds(6999));
  EXPECT_NE(dispatcher_.FindFlow(flow), nullptr);
  Advance(milliseconds(1));
  EXPECT_EQ(dispatcher_.FindFlow(flow), nullptr);
}

TEST_F(V2rayFaults, AFinishedFlowsCleanupDeletesItsSuccessor) {
  const AssociationHandle client = dispatcher_.Open(now_, {}, {}, 0);
  const FlowHandle old_flow = dispatcher_.OnOutgoing(now_, client, {kServer}, 1);
  dispatcher_.CloseFlow(old_flow);
  const FlowHandle successor = dispatcher_.OnOutgoing(now_, client, {kServer}, 1);
  ASSERT_NE(old_flow, successor);
  // Whoever still holds the old one cleans up once more, in every way there is.
  dispatcher_.CloseFlow(old_flow);
  dispatcher_.OnDropped(old_flow);
  EXPECT_EQ(dispatcher_.FindFlow(old_flow), nullptr);
  ASSERT_NE(dispatcher_.FindFlow(successor), nullptr);
  EXPECT_EQ(dispatcher_.FindFlow(successor)->counters.dropped, 0u);
  EXPECT_EQ(dispatcher_.OnIncoming(now_, client, {kServer}, 1), successor);
  // The deadline of the old one is not the new one's.
  Advance(seconds(119));
  EXPECT_NE(dispatcher_.FindFlow(successor), nullptr);
}

// In v2ray a dispatch that failed left a null link behind, and the next datagram crashed on it. An association that failed is closed by its
// owner; datagrams for it find nothing.
TEST_F(V2rayFaults, CrashOnFailedDispatch) {
  for (int i = 0; i < 10'000; ++i) {
    const AssociationHandle client = dispatcher_.Open(now_, kClient, {}, 0);
    static_cast<void>(dispatcher_.OnOutgoing(now_, client, {kServer}, 1));
    dispatcher_.Close(client);
    EXPECT_TRUE(dispatcher_.OnOutgoing(now_, client, {kServer}, 1).is_null());
    EXPECT_TRUE(dispatcher_.OnIncoming(now_, client, {kServer}, 1).is_null());
  }
  EXPECT_EQ(dispatcher_.association_count(), 0u);
  EXPECT_EQ(dispatcher_.flow_count(), 0u);
}

TEST_F(V2rayFaults, SilentTruncation) {
  PacketConnection connection({});
  std::vector<uint8_t> buffer(65507);
  for (const size_t size : {0u, 1u, 1200u, 1472u, 2047u, 2048u, 2049u, 9000u, 65507u}) {
    const std::vector<uint8_t> payload(size, 3);
    ASSERT_EQ(connection.WriteTo(now_, payload, {kServer}), PacketConnection::Status::kDone) << size;
    Destination destination;
    ByteView written;
    ASSERT_TRUE(connection.PeekWritten(destination, written));
    EXPECT_TRUE(std::equal(written.begin(), written.end(), payload.begin(), payload.end()));
    connection.TakeWritten();
    ASSERT_TRUE(connection.Deliver({kServer}, payload));
    if (size > 0) {
      // A buffer that is too small gets nothing, and the datagram stays.
      const auto refused = connection.ReadFrom(now_, ByteSpan(buffer).first(size - 1));
      EXPECT_EQ(refused.status, PacketConnection::Status::kTooSmall);
      EXPECT_EQ(refused.size, size);
    }
    const auto read = connection.ReadFrom(now_, buffer);
    ASSERT_EQ(read.status, PacketConnection::Status::kDone);
    EXPECT_EQ(read.size, size);
  }
  EXPECT_EQ(connection.WriteTo(now_, std::vector<uint8_t>(65508), {kServer}), PacketConnection::Status::kTooLong);
  EXPECT_FALSE(connection.Deliver({kServer}, std::vector<uint8_t>(65508)));
}

TEST_F(V2rayFaults, UnboundedDestinations) {
  const AssociationHandle client = dispatcher_.Open(now_, kClient, {}, 0);
  for (uint32_t i = 0; i < 15'000; ++i) {
    const SocketAddress to{IpAddress::V4({11, 0, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)}), 9};
    EXPECT_FALSE(dispatcher_.OnOutgoing(now_, client, {to}, 1).is_null());
    while (dispatcher_.PollEvent()) {
    }
  }
  EXPECT_EQ(dispatcher_.flow_count(), 1024u);
  EXPECT_EQ(dispatcher_.counters().flows_evicted, 15'000u - 1024u);
}

TEST_F(V2rayFaults, QueueOfSixteenDropsTheNewestUncounted) {
  PacketConnection connection({.queue_packets = 20});
  std::vector<uint8_t> buffer(10);
  for (uint8_t i = 0; i < 25; ++i) EXPECT_TRUE(connection.Deliver({kServer}, std::vector<uint8_t>{i}));
  EXPECT_EQ(connection.dropped(), 5u);
  const auto read = connection.ReadFrom(now_, buffer);
  ASSERT_EQ(read.status, PacketConnection::Status::kDone);
  EXPECT_EQ(buffer[0], 5) << "the oldest made room";
}

TEST_F(V2rayFaults, DeadlinesAreIgnored) {
  PacketConnection connection({});
  std::vector<uint8_t> buffer(10);
  connection.SetReadDeadline(now_ + seconds(1));
  EXPECT_EQ(connection.ReadFrom(now_, buffer).status, PacketConnection::Status::kWouldBlock);
  EXPECT_EQ(connection.NextTimeout(now_), now_ + seconds(1));
  EXPECT_EQ(connection.ReadFrom(now_ + seconds(1), buffer).status, PacketConnection::Status::kTimedOut);
}

}  // namespace
}  // namespace culvert::dispatch
