#include "server/control_thread.h"

#include <utility>

#include "core/io/monotonic_clock.h"
#include "core/io/thread_settings.h"

namespace culvert::server {

ControlThread::ControlThread(size_t capacity, const char* name, int niceness)
    : capacity_(capacity), name_(name), niceness_(niceness), thread_([this] { Run(); }) {}

ControlThread::~ControlThread() { Stop(); }

bool ControlThread::Post(Task task) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || requests_.size() >= capacity_) return false;
    requests_.push_back(std::move(task));
  }
  changed_.notify_one();
  return true;
}

void ControlThread::PostReply(Task task) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    replies_.push_back(std::move(task));
  }
  changed_.notify_one();
}

void ControlThread::PostRest(Task task) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    requests_.push_back(std::move(task));
  }
  changed_.notify_one();
}

void ControlThread::RunAt(TimePoint when, Task task) { timers_.emplace(when, std::move(task)); }

void ControlThread::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void ControlThread::Run() {
  io::NameThread(name_);
  if (niceness_ != 0) io::SetThreadNiceness(niceness_);
  std::unique_lock lock(mutex_);
  for (;;) {
    Task task;
    if (!timers_.empty() && timers_.begin()->first <= io::Now()) {
      task = std::move(timers_.begin()->second);
      timers_.erase(timers_.begin());
    } else if (!replies_.empty()) {
      task = std::move(replies_.front());
      replies_.pop_front();
    } else if (!requests_.empty()) {
      task = std::move(requests_.front());
      requests_.pop_front();
    } else if (stopping_) {
      return;
    } else if (timers_.empty()) {
      changed_.wait(lock);
      continue;
    } else {
      changed_.wait_for(lock, timers_.begin()->first - io::Now());
      continue;
    }
    lock.unlock();
    task();
    task = nullptr;  // what it captured is destroyed outside the lock
    lock.lock();
  }
}

}  // namespace culvert::server
