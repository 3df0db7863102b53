// Tunnels over QUIC through whole workers: real sockets, handshakes and clocks.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "core/io/monotonic_clock.h"
#include "tests/unit/server_data/worker_fixture.h"

namespace culvert::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class WorkerQuicTest : public WorkerFixture {
 protected:
  void SetUp() override { destination_ = *Server::Start({IpAddress::LoopbackV4(), 0}, Echo); }
  static size_t OpenFiles() {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
    return count;
  }
  size_t SessionsOf(const std::string& dialer) {
    size_t count = 0;
    for (const SessionSnapshot& session : Sessions()) count += session.dialer == dialer;
    return count;
  }
  std::unique_ptr<Server> destination_;
};

TEST_F(WorkerQuicTest, CarriesEightMebibytesEachWayOnOneSession) {
  StartWorkers(1);
  const SocketAddress in = AddQuicTunnel(destination_->address());
  Apply();
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    auto client = Stream::Connect(in);
    ASSERT_TRUE(client.ok()) << client.status();
    const absl::Status transferred = client->Transfer(8 << 20, seed, 8 << 20, seed);
    EXPECT_TRUE(transferred.ok()) << transferred;
  }
  EXPECT_EQ(DialerCounters("far").opened, 1u);
  EXPECT_EQ(DialerCounters("far").tls_handshakes, 1u);
  EXPECT_EQ(ListenerCounters("quic").opened, 1u);
  EXPECT_EQ(ForwardCounters("out").opened, 2u);
  EXPECT_EQ(ForwardCounters("near").rx_bytes, 16u << 20);
  EXPECT_TRUE(Eventually([&] { return ForwardCounters("near").active == 0 && ForwardCounters("out").active == 0; }));
}

TEST_F(WorkerQuicTest, TheServerMaySpeakFirst) {
  StartWorkers(1);
  auto greeter = *Server::Start({IpAddress::LoopbackV4(), 0}, [](Stream& stream) {
    if (stream.Write("220 ready").ok()) static_cast<void>(stream.ReadToEnd());
  });
  const SocketAddress in = AddQuicTunnel(greeter->address());
  Apply();
  auto client = Stream::Connect(in);
  ASSERT_TRUE(client.ok());
  EXPECT_EQ(*client->ReadText(9), "220 ready");
}

TEST_F(WorkerQuicTest, AClientThatFinishesStillGetsItsAnswer) {
  StartWorkers(1);
  auto answerer = *Server::Start({IpAddress::LoopbackV4(), 0}, [](Stream& stream) {
    const auto size = stream.ReadToEnd();
    if (size.ok()) static_cast<void>(stream.Write(std::to_string(*size)));
  });
  const SocketAddress in = AddQuicTunnel(answerer->address());
  Apply();
  auto client = Stream::Connect(in);
  ASSERT_TRUE(client.ok());
  ASSERT_TRUE(client->Write("12345").ok());
  client->FinishWriting();
  EXPECT_EQ(*client->ReadText(1), "5");
  EXPECT_EQ(*client->ReadToEnd(), 0u);
}

TEST_F(WorkerQuicTest, AServerThatFinishesStillHearsItsClient) {
  StartWorkers(1);
  std::atomic<uint64_t> heard{0};
  auto finisher = *Server::Start({IpAddress::LoopbackV4(), 0}, [&](Stream& stream) {
    stream.FinishWriting();
    const auto size = stream.ReadToEnd();
    if (size.ok()) heard = *size;
  });
  const SocketAddress in = AddQuicTunnel(finisher->address());
  Apply();
  auto client = Stream::Connect(in);
  ASSERT_TRUE(client.ok());
  EXPECT_EQ(*client->ReadToEnd(), 0u);
  ASSERT_TRUE(client->Write("after the end").ok());
  client->FinishWriting();
  EXPECT_TRUE(Eventually([&] { return heard == 13; }));
}

TEST_F(WorkerQuicTest, AResetReachesTheOtherEndBothWays) {
  StartWorkers(1);
  std::atomic<bool> server_saw_a_reset{false};
  auto listener = *Server::Start({IpAddress::LoopbackV4(), 0}, [&](Stream& stream) {
    const auto first = stream.ReadText(1);
    if (first.ok() && *first == "r") return stream.Reset();
    server_saw_a_reset = !first.ok() || !stream.ReadToEnd().ok();  // the reset may overtake the byte
  });
  const SocketAddress in = AddQuicTunnel(listener->address());
  Apply();
  auto victim = Stream::Connect(in);
  ASSERT_TRUE(victim.ok());
  ASSERT_TRUE(victim->Write("r").ok());
  EXPECT_FALSE(victim->ReadToEnd().ok()) << "a reset looked like an end";
  auto resetter = Stream::Connect(in);
  ASSERT_TRUE(resetter.ok());
  ASSERT_TRUE(resetter->Write("x").ok());
  ASSERT_TRUE(Eventually([&] { return listener->accepted() == 2; }));
  resetter->Reset();
  EXPECT_TRUE(Eventually([&] { return server_saw_a_reset.load(); }));
  EXPECT_EQ(DialerCounters("far").active, 1u) << "the session lives on";
}

TEST_F(WorkerQuicTest, FortyStreamsToAListenerOfThirtyTwoTakeTwoSessions) {
  StartWorkers(1);
  const SocketAddress in = AddQuicTunnel(destination_->address(), {.max_streams_per_session = 32});
  Apply();
  std::vector<Stream> open;
  for (int i = 0; i < 40; ++i) {
    auto client = Stream::Connect(in);
    ASSERT_TRUE(client.ok());
    open.push_back(*std::move(client));
  }
  for (Stream& stream : open) EXPECT_TRUE(stream.Transfer(1000, 1, 1000, 1).ok());
  EXPECT_EQ(SessionsOf("far"), 2u);
  uint32_t streams = 0;
  for (const SessionSnapshot& session : Sessions()) {
    if (session.dialer != "far") continue;
    EXPECT_EQ(session.transport, Transport::kQuic);
    EXPECT_LE(session.stats.open_streams, 32u);
    ASSERT_NE(session.tls, nullptr);
    EXPECT_EQ(session.tls->info.alpn, "h2");
    streams += session.stats.open_streams;
  }
  EXPECT_EQ(streams, 40u);
}

TEST_F(WorkerQuicTest, ClosingASessionTakesItsStreamsAndTheNextOneDialsAnew) {
  StartWorkers(1);
  const SocketAddress in = AddQuicTunnel(destination_->address());
  Apply();
  auto client = Stream::Connect(in);
  ASSERT_TRUE(client.ok());
  ASSERT_TRUE(client->Transfer(1000, 1, 1000, 1).ok());
  for (const SessionSnapshot& session : Sessions()) {
    if (session.dialer == "far") {
      EXPECT_TRUE(CloseSession(session, /*graceful=*/false));
    }
  }
  EXPECT_FALSE(client->ReadToEnd().ok());
  auto next = Stream::Connect(in);
  ASSERT_TRUE(next.ok());
  EXPECT_TRUE(next->Transfer(1000, 1, 1000, 1).ok());
  EXPECT_EQ(DialerCounters("far").opened, 2u);
}

TEST_F(WorkerQuicTest, ClosingInOrderCutsNothingOff) {
  StartWorkers(1);
  const SocketAddress in = AddQuicTunnel(destination_->address());
  Apply();
  auto client = Stream::Connect(in);
  ASSERT_TRUE(client.ok());
  ASSERT_TRUE(client->Transfer(100'000, 1, 100'000, 1).ok());
  for (const SessionSnapshot& session : Sessions()) {
    if (session.dialer == "far") {
      EXPECT_TRUE(CloseSession(session, /*graceful=*/true));
    }
  }
  EXPECT_EQ(*client->ReadToEnd(), 0u);
  EXPECT_TRUE(Eventually([&] { return DialerCounters("far").active == 0 && ListenerCounters("quic").active == 0; }));
}

TEST_F(WorkerQuicTest, EarlyDataGoesThroughAfterASessionEnded) {
  StartWorkers(1);
  const SocketAddress in = AddTcpListener("in");
  AddQuicDialer("far", AddQuicListener("quic", {.early_data = true}), {.early_data = true});
  AddForward("near", "in", "far");
  AddDirectForward("out", "quic", destination_->address());
  Apply();
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    auto client = Stream::Connect(in);
    ASSERT_TRUE(client.ok());
    const absl::Status transferred = client->Transfer(100'000, seed, 100'000, seed);
    EXPECT_TRUE(transferred.ok()) << transferred;
    for (const SessionSnapshot& session : Sessions()) {
      if (session.dialer == "far") {
        EXPECT_TRUE(CloseSession(session, /*graceful=*/true));
      }
    }
    EXPECT_TRUE(Eventually([&] { return DialerCounters("far").active == 0; }));
  }
  EXPECT_EQ(DialerCounters("far").tls_handshakes, 3u);
  EXPECT_EQ(DialerCounters("far").tls_resumed, 2u);
}

TEST_F(WorkerQuicTest, AListenerThatIsNotWantedRefusesAndTheDialerSaysSo) {
  StartWorkers(1);
  const SocketAddress in = AddQuicTunnel(destination_->address());
  Listener("quic").paused = true;
  Dialer("far").dial_timeout = seconds(3);
  Apply();
  auto client = Stream::Connect(in);
  if (client.ok()) {
    EXPECT_FALSE(client->ReadToEnd().ok());
  }
  EXPECT_TRUE(Eventually([&] { return Report()[0].targets["far"][0].last_error_reason == "CONNECTION_REFUSED"; }))
      << Report()[0].targets["far"][0].last_error_reason;
  EXPECT_EQ(destination_->accepted(), 0u);
  EXPECT_GT(ListenerCounters("quic").failed, 0u);
}

TEST_F(WorkerQuicTest, AClientWithoutTheCertificateThatIsWantedLearnsIt) {
  StartWorkers(1);
  const SocketAddress in = AddQuicTunnel(destination_->address());
  Listener("quic").tls = QuicServerTls(/*wants_certificate=*/true);
  Apply();
  auto client = Stream::Connect(in);
  if (client.ok()) {
    EXPECT_FALSE(client->ReadToEnd().ok());
  }
  EXPECT_TRUE(Eventually([&] { return Report()[0].targets["far"][0].last_error_reason == "TLS_ALERT"; }))
      << Report()[0].targets["far"][0].last_error_reason;
  EXPECT_EQ(destination_->accepted(), 0u);
  // With one it works, under the same listener.
  Dialer("far").tls = QuicClientTls(/*has_certificate=*/true);
  Apply();
  auto known = Stream::Connect(in);
  ASSERT_TRUE(known.ok());
  EXPECT_TRUE(known->Transfer(1000, 1, 1000, 1).ok());
  EXPECT_TRUE(Eventually([&] { return Report()[0].targets["far"][0].last_error_reason.empty(); }));
}

TEST_F(WorkerQuicTest, ProbesTellEveryPhaseAndOpenNoStream) {
  StartWorkers(1);
  AddQuicTunnel(destination_->address());
  Apply();
  const auto steps = Probe("far", 2);
  ASSERT_EQ(steps.size(), 8u);
  for (size_t i = 0; i < steps.size(); ++i) {
    EXPECT_EQ(steps[i].attempt, 1 + i / 4);
    EXPECT_EQ(static_cast<size_t>(steps[i].phase), i % 4);
    EXPECT_EQ(steps[i].error_reason, "") << steps[i].error_message;
    EXPECT_EQ(steps[i].last, i == 7);
  }
  ASSERT_NE(steps[3].tls, nullptr);
  EXPECT_EQ(steps[3].tls->info.version, "TLSv1.3");
  EXPECT_GT(steps[3].stats.smoothed_rtt, Duration::zero());
  EXPECT_EQ(destination_->accepted(), 0u);
  EXPECT_TRUE(Eventually([&] { return ListenerCounters("quic").active == 0; }));

  Listener("quic").tls = QuicServerTls(/*wants_certificate=*/true);
  Apply();
  const auto refused = Probe("far");
  EXPECT_EQ(refused.back().error_reason, "TLS_ALERT") << refused.back().error_message;
}

TEST_F(WorkerQuicTest, AProbeOfNobodyFails) {
  StartWorkers(1);
  auto nobody = io::UdpSocket::Bind({.bind = {IpAddress::LoopbackV4(), 0}});
  ASSERT_TRUE(nobody.ok());
  AddQuicDialer("far", nobody->local_address());
  const auto steps = Probe("far", 1, milliseconds(300));
  EXPECT_EQ(steps.back().phase, ProbeStep::Phase::kHandshake);
  EXPECT_FALSE(steps.back().error_reason.empty());
}

TEST_F(WorkerQuicTest, AThousandCancelledDialsLeaveNothingBehind) {
  StartWorkers(1);
  auto nobody = io::UdpSocket::Bind({.bind = {IpAddress::LoopbackV4(), 0}});
  ASSERT_TRUE(nobody.ok());
  const SocketAddress in = AddTcpListener("in");
  AddQuicDialer("far", nobody->local_address());
  AddForward("near", "in", "far");
  Dialer("far").dial_timeout = seconds(60);
  Apply();
  const size_t files = OpenFiles();
  for (int round = 0; round < 10; ++round) {
    std::vector<Stream> clients;
    for (int i = 0; i < 100; ++i) {
      auto client = Stream::Connect(in);
      ASSERT_TRUE(client.ok());
      clients.push_back(*std::move(client));
    }
    for (Stream& client : clients) client.Reset();
  }
  EXPECT_TRUE(Eventually([&] { return ListenerCounters("in").active == 0 && ListenerCounters("in").closed == 1000; }));
  EXPECT_EQ(ForwardCounters("near").failed, 1000u);
  // The dialer's own socket stays.
  EXPECT_TRUE(Eventually([&] { return OpenFiles() <= files + 1; })) << OpenFiles() << " after " << files;
  workers_[0]->BeginStop(seconds(30));
  const TimePoint begun = io::Now();
  workers_[0]->Join();
  EXPECT_LT(io::Now() - begun, seconds(15)) << "a handshake that nobody waits for was waited for";
}

TEST_F(WorkerQuicTest, MinSessionsAreThereBeforeAnyStream) {
  StartWorkers(2);
  AddQuicTunnel(destination_->address());
  Dialer("far").min_sessions = 3;
  Apply();
  EXPECT_TRUE(Eventually([&] { return DialerCounters("far").active == 3; }));
  EXPECT_TRUE(Eventually([&] { return ListenerCounters("quic").active == 3; }));
  EXPECT_EQ(destination_->accepted(), 0u);
}

TEST_F(WorkerQuicTest, StopsQuicklyWithIdleSessionsOpen) {
  StartWorkers(2);
  AddQuicTunnel(destination_->address());
  Dialer("far").min_sessions = 4;
  Apply();
  ASSERT_TRUE(Eventually([&] { return DialerCounters("far").active == 4; }));
  const TimePoint begun = io::Now();
  for (const auto& worker : workers_) worker->BeginStop(seconds(60));
  for (const auto& worker : workers_) worker->Join();
  EXPECT_LT(io::Now() - begun, seconds(20));
}

}  // namespace
}  // namespace culvert::server
