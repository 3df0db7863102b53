#include "server/rollout.h"

#include <utility>

#include "core/io/monotonic_clock.h"
#include "server/error_builder.h"

namespace culvert::server {
namespace {

void AddAll(std::map<std::string, ObjectCounters>& into, const std::map<std::string, ObjectCounters>& from) {
  for (const auto& [name, counters] : from) into[name] += counters;
}

}  // namespace

Rollout::Rollout(ControlThread& thread, std::shared_ptr<const Routing> routing, MakeSockets make_sockets, Done done,
                 size_t workers)
    : thread_(thread),
      routing_(std::move(routing)),
      make_sockets_(std::move(make_sockets)),
      done_(std::move(done)),
      reports_left_(workers) {}

absl::Status Rollout::Begin(ControlThread& thread, const std::vector<WorkerControl*>& workers,
                            std::shared_ptr<const Routing> routing, MakeSockets make_sockets, Done done) {
  // All handles are made before any worker is told, so that running out of descriptors refuses the whole change.
  std::vector<std::vector<ListenerSocket>> sockets;
  for (size_t i = 0; i < workers.size(); ++i) {
    absl::StatusOr<std::vector<ListenerSocket>> made = make_sockets(i);
    if (!made.ok()) return std::move(made).status();
    sockets.push_back(*std::move(made));
  }
  const std::shared_ptr<Rollout> rollout(
      new Rollout(thread, std::move(routing), std::move(make_sockets), std::move(done), workers.size()));
  if (!rollout->Post(*workers[0], std::move(sockets[0]))) return ControlOverloaded();
  for (size_t i = 1; i < workers.size(); ++i) {
    if (!rollout->Post(*workers[i], std::move(sockets[i]))) rollout->PostUntilTaken(*workers[i], i);
  }
  return absl::OkStatus();
}

bool Rollout::Post(WorkerControl& worker, std::vector<ListenerSocket> sockets) {
  return worker.Update(routing_, std::move(sockets), [self = shared_from_this()](WorkerReport gone) {
    self->thread_.PostReply([self, report = std::make_shared<WorkerReport>(std::move(gone))] {
      self->OnReported(std::move(*report));
    });
  });
}

void Rollout::PostUntilTaken(WorkerControl& worker, size_t index) {
  thread_.RunAt(io::Now() + kRetryDelay, [self = shared_from_this(), &worker, index] {
    absl::StatusOr<std::vector<ListenerSocket>> sockets = self->make_sockets_(index);
    if (!sockets.ok() || !self->Post(worker, *std::move(sockets))) self->PostUntilTaken(worker, index);
  });
}

void Rollout::OnReported(WorkerReport gone) {
  AddAll(gone_.listeners, gone.listeners);
  AddAll(gone_.dialers, gone.dialers);
  AddAll(gone_.forwards, gone.forwards);
  if (--reports_left_ == 0) done_(std::move(gone_));
}

}  // namespace culvert::server
