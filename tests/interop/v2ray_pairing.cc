#include "tests/interop/v2ray_pairing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "absl/strings/str_format.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"
#include "tests/testing/free_port.h"

namespace culvert::testing {
namespace {

constexpr const char* kSeed = "a seed that both ends know";

SocketAddress Loopback(uint16_t port) { return {IpAddress::LoopbackV4(), port}; }

std::string CulvertHeader(const std::optional<std::string>& header) {
  // culvert has no "absent": it means the same bytes as none.
  static const std::map<std::string, std::string> names = {{"none", "NONE"}, {"srtp", "SRTP"},
                                                           {"utp", "UTP"},   {"wechat-video", "WECHAT_VIDEO"},
                                                           {"dtls", "DTLS"}, {"wireguard", "WIREGUARD"}};
  return header ? names.at(*header) : "NONE";
}

struct Shared {
  absl::Status status;
  std::unique_ptr<V2rayPairing> pairing;
};
std::optional<Shared>& TheShared() {
  static std::optional<Shared> shared;
  return shared;
}

// Ends the pairing after the last test, when one was started, and looks how.
class EndPairing : public ::testing::Environment {
 public:
  void TearDown() override {
    const std::optional<ExitStatus> status = V2rayPairing::Stop();
    ASSERT_TRUE(status) << "culvertd did not end on SIGTERM";
    EXPECT_EQ(status->code, 0) << "signal " << status->signal;
  }
};
const auto* const kEndPairing = ::testing::AddGlobalTestEnvironment(new EndPairing);

}  // namespace

std::string Combination::Name() const {
  std::string text = header.value_or("absent");
  text.erase(std::remove(text.begin(), text.end(), '-'), text.end());
  return absl::StrFormat("%s_%s_%s", role == Role::kCulvertDials ? "CulvertDials" : "CulvertListens", text,
                         has_seed ? "Seed" : "NoSeed");
}

const std::vector<std::optional<std::string>>& AllHeaders() {
  static const std::vector<std::optional<std::string>> headers = {std::nullopt,   "none", "srtp",     "utp",
                                                                  "wechat-video", "dtls", "wireguard"};
  return headers;
}

std::vector<Combination> AllCombinations() {
  std::vector<Combination> all;
  for (const Role role : {Role::kCulvertDials, Role::kCulvertListens}) {
    for (const bool has_seed : {false, true}) {
      for (const auto& header : AllHeaders()) all.push_back({role, header, has_seed});
    }
  }
  return all;
}

absl::StatusOr<V2rayPairing*> V2rayPairing::Get() {
  std::optional<Shared>& shared = TheShared();
  if (!shared) {
    shared.emplace();
    shared->pairing = std::make_unique<V2rayPairing>();
    shared->status = shared->pairing->Start();
  }
  if (!shared->status.ok()) return shared->status;
  return shared->pairing.get();
}

std::optional<ExitStatus> V2rayPairing::Stop() {
  std::optional<Shared>& shared = TheShared();
  std::optional<ExitStatus> status = ExitStatus{0, 0};
  if (shared && shared->pairing->daemon_) status = shared->pairing->daemon_->Stop();
  shared.reset();
  return status;
}

absl::Status V2rayPairing::Start() {
  CULVERT_ASSIGN_OR_RETURN(choice_, TcpServer::Start(Loopback(0), ChoiceHandler()));
  CULVERT_ASSIGN_OR_RETURN(greeter_, TcpServer::Start(Loopback(0), GreetingHandler(std::string(kGreeting))));
  CULVERT_ASSIGN_OR_RETURN(daemon_, Daemon::Start());
  V2rayOptions v2ray;
  std::string manifest;
  for (const Combination& combination : AllCombinations()) {
    const std::string name = absl::StrFormat("r%u", routes_.size());
    Route route{combination, {}, {}};
    route.choice = AddRoute(combination, name + "-choice", choice_->port(), v2ray, manifest);
    route.greeter = AddRoute(combination, name + "-greeter", greeter_->port(), v2ray, manifest);
    routes_.push_back(std::move(route));
  }
  (void)daemon_->directory().Write("seed", absl::StrFormat("%s\n", kSeed), 0600);
  CULVERT_ASSIGN_OR_RETURN(v2ray_, V2ray::Start(v2ray));
  const RunResult applied = daemon_->Apply(manifest);
  if (applied.exit_code != 0) {
    return absl::InternalError(absl::StrFormat("culvertctl apply ended with %d: %s", applied.exit_code, applied.err));
  }
  return absl::OkStatus();
}

SocketAddress V2rayPairing::AddRoute(const Combination& combination, const std::string& name, uint16_t destination,
                                     V2rayOptions& v2ray, std::string& manifest) {
  const SocketAddress client = Loopback(FreePort());
  const SocketAddress wire = Loopback(FreePort());
  V2rayKcp theirs{.header = combination.header};
  if (combination.has_seed) theirs.seed = kSeed;
  KcpText ours{.header = CulvertHeader(combination.header)};
  if (combination.has_seed) ours.seed_file = "seed";
  if (combination.role == Role::kCulvertDials) {
    manifest += TcpListener(name, client.ToString()) + KcpDialer(name, wire.ToString(), ours) +
                ForwardToDialer(name, name, name);
    v2ray.servers.push_back({wire, Loopback(destination), theirs});
  } else {
    manifest += KcpListener(name, wire.ToString(), ours) + ForwardDirect(name, name, Loopback(destination).ToString());
    v2ray.clients.push_back({client, wire, theirs});
  }
  return client;
}

SocketAddress V2rayPairing::ToChoice(const Combination& combination) const {
  for (const Route& route : routes_) {
    if (route.combination.Name() == combination.Name()) return route.choice;
  }
  CULVERT_CHECK(!"no such combination");
  return {};
}

SocketAddress V2rayPairing::ToGreeter(const Combination& combination) const {
  for (const Route& route : routes_) {
    if (route.combination.Name() == combination.Name()) return route.greeter;
  }
  CULVERT_CHECK(!"no such combination");
  return {};
}

std::string V2rayPairing::Logs() const { return "--- culvertd:\n" + daemon_->Log() + "--- v2ray:\n" + v2ray_->Log(); }

}  // namespace culvert::testing
