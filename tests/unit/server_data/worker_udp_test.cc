// Datagrams through real workers: directly, and through tunnels.
#include <algorithm>
#include <future>
#include <thread>

#include "tests/testing/udp_peer.h"
#include "tests/unit/server_data/worker_fixture.h"

namespace culvert::server {
namespace {

using culvert::testing::UdpPeer;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Bytes = std::vector<uint8_t>;

// Sends every datagram back to who sent it, on a thread of its own.
class UdpEcho {
 public:
  UdpEcho() : thread_([this] { Run(); }) {}
  ~UdpEcho() {
    UdpPeer stopper;
    stopper.SendTo(peer_.address(), AsBytes("stop"));
    thread_.join();
  }
  [[nodiscard]] const SocketAddress& address() const { return peer_.address(); }
  [[nodiscard]] std::vector<SocketAddress> sources() {
    const std::lock_guard lock(mutex_);
    return sources_;
  }

 private:
  void Run() {
    for (;;) {
      const auto received = peer_.Receive(seconds(60));
      if (!received || AsText(received->bytes) == "stop") return;
      {
        const std::lock_guard lock(mutex_);
        if (std::find(sources_.begin(), sources_.end(), received->from) == sources_.end()) sources_.push_back(received->from);
      }
      peer_.SendTo(received->from, received->bytes);
    }
  }

  UdpPeer peer_;
  std::mutex mutex_;
  std::vector<SocketAddress> sources_;
  std::thread thread_;
};

Bytes Pattern(size_t size) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(i * 31 + size);
  return bytes;
}

class WorkerUdp : public WorkerFixture {
 protected:
  // Listener "in" → what `kind` says → the echo.
  enum class Kind { kDirect, kDialer, kQuic, kKcp };
  SocketAddress Build(Kind kind, const SocketAddress& destination) {
    const SocketAddress in = AddUdpListener("in");
    switch (kind) {
      case Kind::kDirect:
        AddDirectForward("near", "in", destination);
        break;
      case Kind::kDialer:
        AddUdpDialer("udp", destination);
        AddForward("near", "in", "udp");
        break;
      case Kind::kQuic:
      case Kind::kKcp:
        AddAddressedPair(kind == Kind::kQuic, destination);
        AddForward("near", "in", "far");
        break;
    }
    return in;
  }
  uint64_t Dropped(const std::string& forward, UdpDrop reason) {
    return ForwardCounters(forward).udp_dropped[static_cast<size_t>(reason)];
  }
};

class WorkerUdpWays : public WorkerUdp, public ::testing::WithParamInterface<int> {};

// T43: whatever its size, a datagram comes whole, by every way.
TEST_P(WorkerUdpWays, EverySizeComesWhole) {
  StartWorkers(2);
  UdpEcho echo;
  const SocketAddress in = Build(static_cast<Kind>(GetParam()), echo.address());
  Apply();
  UdpPeer client;
  for (const size_t size : {size_t{1}, size_t{0}, size_t{1}, size_t{1200}, size_t{1472}, size_t{2047}, size_t{2048}, size_t{2049}, size_t{9000},
                            size_t{65507}}) {
    const Bytes sent = Pattern(size);
    ASSERT_TRUE(client.SendTo(in, sent));
    const auto back = client.Receive();
    ASSERT_TRUE(back) << size;
    EXPECT_EQ(back->from, in);
    EXPECT_EQ(back->bytes, sent) << size;
  }
  EXPECT_EQ(echo.sources().size(), 1u) << "one port outside for all of them";
  const ObjectCounters counters = ForwardCounters("near");
  EXPECT_EQ(counters.udp_flows, 1u);
  EXPECT_EQ(counters.udp_flows_opened, 1u);
  EXPECT_EQ(counters.rx_bytes, counters.tx_bytes);
  const auto flows = UdpFlows();
  ASSERT_FALSE(flows.empty());
  EXPECT_EQ(flows[0].source, client.address().ToString());
}

TEST_P(WorkerUdpWays, ClientsAreApart) {
  StartWorkers(2);
  UdpEcho echo;
  const SocketAddress in = Build(static_cast<Kind>(GetParam()), echo.address());
  Apply();
  constexpr int kClients = 20;
  std::vector<std::unique_ptr<UdpPeer>> clients;
  for (int i = 0; i < kClients; ++i) clients.push_back(std::make_unique<UdpPeer>());
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < kClients; ++i) ASSERT_TRUE(clients[i]->SendTo(in, Pattern(static_cast<size_t>(100 + i + 50 * round))));
    for (int i = 0; i < kClients; ++i) {
      const auto back = clients[i]->Receive();
      ASSERT_TRUE(back) << "client " << i << " round " << round;
      EXPECT_EQ(back->bytes, Pattern(static_cast<size_t>(100 + i + 50 * round)));
    }
  }
  EXPECT_EQ(echo.sources().size(), static_cast<size_t>(kClients));
  EXPECT_EQ(ForwardCounters("near").active, static_cast<uint64_t>(kClients));
}

INSTANTIATE_TEST_SUITE_P(All, WorkerUdpWays, ::testing::Range(0, 4));

TEST_F(WorkerUdp, OnlyWhoWasSentToMayAnswer) {
  StartWorkers(1);
  UdpPeer server;
  const SocketAddress in = Build(Kind::kDirect, server.address());
  Apply();
  UdpPeer client;
  ASSERT_TRUE(client.SendTo(in, Pattern(10)));
  const auto received = server.Receive();
  ASSERT_TRUE(received);
  const SocketAddress outside{IpAddress::LoopbackV4(), received->from.port};
  UdpPeer stranger;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(stranger.SendTo(outside, Pattern(20)));
  ASSERT_TRUE(server.SendTo(outside, Pattern(30)));
  const auto back = client.Receive();
  ASSERT_TRUE(back);
  EXPECT_EQ(back->bytes.size(), 30u);
  EXPECT_EQ(Dropped("near", UdpDrop::kFiltered), 100u);
}

TEST_F(WorkerUdp, AnyoneMayAnswerWhereThatIsAskedFor) {
  StartWorkers(1);
  UdpPeer server;
  const SocketAddress in = Build(Kind::kDirect, server.address());
  Forward("near").udp.is_endpoint_independent = true;
  Apply();
  UdpPeer client;
  ASSERT_TRUE(client.SendTo(in, Pattern(10)));
  const auto received = server.Receive();
  ASSERT_TRUE(received);
  UdpPeer stranger;
  ASSERT_TRUE(stranger.SendTo({IpAddress::LoopbackV4(), received->from.port}, Pattern(20)));
  const auto back = client.Receive();
  ASSERT_TRUE(back);
  EXPECT_EQ(back->bytes.size(), 20u);
}

TEST_F(WorkerUdp, AnIdleFlowEndsAndTheNextDatagramOpensAnother) {
  StartWorkers(1);
  UdpEcho echo;
  const SocketAddress in = Build(Kind::kDirect, echo.address());
  Forward("near").udp.idle_timeout = milliseconds(200);
  Apply();
  UdpPeer client;
  ASSERT_TRUE(client.SendTo(in, Pattern(10)));
  ASSERT_TRUE(client.Receive());
  EXPECT_TRUE(Eventually([&] { return ForwardCounters("near").active == 0; }));
  EXPECT_EQ(ForwardCounters("near").udp_flows, 0u);
  ASSERT_TRUE(client.SendTo(in, Pattern(11)));
  ASSERT_TRUE(client.Receive());
  EXPECT_EQ(ForwardCounters("near").udp_flows_opened, 2u);
  const auto ended = Ended();
  ASSERT_GE(ended.size(), 1u);
  EXPECT_EQ(ended[0]->kind, EndedRecord::Kind::kUdpFlow);
  EXPECT_EQ(ended[0]->reason, kEndedIdle);
  EXPECT_EQ(ended[0]->rx_packets, 1u);
  EXPECT_EQ(ended[0]->tx_bytes, 10u);
  EXPECT_EQ(ended[0]->destination, echo.address().ToString());
}

TEST_F(WorkerUdp, ANameThatIsNone) {
  StartWorkers(1);
  const SocketAddress in = Build(Kind::kDirect, {IpAddress::LoopbackV4(), 9});
  Forward("near").destination = {"no.such.name.invalid", 9};
  Forward("near").udp.idle_timeout = milliseconds(300);
  Apply();
  UdpPeer client;
  ASSERT_TRUE(client.SendTo(in, Pattern(10)));
  EXPECT_TRUE(Eventually([&] { return Dropped("near", UdpDrop::kResolveFailed) == 1; }));
  // A client without a flow is forgotten all the same.
  EXPECT_TRUE(Eventually([&] { return ForwardCounters("near").active == 0; }));
}

TEST_F(WorkerUdp, APausedForwardTakesNothing) {
  StartWorkers(1);
  UdpEcho echo;
  const SocketAddress in = Build(Kind::kDirect, echo.address());
  Forward("near").paused = true;
  Apply();
  UdpPeer client;
  ASSERT_TRUE(client.SendTo(in, Pattern(10)));
  EXPECT_TRUE(Eventually([&] { return ListenerCounters("in").udp_dropped[static_cast<size_t>(UdpDrop::kNoForward)] == 1; }));
  EXPECT_FALSE(client.Receive(milliseconds(50)));
}

TEST_F(WorkerUdp, WhatWaitsForASessionIsBoundedAndTheOldestGo) {
  StartWorkers(1);
  // Nobody answers there: the datagrams wait.
  UdpPeer silent;
  const SocketAddress in = AddUdpListener("in");
  AddQuicDialer("far", silent.address());
  Dialer("far").is_addressed = true;
  AddForward("near", "in", "far");
  Forward("near").udp.queue_packets = 8;
  Apply();
  UdpPeer client;
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(client.SendTo(in, Pattern(10)));
  EXPECT_TRUE(Eventually([&] { return Dropped("near", UdpDrop::kQueueFull) == 12; }));
}

TEST_F(WorkerUdp, TheHubHoldsSoManyOfAllClients) {
  StartWorkers(1);
  UdpPeer silent;
  const SocketAddress in = AddUdpListener("in");
  Listener("in").hub.capacity = 10;
  AddQuicDialer("far", silent.address());
  Dialer("far").is_addressed = true;
  AddForward("near", "in", "far");
  Apply();
  std::vector<std::unique_ptr<UdpPeer>> clients;
  for (int i = 0; i < 15; ++i) {
    clients.push_back(std::make_unique<UdpPeer>());
    ASSERT_TRUE(clients.back()->SendTo(in, Pattern(10)));
  }
  EXPECT_TRUE(Eventually([&] { return Dropped("near", UdpDrop::kHubFull) == 5; }));
}

TEST_F(WorkerUdp, TheFarSideRefuses) {
  StartWorkers(1);
  const SocketAddress in = Build(Kind::kQuic, {IpAddress::LoopbackV4(), 9});
  Forward("near").destination = {"10.1.2.3", 80};  // not what the far side has, and it lets nobody name one
  Apply();
  UdpPeer client;
  ASSERT_TRUE(client.SendTo(in, Pattern(10)));
  EXPECT_TRUE(Eventually([&] {
    return ForwardCounters("near").refused[static_cast<size_t>(Refusal::kDestinationDenied)] == 1 &&
           ForwardCounters("out").refused[static_cast<size_t>(Refusal::kDestinationDenied)] == 1;
  }));
  bool is_told = false;
  for (const WorkerEvent& event : Events()) is_told |= event.reason == "FlowRefused" && event.subject == "forward/near";
  EXPECT_TRUE(is_told);
}

TEST_F(WorkerUdp, AFlowCanBeClosed) {
  StartWorkers(1);
  UdpEcho echo;
  const SocketAddress in = Build(Kind::kDirect, echo.address());
  Apply();
  UdpPeer client;
  ASSERT_TRUE(client.SendTo(in, Pattern(10)));
  ASSERT_TRUE(client.Receive());
  const auto flows = UdpFlows();
  ASSERT_EQ(flows.size(), 1u);
  std::promise<bool> found;
  ASSERT_TRUE(workers_[0]->CloseUdpFlow(flows[0].id, [&](bool one) { found.set_value(one); }));
  EXPECT_TRUE(found.get_future().get());
  EXPECT_TRUE(Eventually([&] { return UdpFlows().empty() && ForwardCounters("near").active == 0; }));
  ASSERT_EQ(Ended().size(), 1u);
  EXPECT_EQ(Ended()[0]->reason, kEndedHere);
  std::promise<bool> again;
  ASSERT_TRUE(workers_[0]->CloseUdpFlow(flows[0].id, [&](bool one) { again.set_value(one); }));
  EXPECT_FALSE(again.get_future().get());
}

// T40: one client and many destinations; v2ray took a descriptor for each.
TEST_F(WorkerUdp, V2raysWayGivesEachFlowASocketAndOursDoesNot) {
  StartWorkers(1);
  UdpEcho echo;
  const SocketAddress in = Build(Kind::kDirect, echo.address());
  Forward("near").udp.is_v2ray_compatible = true;
  Forward("near").udp.idle_timeout = Forward("near").udp.dns_idle_timeout = milliseconds(300);
  Apply();
  UdpPeer client;
  ASSERT_TRUE(client.SendTo(in, Pattern(10)));
  ASSERT_TRUE(client.Receive());
  // Only replies refresh: it is gone at the second look at the latest, although its client goes on sending to a silent server.
  EXPECT_TRUE(Eventually([&] { return ForwardCounters("near").udp_flows == 0; }));
  ASSERT_TRUE(client.SendTo(in, Pattern(10)));
  ASSERT_TRUE(client.Receive());
  EXPECT_EQ(echo.sources().size(), 2u) << "another port outside";
}

TEST_F(WorkerUdp, RemovingTheForwardEndsItsFlows) {
  StartWorkers(2);
  UdpEcho echo;
  const SocketAddress in = Build(Kind::kQuic, echo.address());
  Apply();
  UdpPeer client;
  ASSERT_TRUE(client.SendTo(in, Pattern(10)));
  ASSERT_TRUE(client.Receive());
  Remove("near");
  Apply();
  EXPECT_TRUE(Eventually([&] { return UdpFlows().empty(); }));
  ASSERT_TRUE(client.SendTo(in, Pattern(10)));
  EXPECT_FALSE(client.Receive(milliseconds(100)));
  Remove("in");
  Remove("tunnel");
  Remove("far");
  Remove("out");
  Apply();
}

}  // namespace
}  // namespace culvert::server
