#include "server/control_server.h"

#include <grpc/grpc.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>

#include "absl/strings/str_cat.h"
#include "server/process.h"
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
constexpr int kMaxStreamsPerConnection = 100;

}  // namespace

struct ControlServer::Services {
  Services(const ServiceContext& context, StatsHub& hub)
      : listeners(context),
        dialers(context),
        forwards(context),
        sessions(context),
        config(context),
        daemon(context),
        observe(hub, context.supervisor->events()) {}
  ListenerService listeners;
  DialerService dialers;
  ForwardService forwards;
  SessionService sessions;
  ConfigService config;
  DaemonService daemon;
  ObserveService observe;
};

ControlServer::ControlServer() = default;
ControlServer::~ControlServer() { Shutdown(Duration::zero()); }

absl::StatusOr<std::unique_ptr<ControlServer>> ControlServer::Start(const std::string& path, Supervisor& supervisor,
                                                                    StatsHub& hub, const PageTokens& tokens) {
  // Held until the process ends: gRPC's own tear-down, which the last object to go would run, can wait 10 s for one of its
  // threads, and a stop must not.
  static const bool kept = (grpc_init(), true);
  static_cast<void>(kept);
  // Nothing else refers to the reflection library, so it does not register itself.
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::EnableDefaultHealthCheckService(true);
  std::unique_ptr<ControlServer> control(new ControlServer);
  control->services_ = std::make_unique<Services>(ServiceContext{&supervisor, &tokens}, hub);

  grpc::ServerBuilder builder;
  // A Unix socket: who may connect is decided by its mode and that of its folder.
  int bound = 0;
  builder.AddListeningPort("unix:" + path, grpc::InsecureServerCredentials(), &bound);
  builder.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  builder.SetMaxSendMessageSize(kMaxSendBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsPerConnection);
  builder.SetResourceQuota(grpc::ResourceQuota("control").Resize(kQuotaBytes));
  Services& services = *control->services_;
  for (grpc::Service* service : std::initializer_list<grpc::Service*>{
           &services.listeners, &services.dialers, &services.forwards, &services.sessions, &services.config,
           &services.daemon, &services.observe}) {
    builder.RegisterService(service);
  }
  {
    const SocketFileMode mode;
    control->server_ = builder.BuildAndStart();
  }
  if (control->server_ == nullptr || bound == 0) {
    return absl::FailedPreconditionError(absl::StrCat("--control: cannot listen on unix:", path));
  }
  return control;
}

void ControlServer::SetServing(bool is_serving) {
  grpc::HealthCheckServiceInterface* health = server_->GetHealthCheckService();
  for (const char* service : {"", "culvert.liveness", "culvert.readiness", "culvert.startup"}) {
    health->SetServingStatus(service, is_serving);
  }
}

void ControlServer::Shutdown(Duration grace) {
  if (server_ == nullptr) return;
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::duration_cast<std::chrono::microseconds>(grace));
  server_ = nullptr;
}

}  // namespace culvert::server
