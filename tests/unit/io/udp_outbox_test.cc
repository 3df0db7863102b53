#include "core/io/udp_outbox.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "core/base/random.h"
#include "core/io/datagram_batch.h"

namespace culvert::io {
namespace {

UdpSocket Open() {
  auto socket = UdpSocket::Bind({.bind = {IpAddress::LoopbackV4(), 0}, .socket = {.receive_buffer_bytes = 4 << 20}});
  EXPECT_TRUE(socket.ok()) << socket.status();
  return *std::move(socket);
}

std::vector<uint8_t> Payload(uint32_t number, size_t size) {
  std::vector<uint8_t> bytes(size, static_cast<uint8_t>(number));
  if (size >= 4) StoreBigEndian32(bytes.data(), number);
  return bytes;
}

using Received = std::vector<std::vector<uint8_t>>;

Received TakeAll(ReceiveBatch& batch, UdpSocket& socket) {
  Received all;
  while (batch.Receive(socket)) {
    Datagram datagram;
    while (batch.Next(datagram)) all.emplace_back(datagram.bytes.begin(), datagram.bytes.end());
  }
  return all;
}

class UdpOutboxTest : public ::testing::Test {
 protected:
  UdpOutbox outbox_;
  ReceiveBatch batch_;
};

TEST_F(UdpOutboxTest, WaitsUntilItIsFlushed) {
  UdpSocket from = Open(), to = Open();
  UdpOutbox::Lane lane(from);
  const auto payload = Payload(1, 100);
  EXPECT_TRUE(outbox_.is_empty());
  EXPECT_TRUE(outbox_.Add(lane, to.local_address(), {}, payload));
  EXPECT_FALSE(outbox_.is_empty());
  EXPECT_TRUE(TakeAll(batch_, to).empty());
  outbox_.Flush();
  EXPECT_TRUE(outbox_.is_empty());
  EXPECT_EQ(TakeAll(batch_, to), Received{payload});
  EXPECT_EQ(from.counters().sent_datagrams, 1u);
}

TEST_F(UdpOutboxTest, TheHeadGoesInFront) {
  UdpSocket from = Open(), to = Open();
  UdpOutbox::Lane lane(from);
  const auto head = Payload(7, 6), payload = Payload(8, 50);
  EXPECT_TRUE(outbox_.Add(lane, to.local_address(), head, payload));
  outbox_.Flush();
  auto whole = head;
  whole.insert(whole.end(), payload.begin(), payload.end());
  EXPECT_EQ(TakeAll(batch_, to), Received{whole});
}

// Sizes that make trains, end them, and cannot be in any; empty ones; several peers and sockets in between.
TEST_F(UdpOutboxTest, BoundariesAndOrderAreKept) {
  UdpSocket from[] = {Open(), Open(), Open()};
  UdpSocket to[] = {Open(), Open()};
  UdpOutbox::Lane lanes[] = {UdpOutbox::Lane(from[0]), UdpOutbox::Lane(from[1]), UdpOutbox::Lane(from[2])};
  SeededRandom random(3);
  std::map<size_t, Received> expected;  // by receiver, of the socket 0 only
  size_t sent = 0;
  for (uint32_t i = 0; i < 1500; ++i) {
    const size_t sizes[] = {0, 1, 100, 100, 100, 1200, 1200, 1200, 1200, 700, 1472};
    const size_t size = sizes[random.NextInRange(0, std::size(sizes) - 1)];
    const size_t receiver = random.NextInRange(0, 9) == 0 ? 1 : 0;
    const size_t sender = i % 7 == 0 ? random.NextInRange(1, 2) : 0;
    const auto payload = Payload(i, size);
    ASSERT_TRUE(outbox_.Add(lanes[sender], to[receiver].local_address(), {}, payload));
    if (sender == 0) {
      expected[receiver].push_back(payload);
      ++sent;
    }
  }
  outbox_.Flush();
  EXPECT_EQ(from[0].counters().sent_datagrams, sent);
  EXPECT_EQ(from[0].counters().send_errors(), 0u);
  for (size_t receiver = 0; receiver < 2; ++receiver) {
    Received got;
    while (batch_.Receive(to[receiver])) {
      Datagram datagram;
      while (batch_.Next(datagram)) {
        if (datagram.peer == from[0].local_address()) got.emplace_back(datagram.bytes.begin(), datagram.bytes.end());
      }
    }
    EXPECT_EQ(got, expected[receiver]);
  }
}

TEST_F(UdpOutboxTest, OfOneSizeTheyGoAsATrain) {
  UdpSocket from = Open(), to = Open();
  if (!from.granted().gso) GTEST_SKIP() << "the kernel has no GSO";
  UdpOutbox::Lane lane(from);
  for (uint32_t i = 0; i < 50; ++i) ASSERT_TRUE(outbox_.Add(lane, to.local_address(), {}, Payload(i, 1200)));
  outbox_.Flush();
  EXPECT_EQ(from.counters().sent_datagrams, 50u);
  EXPECT_EQ(from.counters().sent_trains, 1u);
  EXPECT_EQ(TakeAll(batch_, to).size(), 50u);
}

TEST_F(UdpOutboxTest, TheLargestGoesAndALargerDoesNot) {
  UdpSocket from = *UdpSocket::Bind({.bind = {IpAddress::LoopbackV4(), 0}, .fragments = true});
  UdpSocket to = Open();
  UdpOutbox::Lane lane(from);
  const auto largest = Payload(1, UdpOutbox::kMaxPayload);
  EXPECT_TRUE(outbox_.Add(lane, to.local_address(), {}, largest));
  EXPECT_FALSE(outbox_.Add(lane, to.local_address(), {}, Payload(2, UdpOutbox::kMaxPayload + 1)));
  EXPECT_FALSE(outbox_.Add(lane, to.local_address(), Payload(3, 10), Payload(4, UdpOutbox::kMaxPayload - 9)));
  outbox_.Flush();
  EXPECT_EQ(TakeAll(batch_, to), Received{largest});
}

// More than it has room for: what waited goes first, and nothing is lost here.
TEST_F(UdpOutboxTest, AFullOneSendsOnItsOwn) {
  UdpSocket from = Open(), to = Open();
  UdpOutbox::Lane lane(from);
  constexpr size_t kCount = UdpOutbox::kMaxDatagrams + 10;
  size_t got = 0;
  for (uint32_t i = 0; i < kCount; ++i) {
    ASSERT_TRUE(outbox_.Add(lane, to.local_address(), {}, Payload(i, 20)));
  }
  EXPECT_EQ(from.counters().sent_datagrams, UdpOutbox::kMaxDatagrams);
  got += TakeAll(batch_, to).size();
  outbox_.Flush();
  got += TakeAll(batch_, to).size();
  EXPECT_EQ(got + to.counters().kernel_drops, kCount);
}

// A refusal is of one datagram, not of those behind it.
TEST_F(UdpOutboxTest, WhatTheKernelRefusesIsCountedAndTheRestGoes) {
  UdpSocket from = Open(), to = Open();
  UdpOutbox::Lane lane(from);
  const SocketAddress nowhere{IpAddress::V4({0, 0, 0, 0}), 0};  // port 0: EINVAL
  ASSERT_TRUE(outbox_.Add(lane, to.local_address(), {}, Payload(1, 10)));
  ASSERT_TRUE(outbox_.Add(lane, nowhere, {}, Payload(2, 10)));
  ASSERT_TRUE(outbox_.Add(lane, to.local_address(), {}, Payload(3, 10)));
  outbox_.Flush();
  EXPECT_EQ(TakeAll(batch_, to), (Received{Payload(1, 10), Payload(3, 10)}));
  EXPECT_EQ(from.counters().send_errors(), 1u);
}

TEST_F(UdpOutboxTest, ASocketCanGoOnceItsLaneIsFlushed) {
  UdpSocket to = Open();
  UdpSocket stays = Open();
  UdpOutbox::Lane staying(stays);
  {
    UdpSocket goes = Open();
    UdpOutbox::Lane lane(goes);
    ASSERT_TRUE(outbox_.Add(staying, to.local_address(), {}, Payload(1, 10)));
    ASSERT_TRUE(outbox_.Add(lane, to.local_address(), {}, Payload(2, 10)));
    outbox_.Flush(lane);
  }
  EXPECT_EQ(TakeAll(batch_, to), Received{Payload(2, 10)});
  outbox_.Flush();
  EXPECT_EQ(TakeAll(batch_, to), Received{Payload(1, 10)});
}

}  // namespace
}  // namespace culvert::io
