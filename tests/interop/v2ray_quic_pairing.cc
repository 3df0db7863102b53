#include "tests/interop/v2ray_quic_pairing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "absl/strings/str_format.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"
#include "tests/testing/free_port.h"

namespace culvert::testing {
namespace {

SocketAddress Loopback(uint16_t port) { return {IpAddress::LoopbackV4(), port}; }

struct Shared {
  absl::Status status;
  std::unique_ptr<V2rayQuicPairing> pairing;
};
std::optional<Shared>& TheShared() {
  static std::optional<Shared> shared;
  return shared;
}

// Ends the pairing after the last test, when one was started, and looks how.
class EndPairing : public ::testing::Environment {
 public:
  void TearDown() override {
    const std::optional<ExitStatus> status = V2rayQuicPairing::Stop();
    ASSERT_TRUE(status) << "culvertd did not end on SIGTERM";
    EXPECT_EQ(status->code, 0) << "signal " << status->signal;
  }
};
const auto* const kEndPairing = ::testing::AddGlobalTestEnvironment(new EndPairing);

}  // namespace

std::string QuicCombination::Name() const {
  std::string text = absl::StrFormat("%s_%s_%s", role == QuicRole::kCulvertDials ? "CulvertDials" : "CulvertListens", security,
                                     header.value_or("absent"));
  text.erase(std::remove(text.begin(), text.end(), '-'), text.end());
  return text;
}

const std::vector<std::string>& AllSecurities() {
  static const std::vector<std::string> securities = {"none", "aes-128-gcm", "chacha20-poly1305"};
  return securities;
}

const std::vector<std::optional<std::string>>& AllQuicHeaders() {
  static const std::vector<std::optional<std::string>> headers = {std::nullopt,   "none", "srtp",     "utp",
                                                                  "wechat-video", "dtls", "wireguard"};
  return headers;
}

std::vector<QuicCombination> AllQuicCombinations() {
  std::vector<QuicCombination> all;
  for (const QuicRole role : {QuicRole::kCulvertDials, QuicRole::kCulvertListens}) {
    for (const std::string& security : AllSecurities()) {
      for (const auto& header : AllQuicHeaders()) all.push_back({role, security, header});
    }
  }
  return all;
}

std::string ManifestSecurity(const std::string& security) {
  static const std::map<std::string, std::string> names = {
      {"none", "NONE"}, {"aes-128-gcm", "AES_128_GCM"}, {"chacha20-poly1305", "CHACHA20_POLY1305"}};
  return names.at(security);
}

std::string ManifestHeader(const std::optional<std::string>& header) {
  static const std::map<std::string, std::string> names = {{"none", "NONE"}, {"srtp", "SRTP"},
                                                           {"utp", "UTP"},   {"wechat-video", "WECHAT_VIDEO"},
                                                           {"dtls", "DTLS"}, {"wireguard", "WIREGUARD"}};
  return header ? names.at(*header) : "NONE";
}

absl::StatusOr<V2rayQuicPairing*> V2rayQuicPairing::Get() {
  std::optional<Shared>& shared = TheShared();
  if (!shared) {
    shared.emplace();
    shared->pairing = std::make_unique<V2rayQuicPairing>();
    shared->status = shared->pairing->Start();
  }
  if (!shared->status.ok()) return shared->status;
  return shared->pairing.get();
}

std::optional<ExitStatus> V2rayQuicPairing::Stop() {
  std::optional<Shared>& shared = TheShared();
  std::optional<ExitStatus> status = ExitStatus{0, 0};
  if (shared && shared->pairing->daemon_) status = shared->pairing->daemon_->Stop();
  shared.reset();
  return status;
}

absl::Status V2rayQuicPairing::Start() {
  CULVERT_ASSIGN_OR_RETURN(choice_, TcpServer::Start(Loopback(0), ChoiceHandler()));
  CULVERT_ASSIGN_OR_RETURN(greeter_, TcpServer::Start(Loopback(0), GreetingHandler(std::string(kQuicGreeting))));
  CULVERT_ASSIGN_OR_RETURN(daemon_, Daemon::Start());
  (void)daemon_->directory().Write("key", absl::StrFormat("%s\n", kQuicKey), 0600);
  V2rayOptions v2ray;
  std::string manifest;
  for (const QuicCombination& combination : AllQuicCombinations()) {
    const std::string name = absl::StrFormat("r%u", routes_.size());
    Route route{combination, {}, {}};
    route.choice = AddRoute(combination, name + "-choice", choice_->port(), v2ray, manifest);
    if (combination.role == QuicRole::kCulvertDials) {
      route.greeter = AddRoute(combination, name + "-greeter", greeter_->port(), v2ray, manifest);
    }
    routes_.push_back(std::move(route));
  }
  CULVERT_ASSIGN_OR_RETURN(v2ray_, V2ray::Start(v2ray));
  const RunResult applied = daemon_->Apply(manifest);
  if (applied.exit_code != 0) {
    return absl::InternalError(absl::StrFormat("culvertctl apply ended with %d: %s", applied.exit_code, applied.err));
  }
  return absl::OkStatus();
}

SocketAddress V2rayQuicPairing::AddRoute(const QuicCombination& combination, const std::string& name, uint16_t destination,
                                         V2rayOptions& v2ray, std::string& manifest) {
  const SocketAddress client = Loopback(FreePort());
  const SocketAddress wire = Loopback(FreePort());
  V2rayQuic theirs{.security = combination.security, .header = combination.header};
  QuicText ours{.security = ManifestSecurity(combination.security), .header = ManifestHeader(combination.header)};
  if (combination.security != "none") {
    theirs.key = kQuicKey;
    ours.key_file = "key";
  }
  if (combination.role == QuicRole::kCulvertDials) {
    manifest += TcpListener(name, client.ToString()) + QuicDialer(name, wire.ToString(), ours) + ForwardToDialer(name, name, name);
    v2ray.servers.push_back({.listen = wire, .destination = Loopback(destination), .quic = theirs});
  } else {
    manifest += QuicListener(name, wire.ToString(), ours) + ForwardDirect(name, name, Loopback(destination).ToString());
    v2ray.clients.push_back({.listen = client, .peer = wire, .quic = theirs});
  }
  return client;
}

const V2rayQuicPairing::Route& V2rayQuicPairing::RouteOf(const QuicCombination& combination) const {
  const auto route =
      std::ranges::find_if(routes_, [&](const Route& one) { return one.combination.Name() == combination.Name(); });
  CULVERT_CHECK(route != routes_.end());
  return *route;
}

SocketAddress V2rayQuicPairing::ToChoice(const QuicCombination& combination) const { return RouteOf(combination).choice; }
SocketAddress V2rayQuicPairing::ToGreeter(const QuicCombination& combination) const { return RouteOf(combination).greeter; }

std::string V2rayQuicPairing::Logs() const { return "--- culvertd:\n" + daemon_->Log() + "--- v2ray:\n" + v2ray_->Log(); }

}  // namespace culvert::testing
