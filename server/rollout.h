// Rollout: puts one routing into force on every worker and gathers what they say of the objects that went.
// Thread: the control thread.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "server/control_thread.h"
#include "server/worker.h"

namespace culvert::server {

class Rollout : public std::enable_shared_from_this<Rollout> {
 public:
  // The sockets of listeners that are new in the routing, for one worker. Called anew when a worker's mailbox was full, as the
  // sockets given with a refused call are gone.
  using MakeSockets = std::function<absl::StatusOr<std::vector<ListenerSocket>>(size_t worker)>;
  // The final counters of the objects that went, all workers together.
  using Done = std::function<void(WorkerReport gone)>;
  static constexpr Duration kRetryDelay = std::chrono::milliseconds(10);

  // The first worker decides: UNAVAILABLE when it takes nothing now, or the error of MakeSockets, and nothing has happened.
  // After it has accepted, the others are asked until they accept too, and `done` is called once all have reported.
  static absl::Status Begin(ControlThread& thread, const std::vector<WorkerControl*>& workers,
                            std::shared_ptr<const Routing> routing, MakeSockets make_sockets, Done done);

 private:
  Rollout(ControlThread& thread, std::shared_ptr<const Routing> routing, MakeSockets make_sockets, Done done,
          size_t workers);
  [[nodiscard]] bool Post(WorkerControl& worker, std::vector<ListenerSocket> sockets);
  void PostUntilTaken(WorkerControl& worker, size_t index);
  void OnReported(WorkerReport gone);

  ControlThread& thread_;
  const std::shared_ptr<const Routing> routing_;
  const MakeSockets make_sockets_;
  const Done done_;
  size_t reports_left_;
  WorkerReport gone_;
};

}  // namespace culvert::server
