// Streams that name their destination, through real workers: StreamOpen between two ends of a tunnel, SOCKS5 and HTTP CONNECT in front.
#include "core/frontdoor/datagram_address.h"
#include "core/frontdoor/socks5_udp.h"
#include "core/frontdoor/stream_header.h"
#include "tests/testing/udp_peer.h"
#include "tests/unit/server_data/worker_fixture.h"

namespace culvert::server {
namespace {

using culvert::testing::UdpPeer;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Bytes = std::vector<uint8_t>;

std::shared_ptr<const egress::DestinationPolicy> Policy(const std::vector<std::string>& entries) {
  auto policy = egress::DestinationPolicy::Create(entries);
  EXPECT_TRUE(policy.ok()) << policy.status();
  return *policy;
}

class WorkerAddressed : public WorkerFixture {
 protected:
  uint64_t Refused(const std::string& forward, Refusal refusal) {
    return ForwardCounters(forward).refused[static_cast<size_t>(refusal)];
  }
  // A SOCKS5 request by address, without authentication; the reply code, or -1.
  static int SocksConnect(Stream& stream, const SocketAddress& to, uint8_t command = 1) {
    EXPECT_TRUE(stream.Write(ByteView(Bytes{5, 1, 0})).ok());
    Bytes method(2);
    if (!stream.ReadExactly(method).ok() || method != Bytes{5, 0}) return -1;
    Bytes request = {5, command, 0};
    Bytes address(frontdoor::kMaxDatagramAddressBytes);
    address.resize(frontdoor::WriteDatagramAddress({.address = to}, address));
    request.insert(request.end(), address.begin(), address.end());
    EXPECT_TRUE(stream.Write(ByteView(request)).ok());
    Bytes reply(10);
    if (!stream.ReadExactly(reply).ok()) return -1;
    bound_ = {IpAddress::V4({reply[4], reply[5], reply[6], reply[7]}), LoadBigEndian16(reply.data() + 8)};
    return reply[1];
  }
  static inline SocketAddress bound_;
};

class WorkerAddressedBothWays : public WorkerAddressed, public ::testing::WithParamInterface<bool> {};

TEST_P(WorkerAddressedBothWays, ARawListenersForwardNamesTheDestination) {
  StartWorkers(2);
  auto server = Server::Start({local_, 0}, Echo);
  ASSERT_TRUE(server.ok());
  const SocketAddress in = AddTcpListener("in");
  AddAddressedPair(GetParam(), (*server)->address());
  AddForward("near", "in", "far");
  Apply();
  auto stream = Stream::Connect(in);
  ASSERT_TRUE(stream.ok());
  ASSERT_TRUE(stream->Transfer(300'000, 5, 300'000, 5).ok());
  const auto streams = Streams();
  ASSERT_EQ(streams.size(), 2u);  // of both ends, which are in one process here
  for (const StreamSnapshot& one : streams) {
    EXPECT_TRUE(one.is_open);
    EXPECT_NE(one.source, "");
    EXPECT_NE(one.far_session_id, "");
    // The half that the tunnel carries accounts for what limits it, the TCP half does not.
    const bool is_near = one.forward == "near";
    EXPECT_EQ(one.time_in_limit.has_value(), !is_near);
    EXPECT_EQ(one.far_time_in_limit.has_value(), is_near);
    const auto& time = is_near ? one.far_time_in_limit : one.time_in_limit;
    if (time) {
      EXPECT_GT(time->Sum(), Duration::zero());
    }
  }
}

TEST_P(WorkerAddressedBothWays, ADeniedDestinationIsToldToTheNearSide) {
  StartWorkers(1);
  auto server = Server::Start({local_, 0}, Echo);
  ASSERT_TRUE(server.ok());
  const SocketAddress in = AddTcpListener("in");
  AddAddressedPair(GetParam(), {local_, 9});
  AddForward("near", "in", "far");
  Forward("near").destination = {"127.0.0.1", (*server)->port()};
  Forward("out").allowed = Policy({"*:*"});  // which is not loopback
  Apply();
  auto stream = Stream::Connect(in);
  EXPECT_TRUE(EndsWithoutData(stream));
  EXPECT_TRUE(Eventually([&] { return Refused("near", Refusal::kDestinationDenied) == 1 && Refused("out", Refusal::kDestinationDenied) == 1; }));
  EXPECT_EQ((*server)->accepted(), 0u);
  bool is_told = false;
  for (const WorkerEvent& event : Events()) {
    is_told |= event.reason == "StreamRefused" && event.subject == "forward/near" && event.message.find("DESTINATION_DENIED") != std::string::npos;
  }
  EXPECT_TRUE(is_told);
}

TEST_P(WorkerAddressedBothWays, AllowedByAnEntryOfItsRange) {
  StartWorkers(1);
  auto server = Server::Start({local_, 0}, Echo);
  ASSERT_TRUE(server.ok());
  const SocketAddress in = AddTcpListener("in");
  AddAddressedPair(GetParam(), {local_, 9});
  AddForward("near", "in", "far");
  Forward("near").destination = {"127.0.0.1", (*server)->port()};
  Forward("out").allowed = Policy({"127.0.0.0/8:*"});
  Apply();
  auto stream = Stream::Connect(in);
  ASSERT_TRUE(stream.ok());
  ASSERT_TRUE(stream->Transfer(10'000, 1, 10'000, 1).ok());
}

INSTANTIATE_TEST_SUITE_P(KcpAndQuic, WorkerAddressedBothWays, ::testing::Bool());

TEST_F(WorkerAddressed, ANameIsJudgedByItsAddresses) {
  StartWorkers(1);
  auto server = Server::Start({local_, 0}, Echo);
  ASSERT_TRUE(server.ok());
  const SocketAddress in = AddTcpListener("in");
  AddAddressedPair(/*over_quic=*/true, {local_, 9});
  AddForward("near", "in", "far");
  Forward("near").destination = {"localhost", (*server)->port()};
  Forward("out").allowed = Policy({"localhost:*", "*:*"});
  Apply();
  auto stream = Stream::Connect(in);
  EXPECT_TRUE(EndsWithoutData(stream));
  EXPECT_TRUE(Eventually([&] { return Refused("near", Refusal::kDestinationDenied) == 1; }));
  EXPECT_EQ((*server)->accepted(), 0u);
}

TEST_F(WorkerAddressed, RefusedByTheBackend) {
  StartWorkers(1);
  const SocketAddress in = AddTcpListener("in");
  uint16_t closed_port = 0;
  {
    auto server = Server::Start({local_, 0}, Echo);
    ASSERT_TRUE(server.ok());
    closed_port = (*server)->port();
  }
  AddAddressedPair(/*over_quic=*/true, {local_, closed_port});
  AddForward("near", "in", "far");
  Apply();
  auto stream = Stream::Connect(in);
  EXPECT_TRUE(EndsWithoutData(stream));
  EXPECT_TRUE(Eventually([&] { return Refused("near", Refusal::kConnectRefused) == 1 && Refused("out", Refusal::kConnectRefused) == 1; }));
}

TEST_F(WorkerAddressed, ARawFarSideIsAMismatch) {
  StartWorkers(1);
  // It reads as well: closing with bytes unread would reset the connection, and with it what was written.
  auto server = Server::Start({local_, 0}, [](Stream& stream) {
    static_cast<void>(stream.Write("220 hello there, who are you\r\n"));
    static_cast<void>(stream.ReadToEnd());
  });
  ASSERT_TRUE(server.ok());
  const SocketAddress in = AddTcpListener("in");
  AddAddressedPair(/*over_quic=*/true, (*server)->address());
  Listener("tunnel").is_addressed = false;
  AddForward("near", "in", "far");
  Apply();
  auto stream = Stream::Connect(in);
  EXPECT_TRUE(EndsWithoutData(stream));
  EXPECT_TRUE(Eventually([&] { return Refused("near", Refusal::kHeaderMismatch) == 1; }));
}

TEST_F(WorkerAddressed, ARawNearSideIsMalformed) {
  StartWorkers(1);
  const SocketAddress in = AddTcpListener("in");
  AddAddressedPair(/*over_quic=*/true, {local_, 9});
  Dialer("far").is_addressed = false;
  AddForward("near", "in", "far");
  Apply();
  auto stream = Stream::Connect(in);
  ASSERT_TRUE(stream.ok());
  ASSERT_TRUE(stream->Write("GET / HTTP/1.1\r\n\r\n").ok());
  EXPECT_TRUE(Eventually([&] { return Refused("out", Refusal::kMalformed) == 1; }));
}

// ---- SOCKS5 and HTTP CONNECT.

TEST_F(WorkerAddressed, SocksThroughATunnel) {
  StartWorkers(2);
  auto server = Server::Start({local_, 0}, Echo);
  ASSERT_TRUE(server.ok());
  const SocketAddress in = AddTcpListener("in");
  Listener("in").protocol = ListenerProtocol::kSocks5;
  AddAddressedPair(/*over_quic=*/true, {local_, 9});
  AddForward("near", "in", "far");
  Forward("out").allowed = Policy({"127.0.0.1:" + std::to_string((*server)->port())});
  Apply();
  auto stream = Stream::Connect(in);
  ASSERT_TRUE(stream.ok());
  ASSERT_EQ(SocksConnect(*stream, (*server)->address()), 0);
  ASSERT_TRUE(stream->Transfer(100'000, 9, 100'000, 9).ok());

  auto denied = Stream::Connect(in);
  ASSERT_TRUE(denied.ok());
  EXPECT_EQ(SocksConnect(*denied, {IpAddress::V4({169, 254, 169, 254}), 80}), 2) << "not allowed by ruleset";
  EXPECT_EQ(Refused("near", Refusal::kDestinationDenied), 1u);
}

TEST_F(WorkerAddressed, SocksDirectly) {
  StartWorkers(1);
  auto server = Server::Start({local_, 0}, Echo);
  ASSERT_TRUE(server.ok());
  const SocketAddress in = AddTcpListener("in");
  Listener("in").protocol = ListenerProtocol::kSocks5;
  AddForward("near", "in", "");
  Forward("near").allowed = Policy({"127.0.0.0/8:*"});
  Apply();
  auto stream = Stream::Connect(in);
  ASSERT_TRUE(stream.ok());
  ASSERT_EQ(SocksConnect(*stream, (*server)->address()), 0);
  EXPECT_NE(bound_.port, 0);
  ASSERT_TRUE(stream->Transfer(100'000, 9, 100'000, 9).ok());
  auto bind = Stream::Connect(in);
  ASSERT_TRUE(bind.ok());
  EXPECT_EQ(SocksConnect(*bind, (*server)->address(), 2), 7) << "BIND";
}

TEST_F(WorkerAddressed, HttpConnect) {
  StartWorkers(1);
  auto server = Server::Start({local_, 0}, Echo);
  ASSERT_TRUE(server.ok());
  const SocketAddress in = AddTcpListener("in");
  Listener("in").protocol = ListenerProtocol::kHttpConnect;
  AddAddressedPair(/*over_quic=*/false, {local_, 9});
  AddForward("near", "in", "far");
  Forward("out").allowed = Policy({"127.0.0.1:" + std::to_string((*server)->port())});
  Apply();
  const std::string target = (*server)->address().ToString();
  auto stream = Stream::Connect(in);
  ASSERT_TRUE(stream.ok());
  ASSERT_TRUE(stream->Write("CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n\r\nhello").ok());
  const std::string expected = "HTTP/1.1 200 Connection established\r\n\r\nhello";
  const auto got = stream->ReadText(expected.size());
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(*got, expected);

  auto wrong = Stream::Connect(in);
  ASSERT_TRUE(wrong.ok());
  ASSERT_TRUE(wrong->Write("GET / HTTP/1.1\r\nHost: x\r\n\r\n").ok());
  const auto refusal = wrong->ReadText(12);
  ASSERT_TRUE(refusal.ok());
  EXPECT_EQ(*refusal, "HTTP/1.1 405");
}

TEST_F(WorkerAddressed, SocksUdpAssociate) {
  for (const bool through_tunnel : {false, true}) {
    SCOPED_TRACE(through_tunnel);
    StartWorkers(1);
    const SocketAddress in = AddTcpListener("in");
    Listener("in").protocol = ListenerProtocol::kSocks5;
    if (through_tunnel) {
      AddAddressedPair(/*over_quic=*/true, {local_, 9});
      AddForward("near", "in", "far");
      Forward("out").allowed = Policy({"127.0.0.0/8:*"});
    } else {
      AddForward("near", "in", "");
      Forward("near").allowed = Policy({"127.0.0.0/8:*"});
    }
    Apply();
    auto control = Stream::Connect(in);
    ASSERT_TRUE(control.ok());
    ASSERT_EQ(SocksConnect(*control, {IpAddress::AnyV4(), 0}, 3), 0);
    const SocketAddress relay = bound_;
    ASSERT_NE(relay.port, 0);

    UdpPeer client;
    UdpPeer one;
    UdpPeer other;
    const auto send = [&](const SocketAddress& to, const Bytes& payload) {
      Bytes datagram(frontdoor::kMaxSocks5DatagramHeaderBytes);
      datagram.resize(frontdoor::WriteSocks5DatagramHeader({.address = to}, datagram));
      datagram.insert(datagram.end(), payload.begin(), payload.end());
      return client.SendTo(relay, datagram);
    };
    ASSERT_TRUE(send(one.address(), {1}));
    const auto at_one = one.Receive();
    ASSERT_TRUE(at_one);
    ASSERT_TRUE(send(other.address(), {2}));
    const auto at_other = other.Receive();
    ASSERT_TRUE(at_other);
    EXPECT_EQ(at_one->from.port, at_other->from.port) << "one socket for all destinations";
    ASSERT_TRUE(other.SendTo({IpAddress::LoopbackV4(), at_other->from.port}, Bytes{7, 7}));
    const auto back = client.Receive();
    ASSERT_TRUE(back);
    frontdoor::Socks5Datagram datagram;
    ASSERT_EQ(frontdoor::ParseSocks5Datagram(back->bytes, datagram), frontdoor::Socks5DatagramKind::kWhole);
    EXPECT_EQ(datagram.destination.address, other.address());
    EXPECT_EQ(datagram.payload.size(), 2u);

    // Not from who asked for it.
    UdpPeer stranger(IpAddress::V4({127, 0, 0, 2}));
    Bytes forged(frontdoor::kMaxSocks5DatagramHeaderBytes);
    forged.resize(frontdoor::WriteSocks5DatagramHeader({.address = one.address()}, forged));
    ASSERT_TRUE(stranger.SendTo(relay, forged));
    EXPECT_FALSE(one.Receive(milliseconds(100)));
    // Metadata is not reached.
    ASSERT_TRUE(send({IpAddress::V4({169, 254, 169, 254}), 80}, {1}));
    const std::string judge = through_tunnel ? "out" : "near";
    EXPECT_TRUE(Eventually([&] { return ForwardCounters(judge).udp_dropped[static_cast<size_t>(UdpDrop::kDenied)] == 1; }));

    // With the connection the association ends.
    control->Reset();
    EXPECT_TRUE(Eventually([&] { return UdpFlows().empty(); }));
    TearDown();
    for (const char* name : {"in", "near"}) Remove(name);
    if (through_tunnel) {
      for (const char* name : {"far", "tunnel", "out"}) Remove(name);
    }
  }
}

// An association has no flows at first, and none after a while; it stays as long as its connection does.
TEST_F(WorkerAddressed, AnAssociationOutlivesItsFlows) {
  StartWorkers(1);
  const SocketAddress in = AddTcpListener("in");
  Listener("in").protocol = ListenerProtocol::kSocks5;
  AddForward("near", "in", "");
  Forward("near").allowed = Policy({"127.0.0.0/8:*"});
  Forward("near").udp.idle_timeout = milliseconds(30);
  Apply();
  auto control = Stream::Connect(in);
  ASSERT_TRUE(control.ok());
  ASSERT_EQ(SocksConnect(*control, {IpAddress::AnyV4(), 0}, 3), 0);
  UdpPeer client, server;
  for (uint8_t round = 0; round < 2; ++round) {
    Bytes datagram(frontdoor::kMaxSocks5DatagramHeaderBytes);
    datagram.resize(frontdoor::WriteSocks5DatagramHeader({.address = server.address()}, datagram));
    datagram.push_back(round);
    ASSERT_TRUE(client.SendTo(bound_, datagram));
    const auto got = server.Receive();
    ASSERT_TRUE(got);
    EXPECT_EQ(got->bytes, Bytes{round});
    EXPECT_TRUE(Eventually([&] { return UdpFlows().empty(); })) << "nothing else happens, and it ends all the same";
  }
  EXPECT_EQ(ForwardCounters("near").udp_flows_opened, 2u);
}

// A dialer of UDP has one destination. What a client names it must not reach past the policy.
TEST_F(WorkerAddressed, AUdpDialerTakesNobodysDestination) {
  StartWorkers(1);
  UdpPeer server;
  const SocketAddress in = AddTcpListener("in");
  Listener("in").protocol = ListenerProtocol::kSocks5;
  AddUdpDialer("udp", server.address());
  AddForward("near", "in", "udp");
  Apply();
  auto control = Stream::Connect(in);
  ASSERT_TRUE(control.ok());
  EXPECT_EQ(SocksConnect(*control, {IpAddress::AnyV4(), 0}, 3), 7) << "not supported";
  EXPECT_EQ(Refused("near", Refusal::kNotSupported), 1u);
}

// What was allowed and is not any more ends.
TEST_F(WorkerAddressed, FlowsEndWithTheirPermission) {
  StartWorkers(1);
  UdpPeer server;
  const SocketAddress in = AddUdpListener("in");
  AddAddressedPair(/*over_quic=*/true, {local_, 9});
  AddForward("near", "in", "far");
  Forward("near").destination = {"127.0.0.1", server.address().port};
  Forward("out").allowed = Policy({"127.0.0.0/8:*"});
  Apply();
  UdpPeer client;
  ASSERT_TRUE(client.SendTo(in, Bytes{1}));
  ASSERT_TRUE(server.Receive());
  Forward("out").allowed = Policy({"127.0.0.0/8:*"});  // the same, made anew: another field changed
  Apply();
  EXPECT_EQ(ForwardCounters("out").udp_flows, 1u);
  Forward("out").allowed = Policy({"198.51.100.0/24:*"});
  Apply();
  EXPECT_TRUE(Eventually([&] { return UdpFlows().empty(); }));
  ASSERT_TRUE(client.SendTo(in, Bytes{2}));
  EXPECT_FALSE(server.Receive(milliseconds(100)));
}

TEST_F(WorkerAddressed, ASlowDoorIsShutAndASilentClientIsNobodysFault) {
  StartWorkers(1);
  const SocketAddress in = AddTcpListener("in");
  Listener("in").protocol = ListenerProtocol::kSocks5;
  AddForward("near", "in", "");
  Forward("near").allowed = Policy({"127.0.0.0/8:*"});
  Apply();
  {
    auto gone = Stream::Connect(in);
    ASSERT_TRUE(gone.ok());
    ASSERT_TRUE(gone->Write(ByteView(Bytes{5})).ok());
  }
  EXPECT_TRUE(Eventually([&] { return ForwardCounters("near").failed == 1; }));
  auto socks4 = Stream::Connect(in);
  ASSERT_TRUE(socks4.ok());
  ASSERT_TRUE(socks4->Write(ByteView(Bytes{4, 1, 0, 80, 127, 0, 0, 1, 0})).ok());
  Bytes answer(2);
  ASSERT_TRUE(socks4->ReadExactly(answer).ok());
  EXPECT_EQ(answer, (Bytes{0, 0x5b}));
  EXPECT_TRUE(Eventually([&] { return Refused("near", Refusal::kMalformed) == 1; }));
}

TEST_F(WorkerAddressed, TheBackendLearnsTheClientsAddress) {
  StartWorkers(1);
  std::string head;
  std::mutex mutex;
  auto server = Server::Start({local_, 0}, [&](Stream& stream) {
    const auto got = stream.ReadText(28 + 5);
    const std::lock_guard lock(mutex);
    if (got.ok()) head = *got;
  });
  ASSERT_TRUE(server.ok());
  const SocketAddress in = AddTcpListener("in");
  AddDirectForward("near", "in", (*server)->address());
  Forward("near").proxy_protocol = true;
  Apply();
  auto stream = Stream::Connect(in);
  ASSERT_TRUE(stream.ok());
  ASSERT_TRUE(stream->Write("hello").ok());
  EXPECT_TRUE(Eventually([&] {
    const std::lock_guard lock(mutex);
    return !head.empty();
  }));
  const std::lock_guard lock(mutex);
  ASSERT_EQ(head.size(), 33u);
  EXPECT_EQ(head.substr(0, 12), std::string("\r\n\r\n\0\r\nQUIT\n", 12));
  EXPECT_EQ(static_cast<uint8_t>(head[12]), 0x21);
  EXPECT_EQ(static_cast<uint8_t>(head[13]), 0x11);
  EXPECT_EQ(head.substr(16, 4), std::string("\x7f\0\0\x01", 4));
  EXPECT_EQ(head.substr(28), "hello");
}

}  // namespace
}  // namespace culvert::server
