// DaemonService: the daemon itself.
#pragma once

#include "culvert/v1/daemon.grpc.pb.h"
#include "server/services/service_context.h"

namespace culvert::server {

class DaemonService final : public v1::DaemonService::CallbackService {
 public:
  explicit DaemonService(const ServiceContext& context) : context_(context) {}

  using Call = grpc::CallbackServerContext;
  using Reactor = grpc::ServerUnaryReactor;
  Reactor* GetDaemon(Call* call, const v1::GetDaemonRequest* request, v1::GetDaemonResponse* response) override;
  Reactor* StartDrain(Call* call, const v1::StartDrainRequest* request, v1::StartDrainResponse* response) override;
  Reactor* CancelDrain(Call* call, const v1::CancelDrainRequest* request, v1::CancelDrainResponse* response) override;
  Reactor* ReloadCredentials(Call* call, const v1::ReloadCredentialsRequest* request, v1::ReloadCredentialsResponse* response) override;
  Reactor* SetLogLevel(Call* call, const v1::SetLogLevelRequest* request, v1::SetLogLevelResponse* response) override;

 private:
  const ServiceContext context_;
};

}  // namespace culvert::server
