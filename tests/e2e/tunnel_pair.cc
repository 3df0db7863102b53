#include "tests/e2e/tunnel_pair.h"

#include <poll.h>
#include <signal.h>

#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"
#include "tests/testing/free_port.h"

namespace culvert::testing {
namespace {

absl::StatusOr<SocketAddress> FreeAddress(const std::string& host) {
  return SocketAddress::Parse(absl::StrFormat("%s:%u", host, FreePort()));
}

void Collect(const nlohmann::json& node, const std::string& key, std::vector<nlohmann::json>& found) {
  if (node.is_object()) {
    for (const auto& [name, value] : node.items()) {
      if (name == key) found.push_back(value);
      Collect(value, key, found);
    }
  } else if (node.is_array()) {
    for (const nlohmann::json& value : node) Collect(value, key, found);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Daemon>> StartWith(const std::string& manifest, const DaemonOptions& options) {
  CULVERT_ASSIGN_OR_RETURN(std::unique_ptr<Daemon> daemon, Daemon::Start(options));
  (void)daemon->directory().Write("seed", absl::StrFormat("%s\n", TunnelPair::kSeed), 0600);
  const RunResult applied = daemon->Apply(manifest);
  if (applied.exit_code != 0) {
    return absl::InternalError(
        absl::StrFormat("apply ended with %d: %s\n%s", applied.exit_code, applied.err, daemon->Log()));
  }
  return daemon;
}

absl::StatusOr<std::unique_ptr<TunnelPair>> TunnelPair::Start(TunnelOptions options) {
  std::unique_ptr<TunnelPair> pair(new TunnelPair);
  if (options.has_seed) options.kcp.seed_file = "seed";
  CULVERT_ASSIGN_OR_RETURN(pair->entrance_, FreeAddress(options.host));
  CULVERT_ASSIGN_OR_RETURN(pair->wire_, FreeAddress(options.host));
  CULVERT_ASSIGN_OR_RETURN(SocketAddress application, FreeAddress(options.host));
  application.port = 0;
  CULVERT_ASSIGN_OR_RETURN(pair->application_, TcpServer::Start(application, options.application));
  const std::string target = options.via.value_or(pair->wire_).ToString();
  const std::string wire = pair->wire_.ToString();
  std::string dialer, listener;
  if (options.quic) {
    QuicText near = *options.quic, far = *options.quic;
    near.tls = options.near_tls;
    far.tls = options.far_tls;
    dialer = QuicDialer(kDialer, target, near, options.dialer_spec);
    listener = QuicListener(kWire, wire, far);
  } else {
    KcpText near = options.kcp, far = options.kcp;
    near.tls = options.near_tls;
    near.is_insecure = options.near_is_insecure;
    far.tls = options.far_tls;
    dialer = KcpDialer(kDialer, target, near);
    listener = KcpListener(kWire, wire, far);
  }
  pair->near_manifest_ =
      TcpListener(kListener, pair->entrance_.ToString()) + dialer + ForwardToDialer(kForward, kListener, kDialer);
  pair->far_manifest_ = listener + ForwardDirect(kForward, kWire, pair->application_->address().ToString());
  pair->options_ = options;
  CULVERT_ASSIGN_OR_RETURN(pair->near_, StartWith(pair->near_manifest_, options.near));
  CULVERT_ASSIGN_OR_RETURN(pair->far_, StartWith(pair->far_manifest_, options.far));
  return pair;
}

absl::Status TunnelPair::RestartFar() {
  far_.reset();
  CULVERT_ASSIGN_OR_RETURN(far_, StartWith(far_manifest_, options_.far));
  return absl::OkStatus();
}

absl::Status TunnelPair::KillAndRestartFar() {
  if (!far_->process().Stop(SIGKILL, std::chrono::seconds(10))) return absl::InternalError("the far end did not end");
  return RestartFar();
}

std::vector<nlohmann::json> FindAll(const std::string& json, const std::string& key) {
  std::vector<nlohmann::json> found;
  const auto parsed = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_discarded()) Collect(parsed, key, found);
  return found;
}

uint64_t SumOf(const std::string& json, const std::string& key) {
  uint64_t sum = 0;
  for (const nlohmann::json& value : FindAll(json, key)) {
    sum += value.is_string() ? std::stoull(value.get<std::string>()) : value.get<uint64_t>();
  }
  return sum;
}

bool Eventually(const std::function<bool()>& condition, Duration limit) {
  const TimePoint deadline = MonotonicNow() + limit;
  while (!condition()) {
    if (MonotonicNow() >= deadline) return false;
    (void)poll(nullptr, 0, 20);
  }
  return true;
}

}  // namespace culvert::testing
