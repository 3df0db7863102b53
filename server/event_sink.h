// EventSink: what a worker has to tell people, for the daemon's list of events. Bounded: beyond kPerSecond a second they are counted and told
// with the next one.
// Thread: confined to one worker.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "core/base/time.h"

namespace culvert::server {

struct WorkerEvent {
  bool is_warning = false;
  std::string reason;   // CamelCase
  std::string subject;  // "forward/NAME"
  std::string message;  // for people; no secrets, no control characters
};

class EventSink {
 public:
  static constexpr uint32_t kPerSecond = 50;

  // `tell` may be called from any worker's thread; empty: nobody listens.
  void Open(std::function<void(WorkerEvent)> tell) { tell_ = std::move(tell); }

  // False: it was only counted, or nobody listens.
  bool Emit(TimePoint now, WorkerEvent event) {
    if (!tell_) return false;
    if (now - window_began_ >= std::chrono::seconds(1)) {
      window_began_ = now;
      told_ = 0;
    }
    if (++told_ > kPerSecond) {
      ++suppressed_;
      return false;
    }
    if (suppressed_ > 0) {
      tell_({true, "EventsSuppressed", "daemon", std::to_string(std::exchange(suppressed_, 0)) + " events came too fast to be told"});
    }
    tell_(std::move(event));
    return true;
  }

 private:
  std::function<void(WorkerEvent)> tell_;
  TimePoint window_began_{};
  uint32_t told_ = 0;
  uint64_t suppressed_ = 0;
};

}  // namespace culvert::server
