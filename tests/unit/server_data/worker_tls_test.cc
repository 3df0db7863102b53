// TLS through whole workers: who comes in, what is counted, what ends.
#include <gtest/gtest.h>

#include <thread>

#include "tests/testing/certificate_maker.h"
#include "tests/unit/server_data/worker_fixture.h"

namespace culvert::server {
namespace {

using culvert::testing::Certificate;
using culvert::testing::MakeCa;
using culvert::testing::MakeLeaf;
using std::chrono::milliseconds;
using std::chrono::seconds;

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
