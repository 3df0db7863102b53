#include "cli/process/alarm.h"

#include <utility>

namespace culvert::cli {

Alarm::Alarm(std::function<void()> on_ring) : on_ring_(std::move(on_ring)), thread_([this] { Wait(); }) {}

Alarm::~Alarm() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    done_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Alarm::Set(Duration later) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    at_ = std::chrono::steady_clock::now() + later;
  }
  changed_.notify_one();
}

void Alarm::Clear() {
  const std::lock_guard<std::mutex> lock(mutex_);
  at_.reset();  // who waits for the old time finds nothing then
}

void Alarm::Wait() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!done_) {
    if (!at_) {
      changed_.wait(lock);
    } else if (std::chrono::steady_clock::now() < *at_) {
      const auto until = *at_;  // a copy: it may change while we wait
      changed_.wait_until(lock, until);
    } else {
      at_.reset();
      lock.unlock();
      on_ring_();
      lock.lock();
    }
  }
}

}  // namespace culvert::cli
