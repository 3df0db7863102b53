// A data plane in virtual time: its datagrams take loopback, its clock is the test's.
#include "server/data_plane.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "server/resolver.h"
#include "server/session_counts.h"
#include "server/worker_context.h"
#include "tests/testing/certificate_maker.h"

namespace culvert::server {
namespace {

using culvert::testing::Certificate;
using culvert::testing::MakeCa;
using culvert::testing::MakeLeaf;
using std::chrono::milliseconds;
using std::chrono::seconds;
constexpr TimePoint kStart{seconds(1000)};
constexpr int kMaxTurns = 10'000;

const Certificate& Ca() {
  static const Certificate ca = MakeCa("test CA");
  return ca;
}

std::shared_ptr<const tls::TlsContext> ServerThatWantsACertificate() {
  static const Certificate leaf = MakeLeaf(Ca(), {"127.0.0.1"});
  tls::TlsOptions options;
  options.role = tls::Role::kServer;
  options.certificate_pem = leaf.chain_pem;
  options.private_key_pem = AsBytes(leaf.private_key_pem);
  options.trust_pem = Ca().certificate_pem;
  options.require_peer_certificate = true;
  return *tls::TlsContext::Create(options);
}

std::shared_ptr<const tls::TlsContext> ClientWithoutACertificate() {
  tls::TlsOptions options;
  options.trust_pem = Ca().certificate_pem;
  return *tls::TlsContext::Create(options);
}

std::shared_ptr<const kcp::KcpConfig> Kcp() {
  kcp::KcpOptions options;
  options.seed.emplace("seed");
  return *kcp::KcpConfig::Create(options);
}

io::UdpSocket BindUdp() { return *io::UdpSocket::Bind({.bind = {IpAddress::LoopbackV4(), 0}}); }

// What a worker's thread has, without the thread.
struct Plane {
  Plane() {
    context.reactor = *io::Reactor::Create();
    context.mailbox = *io::Mailbox::Create(16);
    context.random = &random;
    context.resolver = &resolver;
    context.session_counts = &counts;
    context.now = kStart;
    plane.emplace(context);
  }

  // A listener that wants a certificate, on a port of the system's choice.
  SocketAddress Listen() {
    auto config = std::make_shared<ListenerConfig>();
    config->id = {"kcp", 1};
    config->transport = Transport::kKcp;
    config->kcp = Kcp();
    config->tls = ServerThatWantsACertificate();
    auto forward = std::make_shared<ForwardConfig>();
    forward->id = {"out", 1};
    forward->listener = "kcp";
    forward->destination = {"127.0.0.1", 9};
    std::vector<ListenerSocket> sockets(1);
    sockets[0].listener = config->id;
    sockets[0].udp = BindUdp();
    config->bind = sockets[0].udp.local_address();
    auto routing = std::make_shared<Routing>();
    routing->listeners = {config};
    routing->forwards = {forward};
    static_cast<void>(plane->Update(routing, std::move(sockets)));
    return config->bind;
  }
  void Probe(const SocketAddress& target, Duration timeout) {
    auto config = std::make_shared<DialerConfig>();
    config->id = {"far", 1};
    config->transport = Transport::kKcp;
    config->targets = {{target.ip.ToString(), target.port}};
    config->kcp = Kcp();
    config->tls = ClientWithoutACertificate();
    plane->Probe({.dialer = config, .timeout = timeout}, [this](ProbeStep step) { steps.push_back(std::move(step)); });
  }

  // One iteration of a worker.
  void Turn() {
    context.reactor->Wait(TimePoint{});
    context.reactor->Dispatch();
    context.timers.RunDue(context.now, 1000);
    static_cast<void>(plane->Settle());
  }
  // Lets time pass until something is due, but not past `step`, and takes a turn.
  void Advance(Duration step) {
    context.now = std::clamp(context.timers.Next().value_or(kInfiniteFuture), context.now, context.now + step);
    Turn();
  }
  bool is_over() const { return !steps.empty() && steps.back().last; }
  bool has_shaken_hands() const {
    return std::ranges::any_of(steps, [](const ProbeStep& step) {
      return step.phase == ProbeStep::Phase::kHandshake && step.error_reason.empty();
    });
  }

  SeededRandom random{1};
  Resolver resolver;
  SessionCounts counts;
  WorkerContext context;
  std::optional<DataPlane> plane;
  std::vector<ProbeStep> steps;
};

// mKCP gives up after 30 s, before the time is over: that is the same silence.
TEST(DataPlaneTest, ASilentTargetGivesNoAnswerHoweverLongItMayTake) {
  const io::UdpSocket silent = BindUdp();
  for (const Duration timeout : {Duration(seconds(10)), Duration(seconds(300))}) {
    Plane plane;
    plane.Probe(silent.local_address(), timeout);
    for (int turn = 0; turn < kMaxTurns && !plane.is_over(); ++turn) plane.Advance(seconds(1));
    ASSERT_TRUE(plane.is_over());
    EXPECT_LT(plane.context.now, kStart + seconds(100));
    EXPECT_EQ(plane.steps.back().error_reason, "NO_ANSWER") << plane.steps.back().error_message;
  }
}

// The client's part of the handshake is done before the server has judged it, so that the time for the verdict must not be
// the time for the handshake, which may be over in the very turn in which it is done.
TEST(DataPlaneTest, ARefusalIsHeardWheneverTheHandshakeIsDone) {
  constexpr Duration kTimeout = seconds(5);
  const auto probe = [&](int turns_in_time) {
    auto plane = std::make_unique<Plane>();
    plane->Probe(plane->Listen(), kTimeout);
    for (int turn = 0; turn < turns_in_time; ++turn) plane->Advance(milliseconds(1));
    return plane;
  };
  int needed = 1;
  while (needed < 1000 && !probe(needed)->has_shaken_hands()) ++needed;
  ASSERT_LT(needed, 1000);
  bool was_told_why = false;
  for (int turns = std::max(needed - 3, 0); turns < needed; ++turns) {
    SCOPED_TRACE(turns);
    const auto plane = probe(turns);
    ASSERT_FALSE(plane->is_over());
    plane->context.now = std::max(plane->context.now, kStart + kTimeout);
    for (int turn = 0; turn < kMaxTurns && !plane->is_over(); ++turn) {
      plane->Turn();
      plane->context.now += milliseconds(1);
    }
    ASSERT_TRUE(plane->is_over());
    EXPECT_NE(plane->steps.back().error_reason, "") << "a probe that was refused went well";
    was_told_why |= plane->steps.back().error_reason == "TLS_ALERT";
  }
  EXPECT_TRUE(was_told_why) << "the handshake was never done in the turn in which its time was over";
}

}  // namespace
}  // namespace culvert::server
