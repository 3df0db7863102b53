#include "core/io/udp_socket.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <set>

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

}  // namespace
}  // namespace culvert::io
