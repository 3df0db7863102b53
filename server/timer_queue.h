// Deadlines of one worker's parts. A Timer belongs to its part and disappears with it; nothing is called for one that is gone.
// Thread: confined to one worker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/deadline_heap.h"
#include "core/base/time.h"

namespace culvert::server {

class TimerHandler {
 public:
  virtual void OnTimer(TimePoint now) = 0;

 protected:
  ~TimerHandler() = default;
};

class TimerQueue {
 public:
  // Calls the handlers that are due, at most `limit`; the others wait for the next call.
  void RunDue(TimePoint now, size_t limit) {
    for (size_t i = 0; i < limit; ++i) {
      const std::optional<uint32_t> key = deadlines_.PopDue(now);
      if (!key) return;
      handlers_[*key]->OnTimer(now);
    }
  }
  [[nodiscard]] std::optional<TimePoint> Next() const { return deadlines_.Next(); }

 private:
  friend class Timer;

  uint32_t Add(TimerHandler& handler) {
    if (free_.empty()) {
      handlers_.push_back(&handler);
      return static_cast<uint32_t>(handlers_.size() - 1);
    }
    const uint32_t key = free_.back();
    free_.pop_back();
    handlers_[key] = &handler;
    return key;
  }
  void Remove(uint32_t key) {
    deadlines_.Cancel(key);
    handlers_[key] = nullptr;
    free_.push_back(key);
  }

  DeadlineHeap deadlines_;
  std::vector<TimerHandler*> handlers_;  // by key
  std::vector<uint32_t> free_;
};

// One deadline. `queue` and `handler` must outlive it.
class Timer {
 public:
  Timer(TimerQueue& queue, TimerHandler& handler) : queue_(queue), key_(queue.Add(handler)) {}
  ~Timer() { queue_.Remove(key_); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Sets or moves it; it fires once. kInfiniteFuture cancels.
  void Set(TimePoint when) { queue_.deadlines_.Set(key_, when); }
  void Cancel() { queue_.deadlines_.Cancel(key_); }
  [[nodiscard]] bool is_set() const { return queue_.deadlines_.Contains(key_); }

 private:
  TimerQueue& queue_;
  const uint32_t key_;
};

}  // namespace culvert::server
