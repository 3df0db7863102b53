// ControlServer: the gRPC server on the control socket, with all services, health and reflection.
// Limits: messages in 4 MiB and out 16 MiB, metadata 16 KiB, 64 MiB of buffers in all.
// Thread: main's.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/time.h"
#include "server/page.h"
#include "server/stats_hub.h"
#include "server/supervisor.h"

namespace culvert::server {

class ControlServer {
 public:
  // Binds `path`, which was prepared (process.h). The others outlive it. Errors: FAILED_PRECONDITION when it cannot be bound.
  static absl::StatusOr<std::unique_ptr<ControlServer>> Start(const std::string& path, Supervisor& supervisor,
                                                              StatsHub& hub, const PageTokens& tokens);
  ~ControlServer();

  // Health: "", culvert.liveness, culvert.readiness, culvert.startup.
  void SetServing(bool is_serving);
  // Takes no more calls and waits for those under way, at most `grace`; then cancels them. Idempotent.
  void Shutdown(Duration grace);

 private:
  struct Services;
  ControlServer();

  std::unique_ptr<Services> services_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace culvert::server
