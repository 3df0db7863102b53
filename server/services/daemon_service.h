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
  Reactor* SetLogLevel(Call* call, const v1::SetLogLevelRequest* request, v1::SetLogLevelResponse* response) override;

 private:
  const ServiceContext context_;
};

}  // namespace culvert::server
