#include "core/io/datagram_batch.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <cstring>
#include <string>
#include <vector>

namespace culvert::io {
namespace {

UdpSocket BindLoopback() { return *UdpSocket::Bind({.bind = {IpAddress::LoopbackV4(), 0}}); }

// A datagram of `size` bytes that tells its number and is otherwise a pattern of it.
bool Put(SendBatch& batch, const SocketAddress& to, size_t size, uint32_t number) {
  const ByteSpan room = batch.Reserve(to, size);
  if (room.empty()) return false;
  for (size_t i = 0; i < size; ++i) room[i] = static_cast<uint8_t>(number + i);
  StoreBigEndian32(room.data(), number);
  batch.Commit(size);
  return true;
}

struct Received {
  SocketAddress peer;
  size_t size = 0;
  uint32_t number = 0;
  bool is_intact = false;
};

std::vector<Received> ReceiveAll(UdpSocket& socket, size_t expected) {
  ReceiveBatch batch;
  std::vector<Received> all;
  pollfd poller{.fd = socket.fd(), .events = POLLIN, .revents = 0};
  while (all.size() < expected && poll(&poller, 1, 5000) == 1) {
    Datagram datagram;
    while (batch.Receive(socket)) {
      while (batch.Next(datagram)) {
        Received one{datagram.peer, datagram.bytes.size(), LoadBigEndian32(datagram.bytes.data()), true};
        for (size_t i = 4; i < one.size; ++i) one.is_intact &= datagram.bytes[i] == static_cast<uint8_t>(one.number + i);
        all.push_back(one);
      }
    }
  }
  return all;
}

void ExpectRoundTrip(UdpSocket& from, UdpSocket& to, const std::vector<size_t>& sizes) {
  SendBatch batch;
  for (uint32_t i = 0; i < sizes.size(); ++i) ASSERT_TRUE(Put(batch, to.local_address(), sizes[i], i));
  EXPECT_EQ(batch.Flush(from), SendBatch::FlushResult::kEmptied);
  EXPECT_TRUE(batch.is_empty());
  const std::vector<Received> received = ReceiveAll(to, sizes.size());
  ASSERT_EQ(received.size(), sizes.size());
  for (uint32_t i = 0; i < sizes.size(); ++i) {
    EXPECT_EQ(received[i].size, sizes[i]) << i;
    EXPECT_EQ(received[i].number, i);
    EXPECT_TRUE(received[i].is_intact) << i;
    EXPECT_EQ(received[i].peer, from.local_address());
  }
  EXPECT_EQ(from.counters().send_errors(), 0u);
}

TEST(DatagramBatch, OneDatagram) {
  UdpSocket a = BindLoopback(), b = BindLoopback();
  ExpectRoundTrip(a, b, {100});
}

TEST(DatagramBatch, TrainsKeepEveryBoundary) {
  UdpSocket a = BindLoopback(), b = BindLoopback();
  std::vector<size_t> sizes;
  for (int i = 0; i < 100; ++i) sizes.push_back(1200);   // more than one train takes
  sizes.push_back(700);                                  // a shorter one ends it
  for (int i = 0; i < 10; ++i) sizes.push_back(700);
  sizes.push_back(1300);                                 // a longer one begins another
  for (size_t i = 0; i < 20; ++i) sizes.push_back(40 + i % 3);
  ExpectRoundTrip(a, b, sizes);
  if (a.granted().gso) {
    EXPECT_LT(a.counters().sent_trains, 40u);
  }
  EXPECT_EQ(a.counters().sent_datagrams, sizes.size());
}

TEST(DatagramBatch, WorksTheSameWithoutSegmentation) {
  UdpSocket a = BindLoopback(), b = BindLoopback();
  a.DisableGso(22);
  ExpectRoundTrip(a, b, std::vector<size_t>(150, 1000));
  EXPECT_EQ(a.counters().sent_trains, 150u);
}

TEST(DatagramBatch, TrainsAreSplitByPeer) {
  UdpSocket from = BindLoopback(), b = BindLoopback(), c = BindLoopback();
  SendBatch batch;
  for (uint32_t i = 0; i < 6; ++i) ASSERT_TRUE(Put(batch, (i % 2 ? b : c).local_address(), 500, i));
  EXPECT_EQ(batch.Flush(from), SendBatch::FlushResult::kEmptied);
  EXPECT_EQ(ReceiveAll(b, 3).size(), 3u);
  EXPECT_EQ(ReceiveAll(c, 3).size(), 3u);
}

TEST(DatagramBatch, AFullBatchSaysSoAndTakesAgainAfterFlush) {
  UdpSocket a = BindLoopback(), b = BindLoopback();
  SendBatch batch(10'000);
  uint32_t taken = 0;
  while (Put(batch, b.local_address(), 1200, taken)) ++taken;
  EXPECT_EQ(taken, 8u);
  EXPECT_EQ(batch.Flush(a), SendBatch::FlushResult::kEmptied);
  EXPECT_TRUE(Put(batch, b.local_address(), 1200, 0));
}

TEST(DatagramBatch, TheNumberOfTrainsIsBounded) {
  UdpSocket a = BindLoopback(), b = BindLoopback(), c = BindLoopback();
  SendBatch batch;
  uint32_t taken = 0;
  while (Put(batch, (taken % 2 ? b : c).local_address(), 100, taken)) ++taken;
  EXPECT_EQ(taken, SendBatch::kMaxTrains);
}

TEST(DatagramBatch, AnAbandonedDatagramLeavesNothing) {
  UdpSocket b = BindLoopback();
  SendBatch batch;
  ASSERT_FALSE(batch.Reserve(b.local_address(), 100).empty());
  batch.Commit(0);
  EXPECT_TRUE(batch.is_empty());
}

TEST(DatagramBatch, AnErrorOfOneDatagramDoesNotStopTheOthers) {
  UdpSocket a = BindLoopback(), b = BindLoopback();
  SendBatch batch;
  ASSERT_TRUE(Put(batch, b.local_address(), 200, 0));
  // Loopback cannot reach the world.
  for (uint32_t i = 0; i < 3; ++i) ASSERT_TRUE(Put(batch, {IpAddress::V4({203, 0, 113, 9}), 9}, 300, i));
  ASSERT_TRUE(Put(batch, b.local_address(), 200, 1));
  EXPECT_EQ(batch.Flush(a), SendBatch::FlushResult::kEmptied);
  EXPECT_EQ(ReceiveAll(b, 2).size(), 2u);
  EXPECT_EQ(a.counters().sent_datagrams, 2u);
  EXPECT_EQ(a.counters().send_errors(), 3u);
  EXPECT_TRUE(a.is_open());
}

TEST(DatagramBatch, APeerThatCannotBeReachedDoesNotCostTheOthersTheirTrains) {
  UdpSocket a = BindLoopback(), b = BindLoopback();
  const bool had_gso = a.granted().gso;
  SendBatch batch;
  for (uint32_t i = 0; i < 10; ++i) ASSERT_TRUE(Put(batch, {IpAddress::V4({203, 0, 113, 9}), 9}, 300, i));
  EXPECT_EQ(batch.Flush(a), SendBatch::FlushResult::kEmptied);
  EXPECT_EQ(a.counters().send_errors(), 10u);
  EXPECT_EQ(a.granted().gso, had_gso);
}

TEST(DatagramBatch, RefusalByNobodyThereEndsNothing) {
  UdpSocket a = BindLoopback(), b = BindLoopback();
  UdpSocket gone = BindLoopback();
  const SocketAddress nobody = gone.local_address();
  gone.Close();
  SendBatch batch;
  ReceiveBatch incoming;
  for (uint32_t i = 0; i < 1000; ++i) {  // reliability T14
    ASSERT_TRUE(Put(batch, nobody, 100, i));
    EXPECT_EQ(batch.Flush(a), SendBatch::FlushResult::kEmptied);
    EXPECT_FALSE(incoming.Receive(a));
  }
  ExpectRoundTrip(a, b, {100, 100});
}

TEST(DatagramBatch, ReceiverOverflowIsCounted) {
  UdpSocket a = BindLoopback();
  UdpSocket b = *UdpSocket::Bind({.bind = {IpAddress::LoopbackV4(), 0}, .socket = {.receive_buffer_bytes = 8192}});
  SendBatch batch;
  for (uint32_t round = 0; round < 4; ++round) {
    for (uint32_t i = 0; i < 60; ++i) ASSERT_TRUE(Put(batch, b.local_address(), 1200, i));
    EXPECT_EQ(batch.Flush(a), SendBatch::FlushResult::kEmptied);
  }
  const size_t first = ReceiveAll(b, 1).size();
  ASSERT_LT(first, 240u);
  ASSERT_TRUE(Put(batch, b.local_address(), 100, 0));  // the count travels with the next datagram that is taken
  EXPECT_EQ(batch.Flush(a), SendBatch::FlushResult::kEmptied);
  ReceiveAll(b, 1);
  EXPECT_GT(b.counters().kernel_drops, 0u);
}

TEST(DatagramBatch, DualStackSpeaksBoth) {
  auto any = UdpSocket::Bind({.bind = {IpAddress::AnyV6(), 0}});
  if (!any.ok()) GTEST_SKIP() << any.status();
  UdpSocket v4 = BindLoopback();
  SendBatch batch;
  ASSERT_TRUE(Put(batch, {IpAddress::LoopbackV4(), any->local_address().port}, 64, 7));
  EXPECT_EQ(batch.Flush(v4), SendBatch::FlushResult::kEmptied);
  const auto received = ReceiveAll(*any, 1);
  ASSERT_EQ(received.size(), 1u);
  EXPECT_EQ(received[0].peer, v4.local_address());  // not in mapped form
  ASSERT_TRUE(Put(batch, received[0].peer, 64, 8));
  EXPECT_EQ(batch.Flush(*any), SendBatch::FlushResult::kEmptied);
  EXPECT_EQ(ReceiveAll(v4, 1).size(), 1u);
}

}  // namespace
}  // namespace culvert::io
