// RouteFollower: tells a worker's owner of connections, a moment after addresses or routes of this machine have changed. Where the
// system does not let us hear of it, it says so once and stays silent.
// Thread: confined to one worker.
#pragma once

#include <optional>

#include "core/io/reactor.h"
#include "core/io/route_watch.h"
#include "server/timer_queue.h"

namespace culvert::server {

struct WorkerContext;

class RouteFollower final : private io::IoHandler, private TimerHandler {
 public:
  // One change comes as many messages: what follows within this time is one with it.
  static constexpr Duration kSettleTime = std::chrono::milliseconds(50);

  class Owner {
   public:
    virtual void OnRoutesChanged() = 0;

   protected:
    ~Owner() = default;
  };

  RouteFollower(WorkerContext& context, Owner& owner);
  ~RouteFollower();
  RouteFollower(const RouteFollower&) = delete;
  RouteFollower& operator=(const RouteFollower&) = delete;

  [[nodiscard]] bool is_watching() const { return watch_.has_value(); }

 private:
  void OnIo(uint32_t ready) override;
  void OnTimer(TimePoint now) override;

  WorkerContext& context_;
  Owner& owner_;
  std::optional<io::RouteWatch> watch_;
  Timer timer_;
  bool is_settling_ = false;
};

}  // namespace culvert::server
