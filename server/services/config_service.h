// ConfigService: many objects at once.
#pragma once

#include "culvert/v1/config.grpc.pb.h"
#include "server/services/service_context.h"

namespace culvert::server {

class ConfigService final : public v1::ConfigService::CallbackService {
 public:
  explicit ConfigService(const ServiceContext& context) : context_(context) {}

  using Call = grpc::CallbackServerContext;
  using Reactor = grpc::ServerUnaryReactor;
  Reactor* Apply(Call* call, const v1::ApplyRequest* request, v1::ApplyResponse* response) override;
  Reactor* Export(Call* call, const v1::ExportRequest* request, v1::ExportResponse* response) override;
  Reactor* GetConfigStatus(Call* call, const v1::GetConfigStatusRequest* request, v1::GetConfigStatusResponse* response) override;

 private:
  const ServiceContext context_;
};

}  // namespace culvert::server
