#include "server/control_server.h"

#include <grpc/grpc.h>
#include <grpc/grpc_security_constants.h>
#include <grpcpp/ext/channelz_service_plugin.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/address.h"
#include "core/base/log.h"
#include "core/io/monotonic_clock.h"
#include "server/access/call_book.h"
#include "server/access/standing_calls.h"
#include "server/access/stock_gate.h"
#include "server/access/tcp_door.h"
#include "server/access/tls_callers.h"
#include "server/access/unix_door.h"
#include "server/process.h"
#include "server/services/access_service.h"
#include "server/services/audit.h"
#include "server/services/config_service.h"
#include "server/services/daemon_service.h"
#include "server/services/declared_services.h"
#include "server/services/observe_service.h"
#include "server/services/session_service.h"

namespace culvert::server {
namespace {

constexpr int kMaxReceiveBytes = 4 << 20;
constexpr int kMaxSendBytes = 16 << 20;
constexpr int kMaxMetadataBytes = 16 << 10;
constexpr size_t kQuotaBytes = 64 << 20;
constexpr int kMaxThreads = 16;
constexpr int kMaxStreamsPerConnection = 100;
constexpr int kMillisecondsPerSecond = 1000;
// Pings are never too many. gRPC 1.51 would end a connection for them, but not while a write is under way, which it is for ever when the
// peer sends and does not read: until then it goes on reading, and keeps a kilobyte of error for every ping more (300 MiB in 6 s).
// Without strikes it stops reading when 10,000 answers wait.
constexpr int kMaxPingStrikes = 0;
constexpr int kUnixHandshakeMs = 10 * kMillisecondsPerSecond;
constexpr int kTcpIdleMs = 15 * 60 * kMillisecondsPerSecond;
constexpr int kTcpAgeMs = 60 * 60 * kMillisecondsPerSecond;
constexpr int kTcpAgeGraceMs = 30 * kMillisecondsPerSecond;
constexpr int kTcpKeepaliveMs = 60 * kMillisecondsPerSecond;
constexpr int kTcpKeepaliveTimeoutMs = 20 * kMillisecondsPerSecond;
constexpr unsigned kCertificateRefreshSeconds = 10;

using SystemTime = std::chrono::system_clock::time_point;

// Services of one gRPC server.
struct Services {
  Services(const ServiceContext& context, StatsHub& hub)
      : listeners(context), dialers(context), forwards(context), sessions(context), config(context), daemon(context), access(context),
        observe(context, hub) {}
  void Register(grpc::ServerBuilder& builder) {
    for (grpc::Service* service : std::initializer_list<grpc::Service*>{&listeners, &dialers, &forwards, &sessions, &config, &daemon,
                                                                        &access, &observe}) {
      builder.RegisterService(service);
    }
  }
  ListenerService listeners;
  DialerService dialers;
  ForwardService forwards;
  SessionService sessions;
  ConfigService config;
  DaemonService daemon;
  AccessService access;
  ObserveService observe;
};

// Takes the stock services away that a server's callers are not to have: they register themselves with every server.
class Without final : public grpc::ServerBuilderOption {
 public:
  explicit Without(std::set<std::string> plugins) : plugins_(std::move(plugins)) {}
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    std::erase_if(*plugins, [this](const auto& plugin) { return plugins_.contains(plugin->name()); });
  }

 private:
  const std::set<std::string> plugins_;
};

// As their plugins call themselves.
constexpr char kReflection[] = "proto_server_reflection";
constexpr char kChannelz[] = "channelz_service";

void SetLimits(const grpc::ResourceQuota& quota, int handshake_ms, grpc::ServerBuilder& builder) {
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, handshake_ms);
  builder.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  builder.SetMaxSendMessageSize(kMaxSendBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsPerConnection);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, kMaxPingStrikes);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.SetResourceQuota(quota);
}

}  // namespace

// What all servers share.
struct ControlServer::Shared {
  Shared(std::unique_ptr<AccessBook> access_book, Supervisor& supervisor_in, StatsHub& hub_in, const PageTokens& tokens_in)
      : access(std::move(access_book)), supervisor(supervisor_in), hub(hub_in), tokens(tokens_in) {
    quota.Resize(kQuotaBytes).SetMaxThreads(kMaxThreads);
  }

  ServiceContext ContextFor(const CallerSource& callers) { return {&supervisor, &tokens, &callers, calls, &standing}; }

  void Add(grpc::Server& server) {
    const std::lock_guard lock(mutex);
    servers.insert(&server);
    SetHealth(server, is_serving);
  }
  void Remove(grpc::Server& server) {
    const std::lock_guard lock(mutex);
    servers.erase(&server);
  }
  static void SetHealth(grpc::Server& server, bool serving) {
    grpc::HealthCheckServiceInterface* health = server.GetHealthCheckService();
    for (const char* service : {"", "culvert.liveness", "culvert.readiness", "culvert.startup"}) {
      health->SetServingStatus(service, serving);
    }
  }

  // The control thread.
  void LookAtPolicy() {
    const AccessBook::Look look = access->LookAgain();
    if (!look.fault.ok()) {
      const std::string fault(look.fault.message());
      Log(LogLevel::kError, "control", "the changed access policy is not used; what it was stays in force", {{"error", fault}});
      supervisor.RecordEvent(EventType::kWarning, "AccessPolicyNotTaken", "daemon", fault);
    }
    if (!look.has_changed) return;
    Log(LogLevel::kInfo, "control", "the access policy was read again and is in force");
    supervisor.RecordEvent(EventType::kNormal, "AccessPolicyTaken", "daemon", "read again");
    standing.LookAgain(*access->policy());
    const std::lock_guard lock(mutex);
    if (door != nullptr) door->SetPolicy(access->policy());
  }

  const std::unique_ptr<AccessBook> access;
  Supervisor& supervisor;
  StatsHub& hub;
  const PageTokens& tokens;
  const std::shared_ptr<CallBook> calls = std::make_shared<CallBook>();
  StandingCalls standing;
  grpc::ResourceQuota quota{"control"};
  const OnRefused on_refused = [this](const std::string& who, const std::string& why) {
    supervisor.RecordEvent(EventType::kWarning, "CallerRefused", "daemon", who + " " + why);
  };
  std::atomic<SystemTime> shutdown_deadline{SystemTime::min()};  // of rooms that are ended
  std::mutex mutex;
  std::set<grpc::Server*> servers;  // guarded by mutex
  bool is_serving = false;          // guarded by mutex

  std::unique_ptr<UnixDoor> door;  // guarded by mutex
  std::unique_ptr<TlsCallers> tls_callers;
  std::unique_ptr<Services> tcp_services;
  std::unique_ptr<grpc::Server> tcp_server;
  std::unique_ptr<TcpDoor> tcp_door;  // goes before the server
};

// A server of one caller on the Unix socket.
class ControlServer::Room final : public CallerRoom {
 public:
  Room(Shared& shared, const Caller& caller) : shared_(shared), caller_(caller), services_(shared.ContextFor(caller_), shared.hub) {
    grpc::ServerBuilder builder;
    acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, grpc::InsecureServerCredentials());
    SetLimits(shared.quota, kUnixHandshakeMs, builder);
    // Channelz tells of all servers in the process, and so of other callers.
    if (caller.role < v1::ROLE_ADMIN) builder.SetOption(std::make_unique<Without>(std::set<std::string>{kChannelz}));
    services_.Register(builder);
    server_ = builder.BuildAndStart();
    if (server_ != nullptr) shared_.Add(*server_);
  }
  ~Room() override {
    if (server_ == nullptr) return;
    shared_.Remove(*server_);
    server_->Shutdown(shared_.shutdown_deadline.load());
  }

  bool Enter(io::FileDescriptor socket) override {
    if (server_ == nullptr) return false;
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
    parameters.fd = socket.Release();
    acceptor_->HandleNewConnection(&parameters);
    return true;
  }

 private:
  Shared& shared_;
  const FixedCaller caller_;
  Services services_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;
};

ControlServer::ControlServer(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
ControlServer::~ControlServer() { Shutdown(Duration::zero()); }

absl::StatusOr<std::unique_ptr<ControlServer>> ControlServer::Start(const Options& options, std::unique_ptr<AccessBook> access,
                                                                    Supervisor& supervisor, StatsHub& hub, const PageTokens& tokens) {
  // Held until the process ends: gRPC's own tear-down, which the last object to go would run, can wait 10 s for one of its
  // threads, and a stop must not.
  static const bool kept = [] {
    grpc_init();
    // Nothing else refers to these libraries, so they do not register themselves.
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::channelz::experimental::InitChannelzService();
    grpc::EnableDefaultHealthCheckService(true);
    return true;
  }();
  static_cast<void>(kept);
  std::unique_ptr<ControlServer> control(new ControlServer(std::make_shared<Shared>(std::move(access), supervisor, hub, tokens)));
  Shared& shared = *control->shared_;
  auto door = UnixDoor::Open(
      options.path, shared.access->policy(), [&shared](const Caller& caller) { return std::make_unique<Room>(shared, caller); },
      shared.on_refused);
  if (!door.ok()) {
    return absl::FailedPreconditionError(absl::StrCat("--control: cannot listen on unix:", options.path, ": ", std::string(door.status().message())));
  }
  {
    const std::lock_guard lock(shared.mutex);
    shared.door = *std::move(door);
  }
  if (options.tcp) {
    if (absl::Status status = control->OpenTcp(*options.tcp); !status.ok()) return status;
  }
  supervisor.EverySecond([weak = std::weak_ptr<Shared>(control->shared_)] {
    const std::shared_ptr<Shared> living = weak.lock();
    if (living == nullptr) return;
    living->calls->Expire(io::Now());
    living->LookAtPolicy();
  });
  return control;
}

absl::Status ControlServer::OpenTcp(const ControlTcpOptions& options) {
  Shared& shared = *shared_;
  shared.tls_callers = std::make_unique<TlsCallers>(*shared.access);
  shared.tcp_services = std::make_unique<Services>(shared.ContextFor(*shared.tls_callers), shared.hub);
  auto provider = std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
      options.private_key_file, options.certificate_file, options.trust_file, kCertificateRefreshSeconds);
  grpc::experimental::TlsServerCredentialsOptions tls(provider);
  tls.watch_root_certs();
  tls.watch_identity_key_cert_pairs();
  tls.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  const std::shared_ptr<grpc::ServerCredentials> credentials = grpc::experimental::TlsServerCredentials(tls);
  credentials->SetAuthMetadataProcessor(std::make_shared<StockGate>(
      *shared.access, [](const std::string& method, const Caller& caller, const absl::Status& why) { AuditRefusal(method, caller, why); }));
  grpc::ServerBuilder builder;
  std::shared_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, credentials);
  SetLimits(shared.quota, static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(options.handshake_timeout).count()), builder);
  std::set<std::string> without{kChannelz};
  if (!options.reflection) without.insert(kReflection);
  builder.SetOption(std::make_unique<Without>(std::move(without)));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kTcpIdleMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, kTcpAgeMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, kTcpAgeGraceMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kTcpKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kTcpKeepaliveTimeoutMs);
  shared.tcp_services->Register(builder);
  shared.tcp_server = builder.BuildAndStart();
  if (shared.tcp_server == nullptr) return absl::FailedPreconditionError("--control-tcp: cannot serve TLS");
  const absl::StatusOr<SocketAddress> bind = SocketAddress::Parse(options.bind);
  if (!bind.ok()) return bind.status();
  absl::StatusOr<std::unique_ptr<TcpDoor>> door = TcpDoor::Open(
      *bind,
      [acceptor = std::move(acceptor)](io::FileDescriptor socket) {
        grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
        parameters.fd = socket.Release();
        acceptor->HandleNewConnection(&parameters);
      },
      shared.on_refused);
  if (!door.ok()) {
    return absl::FailedPreconditionError(absl::StrCat("--control-tcp: cannot listen on ", options.bind, ": ", door.status().message()));
  }
  shared.tcp_door = *std::move(door);
  shared.Add(*shared.tcp_server);
  return absl::OkStatus();
}

int ControlServer::tcp_port() const { return shared_->tcp_door != nullptr ? shared_->tcp_door->port() : 0; }

void ControlServer::SetServing(bool is_serving) {
  const std::lock_guard lock(shared_->mutex);
  shared_->is_serving = is_serving;
  for (grpc::Server* server : shared_->servers) Shared::SetHealth(*server, is_serving);
}

void ControlServer::Shutdown(Duration grace) {
  Shared& shared = *shared_;
  shared.shutdown_deadline = std::chrono::system_clock::now() + std::chrono::duration_cast<std::chrono::microseconds>(grace);
  if (shared.tcp_door != nullptr) shared.tcp_door->Close();
  if (shared.tcp_server != nullptr) {
    shared.Remove(*shared.tcp_server);
    shared.tcp_server->Shutdown(shared.shutdown_deadline.load());
    shared.tcp_server = nullptr;
  }
  std::unique_ptr<UnixDoor> door;
  {
    const std::lock_guard lock(shared.mutex);
    door = std::move(shared.door);
  }
  if (door != nullptr) door->Close();
}

}  // namespace culvert::server
