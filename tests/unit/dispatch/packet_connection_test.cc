#include "core/dispatch/packet_connection.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace culvert::dispatch {
namespace {

using std::chrono::seconds;
using Status = PacketConnection::Status;
using Bytes = std::vector<uint8_t>;

constexpr TimePoint kNow{seconds(10)};
const SocketAddress kPeer{IpAddress::V4({10, 0, 0, 2}), 7};
const SocketAddress kPeer6{IpAddress::Parse("2001:db8::7").value(), 8};

TEST(PacketConnection, ReadsWithTheSource) {
  PacketConnection connection({});
  Bytes buffer(100);
  EXPECT_EQ(connection.ReadFrom(kNow, buffer).status, Status::kWouldBlock);
  EXPECT_TRUE(connection.Deliver({kPeer}, Bytes{1}));
  EXPECT_TRUE(connection.Deliver({kPeer6}, Bytes{2, 2}));
  EXPECT_TRUE(connection.Deliver({{{}, 53}, "dns.example"}, Bytes{}));
  EXPECT_EQ(connection.readable(), 3u);

  auto read = connection.ReadFrom(kNow, buffer);
  EXPECT_EQ(read.status, Status::kDone);
  EXPECT_EQ(read.source.address, kPeer);
  EXPECT_EQ(read.size, 1u);
  read = connection.ReadFrom(kNow, buffer);
  EXPECT_EQ(read.source.address, kPeer6);
  read = connection.ReadFrom(kNow, buffer);
  EXPECT_EQ(read.status, Status::kDone);
  EXPECT_EQ(read.size, 0u);
  EXPECT_EQ(read.source.ToString(), "dns.example:53");
}

TEST(PacketConnection, WritesWithTheDestination) {
  PacketConnection connection({.queue_packets = 2});
  EXPECT_EQ(connection.WriteTo(kNow, Bytes{1, 2}, {kPeer}), Status::kDone);
  EXPECT_TRUE(connection.is_writable());
  EXPECT_EQ(connection.WriteTo(kNow, Bytes{3}, {{{}, 9}, "there.example"}), Status::kDone);
  EXPECT_FALSE(connection.is_writable());
  EXPECT_EQ(connection.WriteTo(kNow, Bytes{4}, {kPeer}), Status::kWouldBlock) << "a writer waits, nothing is dropped";
  Destination destination;
  ByteView payload;
  ASSERT_TRUE(connection.PeekWritten(destination, payload));
  EXPECT_EQ(destination.address, kPeer);
  EXPECT_EQ(Bytes(payload.begin(), payload.end()), (Bytes{1, 2}));
  connection.TakeWritten();
  ASSERT_TRUE(connection.PeekWritten(destination, payload));
  EXPECT_EQ(destination.ToString(), "there.example:9");
  connection.TakeWritten();
  EXPECT_FALSE(connection.PeekWritten(destination, payload));
  EXPECT_EQ(connection.WriteTo(kNow, Bytes{4}, {kPeer}), Status::kDone);
  EXPECT_EQ(connection.WriteTo(kNow, Bytes{4}, {{{}, 9}, std::string(256, 'a')}), Status::kTooLong);
}

TEST(PacketConnection, CloseEndsWritingAndLeavesWhatHasCome) {
  PacketConnection connection({});
  Bytes buffer(10);
  EXPECT_TRUE(connection.Deliver({kPeer}, Bytes{1}));
  EXPECT_EQ(connection.WriteTo(kNow, Bytes{5}, {kPeer}), Status::kDone);
  connection.Close();
  EXPECT_EQ(connection.WriteTo(kNow, Bytes{6}, {kPeer}), Status::kClosed);
  EXPECT_FALSE(connection.Deliver({kPeer}, Bytes{2}));
  EXPECT_EQ(connection.ReadFrom(kNow, buffer).status, Status::kDone);
  EXPECT_EQ(connection.ReadFrom(kNow, buffer).status, Status::kClosed);
  Destination destination;
  ByteView payload;
  EXPECT_TRUE(connection.PeekWritten(destination, payload)) << "what was written is still taken";
}

TEST(PacketConnection, TheOtherEndEnds) {
  PacketConnection connection({});
  Bytes buffer(10);
  EXPECT_TRUE(connection.Deliver({kPeer}, Bytes{1}));
  connection.EndReceiving();
  EXPECT_EQ(connection.ReadFrom(kNow, buffer).status, Status::kDone);
  EXPECT_EQ(connection.ReadFrom(kNow, buffer).status, Status::kClosed);
  EXPECT_EQ(connection.WriteTo(kNow, Bytes{1}, {kPeer}), Status::kDone);
}

TEST(PacketConnection, AllThreeDeadlines) {
  PacketConnection connection({});
  Bytes buffer(10);
  EXPECT_EQ(connection.NextTimeout(kNow), std::nullopt);
  EXPECT_TRUE(connection.Deliver({kPeer}, Bytes{1}));

  connection.SetReadDeadline(kNow + seconds(2));
  connection.SetWriteDeadline(kNow + seconds(1));
  EXPECT_EQ(connection.NextTimeout(kNow), kNow + seconds(1));
  EXPECT_EQ(connection.WriteTo(kNow + seconds(1), Bytes{1}, {kPeer}), Status::kTimedOut);
  EXPECT_EQ(connection.NextTimeout(kNow + seconds(1)), kNow + seconds(2));
  EXPECT_EQ(connection.ReadFrom(kNow + seconds(2), buffer).status, Status::kTimedOut) << "even though something is there, as of a socket";
  EXPECT_EQ(connection.NextTimeout(kNow + seconds(2)), std::nullopt);
  // Moved, it works again, and nothing was lost.
  connection.SetDeadline(kNow + seconds(5));
  EXPECT_EQ(connection.ReadFrom(kNow + seconds(3), buffer).status, Status::kDone);
  EXPECT_EQ(connection.WriteTo(kNow + seconds(3), Bytes{1}, {kPeer}), Status::kDone);
  EXPECT_EQ(connection.WriteTo(kNow + seconds(5), Bytes{1}, {kPeer}), Status::kTimedOut);
  EXPECT_EQ(connection.ReadFrom(kNow + seconds(5), buffer).status, Status::kTimedOut);
  connection.SetDeadline(kInfiniteFuture);
  EXPECT_EQ(connection.ReadFrom(kNow + seconds(9), buffer).status, Status::kWouldBlock);
}

TEST(PacketConnection, LocalAddress) {
  PacketConnection connection({.local = kPeer});
  EXPECT_EQ(connection.local_address(), kPeer);
}

}  // namespace
}  // namespace culvert::dispatch
