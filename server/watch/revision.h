// RevisionClock: the numbers of all that can be watched: changes of declared objects, sessions and events. One run of the daemon counts
// up from a number that no earlier run came to, so that a revision tells which run it is of.
// Thread: the control thread; made before it.
#pragma once

#include <cstdint>

namespace culvert::server {

class RevisionClock {
 public:
  // Bits for the changes of one run, and below the time at which it began: more than a million changes for every millisecond that
  // passes until the next start.
  static constexpr int kRunBits = 20;

  explicit RevisionClock(int64_t start_unix_ns) : first_((start_unix_ns / 1'000'000) << kRunBits), current_(first_) {}

  // Of the next change.
  int64_t Next() { return ++current_; }
  // Of the latest change; first() when there was none.
  [[nodiscard]] int64_t current() const { return current_; }
  [[nodiscard]] int64_t first() const { return first_; }
  // Whether this run gave `revision` to a change, or began with it.
  [[nodiscard]] bool IsOfThisRun(int64_t revision) const { return revision >= first_ && revision <= current_; }

 private:
  const int64_t first_;
  int64_t current_;
};

}  // namespace culvert::server
