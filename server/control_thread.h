// ControlThread: a thread that runs what is posted to it, one after the other. The daemon's owns desired state and gives all changes
// one order: RPC handlers and workers only post to it; everything it runs may therefore use the supervisor's state without a lock. A
// second one (Supervisor::Aside) makes what takes long and changes nothing.
// Thread: Post, PostReply and Stop from any; RunAt from tasks on it only.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "core/base/time.h"

namespace culvert::server {

class ControlThread {
 public:
  using Task = std::function<void()>;

  // `capacity`: requests that may wait at a time. `name` and `niceness`: see core/io/thread_settings.h.
  explicit ControlThread(size_t capacity = 1024, const char* name = "control", int niceness = 0);
  ~ControlThread();  // stops
  ControlThread(const ControlThread&) = delete;
  ControlThread& operator=(const ControlThread&) = delete;

  // A new request. False, and no effect: too many are waiting, or the thread stopped.
  [[nodiscard]] bool Post(Task task);
  // The answer to something that was asked from this thread, so their number is bounded by what is asked. Never refused while
  // the thread runs; dropped after.
  void PostReply(Task task);
  // What is left of a long task that runs on this thread: behind all requests that wait now, so that they need not wait for the whole. Never
  // refused while the thread runs; dropped after.
  void PostRest(Task task);
  // Runs `task` at `when` (io::Now's clock) or soon after. Timers that are left when the thread stops do not run.
  void RunAt(TimePoint when, Task task);
  // Runs what was posted so far, then ends the thread. Idempotent.
  void Stop();

 private:
  void Run();

  const size_t capacity_;
  const char* const name_;
  const int niceness_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> requests_;  // and rests; guarded by mutex_, like all below
  std::deque<Task> replies_;   // run before requests: they free what requests wait for
  bool stopping_ = false;
  std::multimap<TimePoint, Task> timers_;  // the thread's own
  std::thread thread_;                     // last: it uses the others
};

}  // namespace culvert::server
