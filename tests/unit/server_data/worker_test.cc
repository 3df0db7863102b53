// Streams through whole workers: what arrives, what is counted, what is refused.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/unit/server_data/worker_fixture.h"

namespace culvert::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class WorkerTest : public WorkerFixture {
 protected:
  void SetUp() override { destination_ = *Server::Start({IpAddress::LoopbackV4(), 0}, Echo); }
  // The reset may come before connect() has looked.
  static bool IsRefused(const SocketAddress& address) {
    auto client = Stream::Connect(address);
    return !client.ok() || !client->ReadToEnd().ok();
  }
  std::unique_ptr<Server> destination_;
};

TEST_F(WorkerTest, DirectForwardCarriesBothWays) {
  StartWorkers(1);
  const SocketAddress in = AddTcpListener("in");
  AddDirectForward("direct", "in", destination_->address());
  Apply();
  auto client = Stream::Connect(in);
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_TRUE(client->Transfer(8 << 20, 1, 8 << 20, 1).ok());
}

TEST_F(WorkerTest, TunnelCarriesEightMebibytesEachWay) {
  StartWorkers(1);
  const SocketAddress in = AddTunnel(destination_->address());
  Apply();
  auto client = Stream::Connect(in);
  ASSERT_TRUE(client.ok()) << client.status();
  const absl::Status transferred = client->Transfer(8 << 20, 7, 8 << 20, 7);
  EXPECT_TRUE(transferred.ok()) << transferred;

  const ObjectCounters near = ForwardCounters("near");
  EXPECT_EQ(near.rx_bytes, 8u << 20);
  EXPECT_EQ(near.tx_bytes, 8u << 20);
  EXPECT_EQ(near.active, 1u);
  const ObjectCounters dialer = DialerCounters("far");
  EXPECT_EQ(dialer.tx_bytes, 8u << 20);
  EXPECT_GT(dialer.tx_datagrams, (8u << 20) / 1232);
  EXPECT_EQ(ListenerCounters("kcp").rx_bytes, 8u << 20);
}

TEST_F(WorkerTest, TwoWorkersShareTheWork) {
  StartWorkers(2);
  const SocketAddress in = AddTunnel(destination_->address());
  Apply();
  constexpr int kClients = 32;
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([&, i] {
      auto client = Stream::Connect(in);
      const uint64_t seed = static_cast<uint64_t>(i);
      if (client.ok() && client->Transfer(200'000, seed, 200'000, seed).ok()) ++good;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, kClients);
  int used = 0;
  for (WorkerReport& report : Report()) used += report.listeners["in"].opened > 0;
  EXPECT_EQ(used, 2);
  EXPECT_EQ(ListenerCounters("in").opened, static_cast<uint64_t>(kClients));
  EXPECT_EQ(ForwardCounters("near").opened, static_cast<uint64_t>(kClients));
}

TEST_F(WorkerTest, TheServerMaySpeakFirst) {
  StartWorkers(1);
  auto greeter = *Server::Start({IpAddress::LoopbackV4(), 0}, [](Stream& stream) {
    if (stream.Write("220 ready").ok()) static_cast<void>(stream.ReadToEnd());
  });
  const SocketAddress in = AddTunnel(greeter->address());
  Apply();
  auto client = Stream::Connect(in);
  ASSERT_TRUE(client.ok());
  EXPECT_EQ(*client->ReadText(9), "220 ready");
}

TEST_F(WorkerTest, SessionsAreListedAndTellWhoTheyAre) {
  StartWorkers(1);
  const SocketAddress in = AddTunnel(destination_->address());
  Apply();
  auto client = Stream::Connect(in);
  ASSERT_TRUE(client.ok());
  ASSERT_TRUE(client->Transfer(1000, 1, 1000, 1).ok());
  const auto sessions = Sessions();
  ASSERT_EQ(sessions.size(), 4u);  // TCP in, mKCP out, mKCP in, TCP out
  int seen = 0;
  for (const SessionSnapshot& session : sessions) {
    EXPECT_FALSE(session.id.empty());
    EXPECT_NE(session.remote.port, 0);
    EXPECT_NE(session.local.port, 0);
    EXPECT_GT(session.opened_at_unix_ns, 0);
    if (session.listener == "in") {
      ++seen;
      EXPECT_EQ(session.forward, "near");
      EXPECT_EQ(session.transport, Transport::kTcp);
      EXPECT_EQ(session.stats.rx_bytes, 1000u);
    } else if (session.dialer == "far") {
      ++seen;
      EXPECT_EQ(session.forward, "near");
      EXPECT_TRUE(session.stats.outgoing);
      EXPECT_TRUE(session.stats.validated);
      EXPECT_GT(session.stats.smoothed_rtt, Duration::zero());
    } else if (session.listener == "kcp") {
      ++seen;
      EXPECT_EQ(session.forward, "out");
      EXPECT_EQ(session.transport, Transport::kKcp);
    } else {
      ++seen;
      EXPECT_EQ(session.forward, "out");
      EXPECT_EQ(session.dialer, "");
    }
  }
  EXPECT_EQ(seen, 4);
}

TEST_F(WorkerTest, AListenerWithoutForwardRefuses) {
  StartWorkers(1);
  const SocketAddress in = AddTcpListener("in");
  Apply();
  EXPECT_TRUE(IsRefused(in));
  EXPECT_EQ(ListenerCounters("in").failed, 1u);
}

TEST_F(WorkerTest, PauseAndMaxSessionsRefuseNewStreamsOnly) {
  StartWorkers(1);
  const SocketAddress in = AddTcpListener("in");
  AddDirectForward("direct", "in", destination_->address());
  Listener("in").max_sessions = 1;
  Apply();
  auto first = Stream::Connect(in);
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(first->Transfer(100, 1, 100, 1).ok());
  EXPECT_TRUE(IsRefused(in));
  Listener("in").max_sessions = 100;
  Forward("direct").paused = true;
  Apply();
  EXPECT_TRUE(IsRefused(in));
  EXPECT_TRUE(first->Transfer(100, 2, 100, 2).ok());
  EXPECT_EQ(ListenerCounters("in").failed, 2u);
}

TEST_F(WorkerTest, MaxSessionsCountsAllWorkersTogether) {
  StartWorkers(2);
  const SocketAddress in = AddTcpListener("in");
  AddDirectForward("direct", "in", destination_->address());
  Listener("in").max_sessions = 3;
  Apply();
  std::vector<Stream> open;
  for (int i = 0; i < 3; ++i) {
    auto stream = Stream::Connect(in);
    ASSERT_TRUE(stream.ok());
    ASSERT_TRUE(stream->Transfer(100, 1, 100, 1).ok());
    open.push_back(*std::move(stream));
  }
  // Whichever worker the kernel picks, the limit is the listener's.
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(IsRefused(in));
}

TEST_F(WorkerTest, TheNextTargetIsTriedWhenOneRefuses) {
  StartWorkers(1);
  auto gone = *Server::Start({IpAddress::LoopbackV4(), 0}, Echo);
  const SocketAddress nobody = gone->address();
  gone.reset();
  const SocketAddress in = AddTcpListener("in");
  AddTcpDialer("pool", {{"127.0.0.1", nobody.port}, {"127.0.0.1", destination_->port()}});
  AddForward("forward", "in", "pool");
  Apply();
  for (int i = 0; i < 4; ++i) {
    auto client = Stream::Connect(in);
    ASSERT_TRUE(client.ok());
    EXPECT_TRUE(client->Transfer(1000, 1, 1000, 1).ok());
  }
  const auto targets = Report()[0].targets["pool"];
  ASSERT_EQ(targets.size(), 2u);
  EXPECT_EQ(targets[0].last_error_reason, "CONNECT_REFUSED");
  EXPECT_EQ(targets[1].last_error_reason, "");
  EXPECT_EQ(targets[1].addresses, std::vector<std::string>{"127.0.0.1"});
}

TEST_F(WorkerTest, ADestinationThatRefusesResetsTheClientThroughTheTunnel) {
  StartWorkers(1);
  const SocketAddress nobody = destination_->address();
  destination_.reset();
  const SocketAddress in = AddTunnel(nobody);
  Apply();
  auto client = Stream::Connect(in);
  // The reset may be back before connecting has returned.
  if (client.ok() && client->Write("anyone?").ok()) {
    client->SetLimit(seconds(10));
    EXPECT_FALSE(client->ReadToEnd().ok()) << "a refusal looked like an empty answer";
  }
  EXPECT_TRUE(Eventually([&] { return ForwardCounters("out").failed == 1; }));
}

TEST_F(WorkerTest, NamesAreResolved) {
  StartWorkers(1);
  const SocketAddress in = AddTcpListener("in");
  AddTcpDialer("named", {{"localhost", destination_->port()}});
  AddForward("forward", "in", "named");
  Apply();
  auto client = Stream::Connect(in);
  ASSERT_TRUE(client.ok());
  EXPECT_TRUE(client->Transfer(1000, 1, 1000, 1).ok());
}

TEST_F(WorkerTest, ProbeTellsEveryPhase) {
  StartWorkers(1);
  AddTunnel(destination_->address());
  Apply();
  const auto steps = Probe("far", 2);
  ASSERT_EQ(steps.size(), 8u);
  for (size_t i = 0; i < steps.size(); ++i) {
    EXPECT_EQ(steps[i].attempt, 1 + i / 4);
    EXPECT_EQ(static_cast<size_t>(steps[i].phase), i % 4);
    EXPECT_EQ(steps[i].error_reason, "");
    EXPECT_EQ(steps[i].last, i == 7);
  }
  EXPECT_TRUE(steps[3].stats.validated);
  EXPECT_GE(steps[3].elapsed, steps[0].elapsed);
  EXPECT_TRUE(Eventually([&] { return ListenerCounters("kcp").active == 0; }));
}

TEST_F(WorkerTest, ProbeOfTheWrongSeedGetsNoAnswer) {
  StartWorkers(1);
  AddKcpDialer("wrong", AddKcpListener("kcp", "one"), "another");
  AddDirectForward("out", "kcp", destination_->address());
  Apply();
  const auto steps = Probe("wrong", 1, milliseconds(300));
  ASSERT_FALSE(steps.empty());
  EXPECT_EQ(steps.back().phase, ProbeStep::Phase::kHandshake);
  EXPECT_EQ(steps.back().error_reason, "NO_ANSWER");
  EXPECT_GE(steps.back().elapsed, milliseconds(300));
  EXPECT_GT(ListenerCounters("kcp").dropped[static_cast<size_t>(DropReason::kBadAuthTag)], 0u);
  EXPECT_EQ(destination_->accepted(), 0u);
}

TEST_F(WorkerTest, ProbeOfTcpConnects) {
  StartWorkers(1);
  AddTcpDialer("tcp", {{"127.0.0.1", destination_->port()}, {"nowhere.invalid", 1}});
  const auto steps = Probe("tcp");
  ASSERT_EQ(steps.size(), 5u);
  EXPECT_EQ(steps[3].phase, ProbeStep::Phase::kReady);
  EXPECT_EQ(steps[3].stats.state, "ESTABLISHED");
  EXPECT_EQ(steps[4].target, "nowhere.invalid:1");
  EXPECT_EQ(steps[4].error_reason, "RESOLVE_FAILED");
  EXPECT_TRUE(steps[4].last);
}

}  // namespace
}  // namespace culvert::server
