// Calls somebody when nothing has happened for a while: the time limit of what waits in a call that blocks.
// Thread: all methods from any thread; the call comes on a thread of its own.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "core/base/time.h"

namespace culvert::cli {

class Alarm {
 public:
  // `on_ring` must not use the alarm.
  explicit Alarm(std::function<void()> on_ring);
  // Does not ring any more; waits for a ring that is under way.
  ~Alarm();
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  // Rings once, so much later, in place of what was set before.
  void Set(Duration later);
  void Clear();

 private:
  void Wait();

  const std::function<void()> on_ring_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<std::chrono::steady_clock::time_point> at_;
  bool done_ = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace culvert::cli
