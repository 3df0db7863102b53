// TLS through whole workers: who comes in, what is counted, what ends.
#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>
#include <thread>

#include "core/base/log.h"
#include "core/io/monotonic_clock.h"
#include "server/handshake_slots.h"
#include "tests/testing/certificate_maker.h"
#include "tests/unit/server_data/worker_fixture.h"

namespace culvert::server {
namespace {

using culvert::testing::Certificate;
using culvert::testing::MakeCa;
using culvert::testing::MakeLeaf;
using std::chrono::milliseconds;
using std::chrono::seconds;

// The peers that failures of handshakes are blamed on.
class PeersInLog final : public LogSink {
 public:
  void Write(LogLevel, std::string_view component, std::string_view, std::initializer_list<LogField> fields) override {
    const std::lock_guard lock(mutex_);
    for (const LogField& field : fields) {
      if (component == "listener" && field.key == "peer") peers_.push_back(field.value);
    }
  }
  std::vector<std::string> peers() const {
    const std::lock_guard lock(mutex_);
    return peers_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> peers_;
};

class WorkerTlsTest : public WorkerFixture {
 protected:
  static std::shared_ptr<const tls::TlsContext> Context(tls::Role role, const Certificate* own, const Certificate& trusted,
                                                        bool requires_peer = false) {
    tls::TlsOptions options;
    options.role = role;
    if (own != nullptr) {
      options.certificate_pem = own->chain_pem;
      options.private_key_pem = AsBytes(own->private_key_pem);
    }
    if (role == tls::Role::kClient || requires_peer) options.trust_pem = trusted.certificate_pem;
    options.require_peer_certificate = requires_peer;
    options.alpn = {"h2"};
    return *tls::TlsContext::Create(options);
  }
  // Listener "in" → dialer "far" → listener "kcp" → the destination, with TLS between the middle two.
  SocketAddress StartTunnel(bool requires_peer = false) {
    destination_ = *Server::Start({IpAddress::LoopbackV4(), 0}, Echo);
    StartWorkers(1);
    const SocketAddress in = AddTunnel(destination_->address());
    Listener("kcp").tls = Context(tls::Role::kServer, &leaf_, ca_, requires_peer);
    Dialer("far").tls = Context(tls::Role::kClient, nullptr, ca_);
    return in;
  }
  static bool IsRefused(const SocketAddress& address) {
    auto client = Stream::Connect(address);
    return !client.ok() || !client->Write("hello").ok() || !client->ReadToEnd().ok();
  }
  std::string LastError() {
    std::string reason;
    for (const WorkerReport& report : Report()) {
      const auto targets = report.targets.find("far");
      if (targets != report.targets.end()) reason = targets->second.front().last_error_reason;
    }
    return reason;
  }

  const Certificate ca_ = MakeCa("test CA");
  const Certificate leaf_ = MakeLeaf(ca_, {"127.0.0.1"});
  std::unique_ptr<Server> destination_;
};

TEST_F(WorkerTlsTest, CarriesEightMebibytesEachWayAndCounts) {
  const SocketAddress in = StartTunnel();
  Apply();
  auto client = Stream::Connect(in);
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ(client->Transfer(8 << 20, 7, 8 << 20, 7), absl::OkStatus());
  EXPECT_EQ(ForwardCounters("near").rx_bytes, 8u << 20);
  EXPECT_EQ(DialerCounters("far").tls_handshakes, 1u);
  EXPECT_EQ(ListenerCounters("kcp").tls_handshakes, 1u);
  EXPECT_EQ(ListenerCounters("kcp").tls_failed, 0u);
  for (const SessionSnapshot& session : Sessions()) {
    if (session.transport != Transport::kKcp) continue;
    ASSERT_NE(session.tls, nullptr);
    EXPECT_EQ(session.tls->info.alpn, "h2");
    EXPECT_GT(session.tls->handshake_time, Duration::zero());
  }
}

TEST_F(WorkerTlsTest, EndsOfBothDirectionsEndTheSession) {
  const SocketAddress in = StartTunnel();
  Apply();
  auto client = Stream::Connect(in);
  ASSERT_TRUE(client.ok());
  ASSERT_TRUE(client->Write("hello").ok());
  client->FinishWriting();
  EXPECT_EQ(*client->ReadText(5), "hello");
  const auto rest = client->ReadToEnd();
  EXPECT_TRUE(rest.ok()) << rest.status();
  EXPECT_TRUE(Eventually([&] { return Sessions().empty(); }));
}

TEST_F(WorkerTlsTest, LaterSessionsResumeUntilTheSettingsChange) {
  const SocketAddress in = StartTunnel();
  Apply();
  const auto use = [&] {
    auto client = Stream::Connect(in);
    ASSERT_TRUE(client.ok());
    EXPECT_EQ(client->Transfer(1000, 1, 1000, 1), absl::OkStatus());
  };
  use();
  EXPECT_EQ(DialerCounters("far").tls_resumed, 0u);
  use();
  EXPECT_EQ(DialerCounters("far").tls_resumed, 1u);
  Dialer("far").tls = Context(tls::Role::kClient, nullptr, ca_);
  Apply();
  use();
  EXPECT_EQ(DialerCounters("far").tls_resumed, 1u) << "a ticket of earlier settings was used";
  EXPECT_EQ(DialerCounters("far").tls_handshakes, 3u);
}

TEST_F(WorkerTlsTest, ARenewedContextLeavesSessionsAlone) {
  const SocketAddress in = StartTunnel();
  Apply();
  auto client = Stream::Connect(in);
  ASSERT_TRUE(client.ok());
  ASSERT_EQ(client->Transfer(1000, 1, 1000, 1), absl::OkStatus());
  const Certificate renewed = MakeLeaf(ca_, {"127.0.0.1", "renewed.example"});
  Listener("kcp").tls = Context(tls::Role::kServer, &renewed, ca_);
  Apply();
  EXPECT_EQ(client->Transfer(1000, 1, 1000, 1), absl::OkStatus()) << "the session did not live on";
  auto another = Stream::Connect(in);
  ASSERT_TRUE(another.ok());
  EXPECT_EQ(another->Transfer(1000, 1, 1000, 1), absl::OkStatus());
  EXPECT_EQ(ListenerCounters("kcp").tls_handshakes, 2u);
}

TEST_F(WorkerTlsTest, AnUnknownServerIsRefusedAndCounted) {
  const SocketAddress in = StartTunnel();
  Dialer("far").tls = Context(tls::Role::kClient, nullptr, MakeCa("another CA"));
  Apply();
  EXPECT_TRUE(IsRefused(in));
  EXPECT_TRUE(Eventually([&] { return LastError() == "PEER_IDENTITY_REJECTED"; })) << LastError();
  EXPECT_EQ(DialerCounters("far").tls_failed, 1u);
  EXPECT_TRUE(Eventually([&] { return ListenerCounters("kcp").tls_failed == 1; }));
  EXPECT_EQ(destination_->accepted(), 0u);
  EXPECT_TRUE(Eventually([&] { return Sessions().empty(); }));
}

TEST_F(WorkerTlsTest, AClientWithoutACertificateLearnsThatOneIsWanted) {
  const SocketAddress in = StartTunnel(/*requires_peer=*/true);
  Apply();
  // The client's part is done before the server has judged it.
  EXPECT_TRUE(IsRefused(in));
  EXPECT_TRUE(Eventually([&] { return LastError() == "TLS_ALERT"; })) << LastError();
  const std::vector<ProbeStep> steps = Probe("far");
  EXPECT_EQ(steps.back().error_reason, "TLS_ALERT") << steps.back().error_message;
  EXPECT_EQ(destination_->accepted(), 0u);
  // One that is let in clears that.
  const Certificate own = MakeLeaf(ca_, {"near.example"});
  Dialer("far").tls = Context(tls::Role::kClient, &own, ca_);
  Apply();
  auto client = Stream::Connect(in);
  ASSERT_TRUE(client.ok());
  EXPECT_EQ(client->Transfer(1000, 1, 1000, 1), absl::OkStatus());
  EXPECT_TRUE(Eventually([&] { return LastError().empty(); })) << LastError();
}

TEST_F(WorkerTlsTest, ASessionThatIsEndedFromOutsideClearsAnOldErrorToo) {
  const SocketAddress in = StartTunnel(/*requires_peer=*/true);
  Apply();
  EXPECT_TRUE(IsRefused(in));
  ASSERT_TRUE(Eventually([&] { return LastError() == "TLS_ALERT"; })) << LastError();
  const Certificate own = MakeLeaf(ca_, {"near.example"});
  Dialer("far").tls = Context(tls::Role::kClient, &own, ca_);
  Apply();
  auto client = Stream::Connect(in);
  ASSERT_TRUE(client.ok());
  ASSERT_TRUE(destination_->WaitForAccepted(1, seconds(10)));
  EXPECT_EQ(LastError(), "TLS_ALERT") << "nothing has come back yet";
  for (const SessionSnapshot& session : Sessions()) {
    if (session.dialer == "far" && session.tls != nullptr) {
      EXPECT_TRUE(CloseSession(session, /*graceful=*/true));
    }
  }
  EXPECT_EQ(LastError(), "");
}

TEST_F(WorkerTlsTest, AProbeTellsHowTheHandshakeWent) {
  StartTunnel();
  Apply();
  const std::vector<ProbeStep> steps = Probe("far", /*attempts=*/2);
  ASSERT_EQ(steps.size(), 8u);
  for (const size_t ready : {size_t{3}, size_t{7}}) {
    EXPECT_EQ(steps[ready].phase, ProbeStep::Phase::kReady) << steps[ready].error_message;
    ASSERT_NE(steps[ready].tls, nullptr);
    EXPECT_EQ(steps[ready].tls->info.resumed, ready == 7);
  }
  EXPECT_EQ(destination_->accepted(), 2u);
}

TEST_F(WorkerTlsTest, NoAnswerAndNoHandshakeAreToldApart) {
  StartTunnel();
  Listener("kcp").tls = nullptr;  // answers, but knows nothing of TLS: it echoes the ClientHello
  Apply();
  std::vector<ProbeStep> steps = Probe("far", 1, seconds(2));
  EXPECT_EQ(steps.back().phase, ProbeStep::Phase::kHandshake);
  EXPECT_EQ(steps.back().error_reason, "TLS_PROTOCOL") << steps.back().error_message;
  Remove("out");
  Remove("kcp");
  Apply();
  steps = Probe("far", 1, milliseconds(500));
  EXPECT_EQ(steps.back().error_reason, "NO_ANSWER") << steps.back().error_message;
}

TEST_F(WorkerTlsTest, HandshakesUnderWayEndWithTheirListener) {
  const SocketAddress in = StartTunnel();
  Dialer("far").tls = nullptr;  // opens a session and never says a ClientHello
  Apply();
  auto client = Stream::Connect(in);
  ASSERT_TRUE(client.ok());
  ASSERT_TRUE(Eventually([&] { return ListenerCounters("kcp").active == 1; }));
  Remove("out");
  Remove("kcp");
  Apply();
  EXPECT_FALSE(client->ReadToEnd().ok()) << "a reset is wanted";
  EXPECT_EQ(destination_->accepted(), 0u);
}

TEST_F(WorkerTlsTest, ASessionInItsHandshakeIsClosedAtOnceHoweverItIsAsked) {
  PeersInLog log;
  SetLogSink(&log);
  const SocketAddress in = StartTunnel();
  Dialer("far").tls = nullptr;  // opens a session and never says a ClientHello
  Apply();
  for (const bool graceful : {true, false}) {
    SCOPED_TRACE(graceful);
    auto client = Stream::Connect(in);
    ASSERT_TRUE(client.ok());
    ASSERT_TRUE(Eventually([&] { return ListenerCounters("kcp").active == 1; }));
    const TimePoint before = io::Now();
    for (const SessionSnapshot& session : Sessions()) {
      if (session.listener != "kcp") continue;
      EXPECT_TRUE(CloseSession(session, graceful));
      // The first failure is logged, and who it was with, though the session is gone by then.
      if (graceful) {
        EXPECT_TRUE(Eventually([&] { return log.peers() == std::vector{session.remote.ToString()}; }));
      }
    }
    EXPECT_FALSE(client->ReadToEnd().ok()) << "a reset is wanted";
    EXPECT_TRUE(Eventually([&] { return Sessions().empty(); }));
    EXPECT_LT(io::Now() - before, seconds(4)) << "the end of the handshake's time was waited for";
  }
  workers_[0]->BeginStop(Duration::zero());
  workers_[0]->Join();
  SetLogSink(nullptr);
}

// One far side that opens sessions and says nothing must not keep others out.
TEST_F(WorkerTlsTest, HandshakesOfOneNetworkLeaveRoomForOthers) {
  constexpr size_t kHalf = HandshakeSlots::kSlots / 2;
  const SocketAddress in = StartTunnel();
  Dialer("far").tls = nullptr;
  const SocketAddress other = AddTcpListener("in-other");
  const SocketAddress& wire = Listener("kcp").bind;
  AddKcpDialer("other", wire);
  Dialer("other").tls = Context(tls::Role::kClient, nullptr, ca_);
  Dialer("other").socket.bind_address = IpAddress::V4({127, 0, 1, 1});
  AddForward("near-other", "in-other", "other");
  Apply();
  std::vector<Stream> silent;
  for (size_t i = 0; i < kHalf + 10; ++i) {
    auto client = Stream::Connect(in);
    ASSERT_TRUE(client.ok()) << client.status();
    silent.push_back(*std::move(client));
  }
  ASSERT_TRUE(Eventually([&] { return ListenerCounters("kcp").failed >= 10; })) << ListenerCounters("kcp").failed;
  EXPECT_EQ(ListenerCounters("kcp").opened, kHalf);
  auto client = Stream::Connect(other);
  ASSERT_TRUE(client.ok());
  EXPECT_EQ(client->Transfer(1000, 1, 1000, 1), absl::OkStatus());
  // A handshake that is over makes room.
  const std::vector<SessionSnapshot> sessions = Sessions();
  const auto one = std::ranges::find_if(sessions, [](const SessionSnapshot& session) {
    return session.listener == "kcp" && session.tls == nullptr;
  });
  ASSERT_NE(one, sessions.end());
  const uint64_t opened = ListenerCounters("kcp").opened;
  EXPECT_TRUE(CloseSession(*one, /*graceful=*/false));
  ASSERT_TRUE(Eventually([&] { return ListenerCounters("kcp").tls_failed == 1; }));
  auto late = Stream::Connect(in);
  ASSERT_TRUE(late.ok());
  EXPECT_TRUE(Eventually([&] { return ListenerCounters("kcp").opened == opened + 1; }));
}

TEST_F(WorkerTlsTest, ManyAtOnceAndAStopInTheMiddle) {
  const SocketAddress in = StartTunnel();
  Apply();
  std::vector<std::thread> threads;
  for (int i = 0; i < 32; ++i) {
    threads.emplace_back([&, i] {
      auto client = Stream::Connect(in);
      ASSERT_TRUE(client.ok());
      const auto seed = static_cast<uint64_t>(i);
      EXPECT_EQ(client->Transfer(100'000, seed, 100'000, seed), absl::OkStatus());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ListenerCounters("kcp").tls_handshakes, 32u);
  auto last = Stream::Connect(in);
  ASSERT_TRUE(last.ok());
  workers_[0]->BeginStop(Duration::zero());
  workers_[0]->Join();
}

}  // namespace
}  // namespace culvert::server
