#include "server/route_follower.h"

#include <string>
#include <utility>

#include "core/base/log.h"
#include "server/worker_context.h"

namespace culvert::server {

RouteFollower::RouteFollower(WorkerContext& context, Owner& owner)
    : context_(context), owner_(owner), timer_(context.timers, *this) {
  auto watch = io::RouteWatch::Open();
  absl::Status status = watch.status();
  if (watch.ok()) {
    watch_.emplace(*std::move(watch));
    status = context_.reactor->Add(watch_->fd(), io::kReadable, *this);
    if (!status.ok()) watch_.reset();
  }
  // Once for all workers, which are all refused alike.
  if (!status.ok() && context_.index == 0) {
    Log(LogLevel::kWarning, "worker", "changes of local addresses go unnoticed; QUIC sessions do not move to a new one",
        {{"error", std::string(status.message())}});
  }
}

RouteFollower::~RouteFollower() {
  if (watch_) context_.reactor->Remove(watch_->fd());
}

void RouteFollower::OnIo(uint32_t /*ready*/) {
  if (!watch_->TakeChanges() || std::exchange(is_settling_, true)) return;
  timer_.Set(context_.now + kSettleTime);
}

void RouteFollower::OnTimer(TimePoint /*now*/) {
  is_settling_ = false;
  owner_.OnRoutesChanged();
}

}  // namespace culvert::server
