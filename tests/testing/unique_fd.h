// A file descriptor that closes itself, and the monotonic clock as a TimePoint, for the test programs.
#pragma once

#include <time.h>
#include <unistd.h>

#include <utility>

#include "core/base/time.h"

namespace culvert::testing {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
      Reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }
  void Reset() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

inline TimePoint MonotonicNow() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return TimePoint(std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec));
}

// What is left until `deadline` in the form ppoll wants; never negative.
inline timespec TimeUntil(TimePoint deadline, TimePoint now) {
  const Duration left = deadline > now ? deadline - now : Duration::zero();
  timespec result{};
  result.tv_sec = left.count() / 1'000'000'000;
  result.tv_nsec = left.count() % 1'000'000'000;
  return result;
}

}  // namespace culvert::testing
