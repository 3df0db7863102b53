#include "core/io/mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "core/io/socket_status.h"

namespace culvert::io {

absl::StatusOr<std::unique_ptr<Mailbox>> Mailbox::Create(size_t capacity) {
  FileDescriptor wake(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wake.is_open()) return SocketStatus("create an eventfd", errno);
  return std::unique_ptr<Mailbox>(new Mailbox(std::move(wake), capacity));
}

bool Mailbox::Post(Task task) {
  bool was_empty = false;
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || waiting_.size() >= capacity_) return false;
    was_empty = waiting_.empty();
    waiting_.push_back(std::move(task));
  }
  if (was_empty) Wake();
  return true;
}

void Mailbox::Wake() {
  const uint64_t one = 1;
  // The only failure is a full counter, and then the descriptor is readable already.
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
}

void Mailbox::Close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

size_t Mailbox::Drain() {
  // The counter is emptied before the queue: a Post in between wakes us once too often, never once too little.
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t bytes = ::read(wake_.get(), &count, sizeof count);
  {
    const std::lock_guard lock(mutex_);
    running_.swap(waiting_);
  }
  const size_t ran = running_.size();
  for (Task& task : running_) {
    task();
    task = nullptr;  // what the task holds is let go before the next one runs
  }
  running_.clear();
  return ran;
}

}  // namespace culvert::io
