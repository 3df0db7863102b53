// Steering with real sockets on loopback: every packet at the socket of its worker, from whatever port it comes.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <vector>

#include "core/io/udp_socket.h"

namespace culvert::io {
namespace {

constexpr size_t kWorkers = 3;
constexpr uint8_t kKey = 0xa7;
constexpr size_t kIdBytes = 12;
constexpr int kPeers = 40;

UdpSocketOptions Loopback() { return {.bind = {IpAddress::LoopbackV4(), 0}}; }

class UdpSteeringTest : public ::testing::TestWithParam<size_t> {
 protected:
  void SetUp() override {
    auto group = UdpSocket::BindGroup(Loopback(), kWorkers);
    ASSERT_TRUE(group.ok()) << group.status();
    group_ = *std::move(group);
    if (!group_.front().SteerByConnectionId(GetParam(), kKey)) GTEST_SKIP() << "the kernel does not permit steering here";
  }

  // A packet as its first bytes show it: the wrapper's header, flags, then the id.
  std::vector<uint8_t> Packet(bool has_long_header, uint8_t worker, uint8_t salt) const {
    std::vector<uint8_t> id(kIdBytes);
    for (size_t i = 0; i < id.size(); ++i) id[i] = static_cast<uint8_t>(salt * 31 + i * 7);
    id[11] = static_cast<uint8_t>(worker ^ id[3] ^ id[7] ^ kKey);
    std::vector<uint8_t> packet(GetParam(), 0xee);
    if (has_long_header) {
      packet.insert(packet.end(), {0xc3, 0, 0, 0, 1, static_cast<uint8_t>(kIdBytes)});
    } else {
      packet.push_back(0x43);
    }
    packet.insert(packet.end(), id.begin(), id.end());
    packet.push_back(worker);
    return packet;
  }

  // From a port of its own.
  void Send(const std::vector<uint8_t>& packet) {
    auto peer = UdpSocket::Bind(Loopback());
    ASSERT_TRUE(peer.ok());
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(group_.front().local_address().port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(sendto(peer->fd(), packet.data(), packet.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to),
              static_cast<ssize_t>(packet.size()));
  }

  // Every packet that waits at the socket of `worker`.
  std::vector<std::vector<uint8_t>> Received(size_t worker) {
    std::vector<std::vector<uint8_t>> packets;
    std::array<uint8_t, 2048> buffer;
    for (;;) {
      const ssize_t size = recv(group_[worker].fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (size < 0) return packets;
      packets.emplace_back(buffer.begin(), buffer.begin() + size);
    }
  }

  std::vector<UdpSocket> group_;
};

TEST_P(UdpSteeringTest, EveryPacketArrivesAtItsWorker) {
  for (int peer = 0; peer < kPeers; ++peer) {
    for (uint8_t worker = 0; worker < kWorkers; ++worker) {
      Send(Packet(peer % 2 == 0, worker, static_cast<uint8_t>(peer)));
    }
  }
  for (size_t worker = 0; worker < kWorkers; ++worker) {
    const auto packets = Received(worker);
    EXPECT_EQ(packets.size(), static_cast<size_t>(kPeers));
    for (const auto& packet : packets) EXPECT_EQ(packet.back(), worker);
  }
}

TEST_P(UdpSteeringTest, WhatNamesNoWorkerIsSpread) {
  std::vector<uint8_t> other_length = Packet(/*has_long_header=*/true, 0, 1);
  other_length[GetParam() + 5] = 8;
  const std::vector<uint8_t> foreign = Packet(/*has_long_header=*/false, 200, 1);
  const std::vector<uint8_t> cut(GetParam() + kIdBytes, 0x43);
  for (int peer = 0; peer < 64; ++peer) {
    Send(other_length);
    Send(foreign);
    Send(cut);
  }
  size_t sum = 0;
  for (size_t worker = 0; worker < kWorkers; ++worker) {
    const size_t count = Received(worker).size();
    EXPECT_GT(count, 0u) << "all of 192 peers elsewhere happens once in 10^33";
    sum += count;
  }
  EXPECT_EQ(sum, 3u * 64);
}

TEST_P(UdpSteeringTest, StopsWhenTold) {
  group_.front().StopSteering();
  for (int peer = 0; peer < 64; ++peer) Send(Packet(/*has_long_header=*/false, 1, 5));
  EXPECT_LT(Received(1).size(), 64u);
}

// Without a wrapper, and behind a disguise header.
INSTANTIATE_TEST_SUITE_P(Offsets, UdpSteeringTest, ::testing::Values(0, 13));

}  // namespace
}  // namespace culvert::io
