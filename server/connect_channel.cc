#include "server/connect_channel.h"

#include <utility>

namespace culvert::server {
namespace {

// Runs `change` under the lock and then `wake`, a copy of which it took there.
template <typename Change>
void Locked(std::mutex& mutex, const std::function<void()>& wake, Change&& change) {
  std::function<void()> call;
  {
    const std::lock_guard lock(mutex);
    change();
    call = wake;
  }
  if (call) call();
}

}  // namespace

void ConnectChannel::SetCallerWake(std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  wake_caller_ = std::move(wake);
}

void ConnectChannel::SetWorkerWake(std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  wake_worker_ = std::move(wake);
}

bool ConnectChannel::CallerMaySend() {
  const std::lock_guard lock(mutex_);
  return from_caller_.bytes < kMostBytes && !outcome_;
}

void ConnectChannel::CallerSend(std::string message) {
  Locked(mutex_, wake_worker_, [&] {
    if (outcome_ || from_caller_.is_finished) return;
    from_caller_.bytes += message.size() + kMessageOverhead;
    from_caller_.messages.push_back(std::move(message));
  });
}

void ConnectChannel::CallerFinish() {
  Locked(mutex_, wake_worker_, [&] { from_caller_.is_finished = true; });
}

void ConnectChannel::CallerAbort() {
  Locked(mutex_, wake_worker_, [&] { caller_is_gone_ = true; });
}

std::optional<ConnectChannel::Opened> ConnectChannel::TakeOpened() {
  const std::lock_guard lock(mutex_);
  return std::exchange(opened_, std::nullopt);
}

bool ConnectChannel::CallerReceive(std::string& message) {
  bool had_room = true;
  std::function<void()> wake;
  {
    const std::lock_guard lock(mutex_);
    if (to_caller_.messages.empty()) return false;
    had_room = to_caller_.bytes < kMostBytes;
    message = std::move(to_caller_.messages.front());
    to_caller_.messages.pop_front();
    to_caller_.bytes -= message.size() + kMessageOverhead;
    if (!had_room && to_caller_.bytes < kMostBytes) wake = wake_worker_;
  }
  Wake(wake);
  return true;
}

bool ConnectChannel::TakeFarFinish() {
  const std::lock_guard lock(mutex_);
  if (!to_caller_.is_finished || !to_caller_.messages.empty()) return false;
  return !std::exchange(finish_told_, true);
}

std::optional<ConnectChannel::Outcome> ConnectChannel::outcome() {
  const std::lock_guard lock(mutex_);
  return outcome_;
}

bool ConnectChannel::WorkerReceive(std::string& message) {
  std::function<void()> wake;
  {
    const std::lock_guard lock(mutex_);
    if (from_caller_.messages.empty()) return false;
    const bool had_room = from_caller_.bytes < kMostBytes;
    message = std::move(from_caller_.messages.front());
    from_caller_.messages.pop_front();
    from_caller_.bytes -= message.size() + kMessageOverhead;
    if (!had_room && from_caller_.bytes < kMostBytes) wake = wake_caller_;
  }
  Wake(wake);
  return true;
}

bool ConnectChannel::HasForWorker() {
  const std::lock_guard lock(mutex_);
  return !from_caller_.messages.empty();
}

bool ConnectChannel::IsCallerFinished() {
  const std::lock_guard lock(mutex_);
  return from_caller_.is_finished && from_caller_.messages.empty();
}

bool ConnectChannel::IsCallerGone() {
  const std::lock_guard lock(mutex_);
  return caller_is_gone_;
}

size_t ConnectChannel::WorkerRoom() {
  const std::lock_guard lock(mutex_);
  return to_caller_.bytes < kMostBytes && !caller_is_gone_ ? kMostBytes - to_caller_.bytes : 0;
}

void ConnectChannel::WorkerSend(std::string message) {
  Locked(mutex_, wake_caller_, [&] {
    to_caller_.bytes += message.size() + kMessageOverhead;
    to_caller_.messages.push_back(std::move(message));
  });
}

void ConnectChannel::WorkerFinish() {
  Locked(mutex_, wake_caller_, [&] { to_caller_.is_finished = true; });
}

void ConnectChannel::Open(Opened opened) {
  Locked(mutex_, wake_caller_, [&] { opened_ = std::move(opened); });
}

void ConnectChannel::End(Outcome outcome) {
  Locked(mutex_, wake_caller_, [&] {
    if (!outcome_) outcome_ = std::move(outcome);
  });
}

}  // namespace culvert::server
