// TLS inside mKCP with v2ray 4.34 at the other end, in both roles. v2ray verifies (allowInsecure false) with our authority as
// its only root, and both keep their default protocols.
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"
#include "tests/interop/require_v2ray.h"
#include "tests/testing/certificate_maker.h"
#include "tests/testing/daemon.h"
#include "tests/testing/free_port.h"
#include "tests/testing/tcp_app.h"
#include "tests/testing/v2ray.h"

namespace culvert::testing {
namespace {

constexpr uint64_t kMebibyte = 1 << 20;
constexpr Duration kLimit = std::chrono::seconds(60);
constexpr const char* kSeed = "a seed that both ends know";
constexpr std::string_view kGreeting = "220 speak, friend\r\n";
constexpr const char* kName = "far.example";

SocketAddress Loopback(uint16_t port) { return {IpAddress::LoopbackV4(), port}; }

// One way through: who dials, with which header, with a seed or without.
struct Route {
  std::string name;
  bool culvert_dials = false;
  bool has_header = false;
  bool has_seed = false;
  SocketAddress choice;   // where clients connect to reach the ChoiceHandler application
  SocketAddress greeter;  // and the one that speaks first
};

// One v2ray, one culvertd, and the applications behind them.
class Pairing {
 public:
  absl::Status Start() {
    folder_.Write("ca.crt", ca_.certificate_pem);
    folder_.Write("far.crt", far_.chain_pem);
    folder_.Write("far.key", far_.private_key_pem, 0600);
    folder_.Write("seed", kSeed, 0600);
    CULVERT_ASSIGN_OR_RETURN(choice_, TcpServer::Start(Loopback(0), ChoiceHandler()));
    CULVERT_ASSIGN_OR_RETURN(greeter_, TcpServer::Start(Loopback(0), GreetingHandler(std::string(kGreeting))));
    CULVERT_ASSIGN_OR_RETURN(daemon_, Daemon::Start());
    V2rayOptions v2ray;
    std::string manifest;
    for (const bool culvert_dials : {false, true}) {
      for (const bool has_header : {false, true}) {
        for (const bool has_seed : {false, true}) {
          Route route{absl::StrFormat("r%u", routes.size()), culvert_dials, has_header, has_seed, {}, {}};
          route.choice = Add(route, route.name + "c", choice_->port(), "ca.crt", v2ray, manifest);
          route.greeter = Add(route, route.name + "g", greeter_->port(), "ca.crt", v2ray, manifest);
          routes.push_back(route);
        }
      }
    }
    // Where the two do not trust one another.
    folder_.Write("other.crt", MakeCa("another CA").certificate_pem);
    stranger_to_v2ray = Add({.name = "s", .has_seed = true}, "s", choice_->port(), "other.crt", v2ray, manifest);
    stranger_to_us = Add({.name = "t", .culvert_dials = true, .has_seed = true}, "t", choice_->port(), "other.crt", v2ray, manifest);
    CULVERT_ASSIGN_OR_RETURN(v2ray_, V2ray::Start(v2ray));
    const RunResult applied = daemon_->Apply(manifest);
    if (applied.exit_code != 0) return absl::InternalError("culvertctl apply: " + applied.err);
    return absl::OkStatus();
  }

  std::string Logs() const { return "--- culvertd:\n" + daemon_->Log() + "--- v2ray:\n" + v2ray_->Log(); }
  Daemon& daemon() { return *daemon_; }
  TcpServer& choice() { return *choice_; }

  std::vector<Route> routes;
  SocketAddress stranger_to_v2ray, stranger_to_us;

 private:
  // `trust`: the file of the client's roots.
  SocketAddress Add(const Route& route, const std::string& name, uint16_t destination, const std::string& trust,
                    V2rayOptions& v2ray, std::string& manifest) {
    const SocketAddress client = Loopback(FreePort());
    const SocketAddress wire = Loopback(FreePort());
    V2rayKcp theirs;
    if (route.has_header) theirs.header = "srtp";
    if (route.has_seed) theirs.seed = kSeed;
    KcpText ours{.header = route.has_header ? "SRTP" : "NONE"};
    if (route.has_seed) ours.seed_file = folder_.File("seed");
    if (route.culvert_dials) {
      ours.tls = absl::StrFormat("{trust_file: \"%s\", server_name: %s}", folder_.File(trust), kName);
      manifest += TcpListener(name, client.ToString()) + KcpDialer(name, wire.ToString(), ours) + ForwardToDialer(name, name, name);
      v2ray.servers.push_back({wire, Loopback(destination), theirs,
                               V2rayTls{.certificate_file = folder_.File("far.crt"), .key_file = folder_.File("far.key")}});
    } else {
      ours.tls = absl::StrFormat("{certificate_file: \"%s\", private_key_file: \"%s\"}", folder_.File("far.crt"),
                                 folder_.File("far.key"));
      manifest += KcpListener(name, wire.ToString(), ours) + ForwardDirect(name, name, Loopback(destination).ToString());
      v2ray.clients.push_back({client, wire, theirs, V2rayTls{.trust_file = folder_.File(trust), .server_name = kName}});
    }
    return client;
  }

  TempDir folder_;
  const Certificate ca_ = MakeCa("test CA");
  const Certificate far_ = MakeLeaf(ca_, {kName});
  std::unique_ptr<TcpServer> choice_;
  std::unique_ptr<TcpServer> greeter_;
  std::unique_ptr<V2ray> v2ray_;
  std::unique_ptr<Daemon> daemon_;
};

class V2rayTlsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (V2ray::FindBinary().empty()) return;
    pairing_ = new Pairing;
    const absl::Status started = pairing_->Start();
    ASSERT_EQ(started, absl::OkStatus());
  }
  static void TearDownTestSuite() {
    if (pairing_ == nullptr) return;
    const auto ended = pairing_->daemon().Stop();
    EXPECT_TRUE(ended && ended->code == 0) << "culvertd did not end well on SIGTERM";
    delete pairing_;
    pairing_ = nullptr;
  }
  void SetUp() override { CULVERT_SKIP_WITHOUT_V2RAY(); }

  // Runs `client` through every route at the same time.
  static void ForEveryRoute(const std::function<absl::Status(const Route&)>& client) {
    const absl::Status status = RunTogether(static_cast<int>(pairing_->routes.size()), [&](int i) {
      const Route& route = pairing_->routes[static_cast<size_t>(i)];
      const absl::Status result = client(route);
      if (result.ok()) return result;
      return absl::Status(result.code(), absl::StrFormat("%s, %s header, %s: %s",
                                                         route.culvert_dials ? "culvert dials" : "culvert listens",
                                                         route.has_header ? "srtp" : "no", route.has_seed ? "seed" : "no seed",
                                                         std::string(result.message())));
    });
    EXPECT_EQ(status, absl::OkStatus()) << pairing_->Logs();
  }
  static ClientOptions Choice(const Route& route) { return {.to = route.choice, .chooses = true, .limit = kLimit}; }

  static Pairing* pairing_;
};

Pairing* V2rayTlsTest::pairing_ = nullptr;

TEST_F(V2rayTlsTest, EchoesManySizes) {
  ForEveryRoute([](const Route& route) { return RunEchoes(Choice(route), {1, 2, 100, 1200, 16'384, 16'385, 100'000}, 11); });
}

TEST_F(V2rayTlsTest, CarriesOneMebibyteEachWayAndTheClientEnds) {
  ForEveryRoute([](const Route& route) {
    return RunExchange(Choice(route), {.up_bytes = kMebibyte, .down_bytes = kMebibyte, .seed = 21});
  });
  EXPECT_TRUE(pairing_->choice().WaitForActive(0, kLimit)) << pairing_->choice().active() << " are still open at the server";
}

TEST_F(V2rayTlsTest, CarriesOneMebibyteEachWayAndTheServerEnds) {
  ForEveryRoute([](const Route& route) {
    return RunExchange(Choice(route),
                       {.up_bytes = kMebibyte, .down_bytes = kMebibyte, .seed = 31, .closer = Closer::kServer});
  });
}

TEST_F(V2rayTlsTest, TheServerMaySpeakFirst) {
  ForEveryRoute([](const Route& route) { return RunGreeted({.to = route.greeter, .limit = kLimit}, std::string(kGreeting)); });
}

TEST_F(V2rayTlsTest, AgreesOnV2raysDefaults) {
  for (const Route& route : pairing_->routes) {
    auto stream = TcpStream::Connect(route.choice);
    ASSERT_TRUE(stream.ok());
    ASSERT_EQ(stream->Write(std::string(kEchoMode) + "hello"), absl::OkStatus());
    ASSERT_TRUE(stream->ReadText(5).ok());
    const std::string json = pairing_->daemon().GetJson("sessions");
    for (const char* wanted : {"\"TLSv1.3\"", "\"h2\"", "\"far.example\""}) {
      EXPECT_TRUE(absl::StrContains(json, wanted)) << wanted << " in " << json;
    }
  }
}

TEST_F(V2rayTlsTest, V2rayThatDoesNotTrustUsIsCounted) {
  auto stream = TcpStream::Connect(pairing_->stranger_to_v2ray);
  ASSERT_TRUE(stream.ok());
  (void)stream->Write(std::string(kEchoMode) + "hello");
  stream->SetLimit(kLimit);
  const auto got = stream->ReadText(1);
  EXPECT_FALSE(got.ok()) << "bytes passed a v2ray that does not trust us";
  // v2ray ends such a session without an alert or with one; either way it is counted.
  const TimePoint deadline = MonotonicNow() + kLimit;
  while (!absl::StrContains(pairing_->daemon().GetJson("listeners"), "\"handshakesFailed\"")) {
    ASSERT_LT(MonotonicNow(), deadline) << pairing_->Logs();
  }
}

TEST_F(V2rayTlsTest, AV2rayThatWeDoNotTrustGetsNothing) {
  auto stream = TcpStream::Connect(pairing_->stranger_to_us);
  if (stream.ok()) {
    stream->SetLimit(kLimit);
    (void)stream->Write(std::string(kEchoMode) + "hello");
    EXPECT_FALSE(stream->ReadText(1).ok());
  }
  const RunResult probe = pairing_->daemon().Ctl({"dial", "t"});
  EXPECT_EQ(probe.exit_code, 1);
  EXPECT_TRUE(absl::StrContains(probe.out, "PEER_IDENTITY_REJECTED")) << probe.out;
}

}  // namespace
}  // namespace culvert::testing
