#include "core/io/udp_socket.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <set>

#include "core/io/datagram_batch.h"
#include "core/io/socket_status.h"

namespace culvert::io {
namespace {

UdpSocketOptions Loopback(uint16_t port = 0) { return {.bind = {IpAddress::LoopbackV4(), port}}; }

TEST(UdpSocket, DefaultIsClosed) {
  UdpSocket socket;
  EXPECT_FALSE(socket.is_open());
}

TEST(UdpSocket, BindsAPortOfTheSystemsChoice) {
  auto socket = UdpSocket::Bind(Loopback());
  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_EQ(socket->local_address().ip, IpAddress::LoopbackV4());
  EXPECT_NE(socket->local_address().port, 0);
  EXPECT_GT(socket->granted().receive_buffer_bytes, 0u);
  EXPECT_FALSE(socket->is_v6());
}

TEST(UdpSocket, APortInUseIsAnErrorEvenForAGroup) {
  auto holder = UdpSocket::BindGroup(Loopback(), 2);  // shares its port with whoever else shares
  ASSERT_TRUE(holder.ok()) << holder.status();
  const uint16_t port = holder->front().local_address().port;
  for (const size_t count : {1, 2}) {
    const auto second = UdpSocket::BindGroup(Loopback(port), count);
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(ReasonOf(second.status()), "ADDRESS_IN_USE");
    EXPECT_NE(std::string(second.status().message()).find("bind 127.0.0.1:" + std::to_string(port)), std::string::npos);
  }
}

TEST(UdpSocket, AGroupSharesOnePortAndSpreadsPeers) {
  auto group = UdpSocket::BindGroup(Loopback(), 2);
  ASSERT_TRUE(group.ok()) << group.status();
  ASSERT_EQ(group->size(), 2u);
  EXPECT_EQ((*group)[0].local_address(), (*group)[1].local_address());
  // 64 peers: all on one of two sockets happens once in 2^63.
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons((*group)[0].local_address().port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (int i = 0; i < 64; ++i) {
    auto peer = UdpSocket::Bind(Loopback());
    ASSERT_TRUE(peer.ok());
    ASSERT_EQ(sendto(peer->fd(), "x", 1, 0, reinterpret_cast<sockaddr*>(&to), sizeof to), 1);
  }
  for (UdpSocket& member : *group) {
    char byte;
    EXPECT_EQ(recv(member.fd(), &byte, 1, MSG_DONTWAIT), 1);
  }
}

TEST(UdpSocket, ASingleSocketDoesNotShareItsPort) {
  auto group = UdpSocket::BindGroup(Loopback(), 1);
  ASSERT_TRUE(group.ok());
  EXPECT_EQ(GetOption(group->front().fd(), SOL_SOCKET, SO_REUSEPORT), 0);
}

TEST(UdpSocket, ADuplicateKeepsThePortWhenTheFirstCloses) {
  auto socket = UdpSocket::Bind(Loopback());
  ASSERT_TRUE(socket.ok());
  auto copy = socket->Duplicate();
  ASSERT_TRUE(copy.ok());
  const SocketAddress local = socket->local_address();
  socket->Close();
  EXPECT_EQ(copy->local_address(), local);
  EXPECT_EQ(ReasonOf(UdpSocket::Bind(Loopback(local.port)).status()), "ADDRESS_IN_USE");
  copy->Close();
  EXPECT_TRUE(UdpSocket::Bind(Loopback(local.port)).ok());
}

TEST(UdpSocket, TheIpv6WildcardTakesIpv4AsWell) {
  auto socket = UdpSocket::Bind({.bind = {IpAddress::AnyV6(), 0}});
  if (!socket.ok()) GTEST_SKIP() << "no IPv6 here: " << socket.status();
  EXPECT_TRUE(socket->is_v6());
  EXPECT_EQ(ReasonOf(UdpSocket::Bind({.bind = {IpAddress::AnyV4(), socket->local_address().port}}).status()),
            "ADDRESS_IN_USE");
}

TEST(UdpSocket, AForeignAddressIsNotAvailable) {
  const auto socket = UdpSocket::Bind({.bind = {IpAddress::V4({192, 0, 2, 1}), 0}});
  EXPECT_EQ(ReasonOf(socket.status()), "ADDRESS_NOT_AVAILABLE");
}

TEST(UdpSocket, AnUnknownInterfaceIsNamed) {
  const auto socket = UdpSocket::Bind({.bind = {IpAddress::AnyV4(), 0}, .socket = {.interface = "nosuch0"}});
  ASSERT_FALSE(socket.ok());
  EXPECT_NE(std::string(socket.status().message()).find("nosuch0"), std::string::npos);
}

TEST(UdpSocket, SetsDscpAndForbidsFragmentation) {
  auto options = Loopback();
  options.socket.dscp = 46;
  auto socket = UdpSocket::Bind(options);
  ASSERT_TRUE(socket.ok());
  EXPECT_EQ(GetOption(socket->fd(), IPPROTO_IP, IP_TOS), 46 << 2);
  EXPECT_EQ(GetOption(socket->fd(), IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_PROBE);
}

TEST(UdpSocket, GrantsTheBufferThatWasAskedFor) {
  auto options = Loopback();
  options.socket.receive_buffer_bytes = 128 << 10;
  options.socket.send_buffer_bytes = 96 << 10;
  auto socket = UdpSocket::Bind(options);
  ASSERT_TRUE(socket.ok());
  EXPECT_EQ(socket->granted().receive_buffer_bytes, 128u << 10);
  EXPECT_EQ(socket->granted().send_buffer_bytes, 96u << 10);
}

TEST(UdpSocket, ADatagramWithoutPayloadIsOne) {
  auto from = UdpSocket::Bind(Loopback()), to = UdpSocket::Bind(Loopback());
  ASSERT_TRUE(from.ok() && to.ok());
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(to->local_address().port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (const size_t size : {1, 0, 0, 2}) {
    ASSERT_EQ(sendto(from->fd(), "xy", size, 0, reinterpret_cast<sockaddr*>(&address), sizeof address), static_cast<ssize_t>(size));
  }
  ReceiveBatch batch;
  std::vector<size_t> sizes;
  while (batch.Receive(*to)) {
    Datagram datagram;
    while (batch.Next(datagram)) {
      EXPECT_EQ(datagram.peer, from->local_address());
      sizes.push_back(datagram.bytes.size());
    }
  }
  EXPECT_EQ(sizes, (std::vector<size_t>{1, 0, 0, 2}));
}

// Where each was addressed to, of both families: all of 127.0.0.0/8 is here.
TEST(UdpSocket, TellsTheOriginalDestination) {
  for (const bool is_v6 : {false, true}) {
    SCOPED_TRACE(is_v6);
    auto to = UdpSocket::Bind({.bind = {is_v6 ? IpAddress::AnyV6() : IpAddress::AnyV4(), 0}, .original_destination = true});
    if (!to.ok()) GTEST_SKIP() << "SKIPPED: transparent sockets are not permitted here: " << to.status();
    auto from = UdpSocket::Bind(Loopback());
    ASSERT_TRUE(from.ok());
    const uint16_t port = to->local_address().port;
    for (uint8_t last = 1; last <= 3; ++last) {
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(port);
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 0x010200 + last);
      ASSERT_EQ(sendto(from->fd(), &last, 1, 0, reinterpret_cast<sockaddr*>(&address), sizeof address), 1);
    }
    ReceiveBatch batch;
    uint8_t count = 0;
    while (batch.Receive(*to)) {
      Datagram datagram;
      while (batch.Next(datagram)) {
        ++count;
        const uint8_t last = static_cast<uint8_t>(datagram.bytes[0] + 1);
        EXPECT_EQ(datagram.original_destination, (SocketAddress{IpAddress::V4({127, 1, 2, last}), port}));
      }
    }
    EXPECT_EQ(count, 3);
  }
}

}  // namespace
}  // namespace culvert::io
