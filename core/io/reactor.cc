#include "core/io/reactor.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "core/base/check.h"
#include "core/io/monotonic_clock.h"
#include "core/io/socket_status.h"

namespace culvert::io {

static_assert(kReadable == EPOLLIN && kWritable == EPOLLOUT && kError == EPOLLERR && kHangUp == EPOLLHUP &&
              kPeerFinished == EPOLLRDHUP && kEdge == static_cast<uint32_t>(EPOLLET));

namespace {

epoll_event MakeEvent(int fd, uint32_t generation, uint32_t interest) {
  epoll_event event{};
  event.events = interest;
  event.data.u64 = static_cast<uint64_t>(generation) << 32 | static_cast<uint32_t>(fd);
  return event;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Reactor>> Reactor::Create() {
  FileDescriptor epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.is_open()) return SocketStatus("create an epoll set", errno);
  return std::unique_ptr<Reactor>(new Reactor(std::move(epoll)));
}

absl::Status Reactor::Add(int fd, uint32_t interest, IoHandler& handler) {
  CULVERT_CHECK(fd >= 0);
  if (static_cast<size_t>(fd) >= entries_.size()) entries_.resize(static_cast<size_t>(fd) + 1);
  Entry& entry = entries_[static_cast<size_t>(fd)];
  CULVERT_CHECK(entry.handler == nullptr);
  epoll_event event = MakeEvent(fd, ++entry.generation, interest);
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return SocketStatus("watch a socket", errno);
  entry.handler = &handler;
  return absl::OkStatus();
}

void Reactor::Modify(int fd, uint32_t interest) {
  CULVERT_CHECK(fd >= 0 && static_cast<size_t>(fd) < entries_.size());
  const Entry& entry = entries_[static_cast<size_t>(fd)];
  CULVERT_CHECK(entry.handler != nullptr);
  epoll_event event = MakeEvent(fd, entry.generation, interest);
  CULVERT_CHECK(epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0);
}

void Reactor::Remove(int fd) {
  if (fd < 0 || static_cast<size_t>(fd) >= entries_.size()) return;
  Entry& entry = entries_[static_cast<size_t>(fd)];
  if (entry.handler == nullptr) return;
  entry.handler = nullptr;
  ++entry.generation;
  // Needed even right before close(): a duplicate elsewhere would keep the open file, and with it the entry, alive.
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

size_t Reactor::Wait(std::optional<TimePoint> deadline) {
  std::array<epoll_event, kMaxReady> events;
  const int capacity = static_cast<int>(events.size());
  const Duration left = deadline ? std::max(*deadline - Now(), Duration::zero()) : Duration::zero();
  int count = -1;
  if (has_nanosecond_wait_) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
    const timespec timeout{.tv_sec = seconds.count(), .tv_nsec = (left - seconds).count()};
    count = epoll_pwait2(epoll_.get(), events.data(), capacity, deadline ? &timeout : nullptr, nullptr);
    if (count < 0 && errno != EINTR) has_nanosecond_wait_ = false;  // Linux before 5.11, or a filter that does not know it
  }
  if (count < 0 && !has_nanosecond_wait_) {
    const int64_t milliseconds = std::min<int64_t>(ToMilliseconds(left + std::chrono::nanoseconds(999'999)), 1 << 30);
    count = epoll_wait(epoll_.get(), events.data(), capacity, deadline ? static_cast<int>(milliseconds) : -1);
  }
  ready_count_ = 0;
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<size_t>(i)];
    ready_[ready_count_++] = {event.data.u64, event.events};
  }
  return ready_count_;
}

void Reactor::Dispatch() {
  for (size_t i = 0; i < ready_count_; ++i) {
    const Ready ready = ready_[i];
    const Entry& entry = entries_[static_cast<uint32_t>(ready.key)];
    if (entry.handler != nullptr && entry.generation == static_cast<uint32_t>(ready.key >> 32)) {
      entry.handler->OnIo(ready.bits);
    }
  }
  ready_count_ = 0;
}

}  // namespace culvert::io
