// DaemonService: the daemon itself.
#pragma once

#include "culvert/v1/daemon.grpc.pb.h"
#include "server/services/declared_service.h"

namespace culvert::server {

class DaemonService final : public v1::DaemonService::CallbackService {
 public:
  explicit DaemonService(const ServiceContext& context) : context_(context) {}

  grpc::ServerUnaryReactor* GetDaemon(grpc::CallbackServerContext* call, const v1::GetDaemonRequest*,
                                      v1::GetDaemonResponse* response) override {
    grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
    context_.supervisor->GetDaemon([response, reactor](absl::StatusOr<v1::Daemon> daemon) {
      if (daemon.ok()) *response->mutable_daemon() = *std::move(daemon);
      reactor->Finish(ToGrpcStatus(daemon.status()));
    });
    return reactor;
  }

 private:
  const ServiceContext context_;
};

}  // namespace culvert::server
