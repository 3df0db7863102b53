#include "cli/target/client.h"

#include <chrono>

#include "absl/strings/str_format.h"
#include "cli/target/tls_probe.h"
#include "cli/text/escape.h"
#include "grpc/grpc.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "proto/manifest/manifest.h"

namespace culvert::cli {
namespace {

constexpr int kMaxMessageBytes = 16 << 20;
constexpr int kKeepaliveMs = 30'000;         // a peer or NAT that is gone is noticed; the daemon takes a ping every 10 s
constexpr int kKeepaliveTimeoutMs = 10'000;
constexpr Duration kTlsProbeLimit = std::chrono::seconds(2);

// Never given back. When the last channel goes, gRPC puts itself away and waits for a poller that it started if the socket was
// full once, for up to ten seconds; a command that has done its work should end.
void KeepGrpc() {
  [[maybe_unused]] static const bool kept = [] {
    grpc_init();
    return true;
  }();
}

grpc::ChannelArguments CommonArguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 500);  // who waits for a daemon that is started anew should not wait much longer
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return arguments;
}

}  // namespace

Client::Client(const Globals& globals, const Environment& environment) : globals_(globals), environment_(environment) {
  no_target_ = ResolveTarget(globals, environment, target_);
}

Outcome Client::Connect() {
  if (channel_) return std::nullopt;
  if (no_target_) return no_target_;
  return target_.socket_paths.empty() ? ConnectTcp() : ConnectUnix();
}

Outcome Client::ConnectUnix() {
  const auto path = WaitForSocket(target_.socket_paths, patience_);
  if (absl::IsPermissionDenied(path.status())) {
    return Fail(ExitCode::kDenied, "not allowed to use the control socket: " + std::string(path.status().message()),
                "run as root or as the daemon's user, or join the socket's group");
  }
  if (!path.ok()) {
    return Fail(ExitCode::kUnreachable, "cannot reach culvertd: " + std::string(path.status().message()),
                "is culvertd running? another socket is chosen with --address unix:PATH");
  }
  path_ = *path;
  KeepGrpc();
  grpc::ChannelArguments arguments = CommonArguments();
  // Windows that do not grow: what a command has not taken yet waits at the daemon, which then holds back who sends it. Over a
  // Unix socket there is no distance that a larger one would bridge.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  channel_ = grpc::CreateCustomChannel("unix:" + path_, grpc::InsecureChannelCredentials(), arguments);
  return std::nullopt;
}

Outcome Client::ConnectTcp() {
  if (Outcome failed = LoadTls(target_.tls, environment_, tls_)) return failed;
  KeepGrpc();
  grpc::ChannelArguments arguments = CommonArguments();
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // a stream may be silent for longer than two pings
  if (!target_.tls.server_name.empty()) arguments.SetSslTargetNameOverride(target_.tls.server_name);
  const grpc::SslCredentialsOptions options{tls_.ca_pem, tls_.key_pem, tls_.certificate_pem};
  channel_ = grpc::CreateCustomChannel("dns:///" + target_.host_port, grpc::SslCredentials(options), arguments);
  return std::nullopt;
}

void Client::SetDeadline(grpc::ClientContext& context, Duration timeout) {
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::duration_cast<std::chrono::system_clock::duration>(timeout));
}

Failure Client::Explain(const grpc::Status& status) const {
  Failure failure = FromServer(status);
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    failure.faults = {absl::StrFormat("no answer within %s", globals_.timeout_text)};
    failure.next = "give it longer with --request-timeout";
  } else if (status.error_code() == grpc::StatusCode::UNAVAILABLE &&
             ServerError::Decode(status).info.reason().empty()) {
    if (path_.empty()) {
      Failure found = ExplainTls(target_.host_port, target_.tls, tls_, kTlsProbeLimit, status.error_message());
      found.detail = std::move(failure.detail);
      return found;
    }
    failure.faults = {absl::StrFormat("lost culvertd at unix:%s: %s", Visible(path_), Visible(status.error_message()))};
  }
  return failure;
}

}  // namespace culvert::cli
