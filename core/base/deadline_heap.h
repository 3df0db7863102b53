// DeadlineHeap: one deadline per key, cheap to move. A binary min-heap with a position index; keys are small integers
// (slot indexes), so that setting, moving and cancelling are O(log n) and allocate only when a key is new.
// Thread: confined to its owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/time.h"

namespace culvert {

class DeadlineHeap {
 public:
  // Sets or moves the deadline of `key`; kInfiniteFuture cancels it.
  void Set(uint32_t key, TimePoint when) {
    if (when == kInfiniteFuture) return Cancel(key);
    if (key >= position_.size()) position_.resize(key + 1, kAbsent);
    size_t at = position_[key];
    if (at == kAbsent) {
      at = heap_.size();
      heap_.push_back({when, key});
      position_[key] = at;
      SiftUp(at);
      return;
    }
    const TimePoint before = heap_[at].when;
    heap_[at].when = when;
    if (when < before) {
      SiftUp(at);
    } else if (before < when) {
      SiftDown(at);
    }
  }

  void Cancel(uint32_t key) {
    if (key >= position_.size() || position_[key] == kAbsent) return;
    const size_t at = position_[key];
    position_[key] = kAbsent;
    const Entry last = heap_.back();
    heap_.pop_back();
    if (at == heap_.size()) return;
    heap_[at] = last;
    position_[last.key] = at;
    SiftUp(at);
    SiftDown(position_[last.key]);
  }

  [[nodiscard]] bool Contains(uint32_t key) const { return key < position_.size() && position_[key] != kAbsent; }

  // The earliest deadline, nullopt when there is none.
  std::optional<TimePoint> Next() const {
    return heap_.empty() ? std::nullopt : std::optional<TimePoint>(heap_.front().when);
  }

  // Removes and returns one key whose deadline is at or before `now`.
  std::optional<uint32_t> PopDue(TimePoint now) {
    if (heap_.empty() || now < heap_.front().when) return std::nullopt;
    const uint32_t key = heap_.front().key;
    Cancel(key);
    return key;
  }

  size_t size() const { return heap_.size(); }

 private:
  struct Entry {
    TimePoint when;
    uint32_t key;
  };
  static constexpr size_t kAbsent = SIZE_MAX;

  void Place(size_t at, Entry entry) {
    heap_[at] = entry;
    position_[entry.key] = at;
  }
  void SiftUp(size_t at) {
    const Entry entry = heap_[at];
    while (at > 0) {
      const size_t parent = (at - 1) / 2;
      if (!(entry.when < heap_[parent].when)) break;
      Place(at, heap_[parent]);
      at = parent;
    }
    Place(at, entry);
  }
  void SiftDown(size_t at) {
    const Entry entry = heap_[at];
    for (;;) {
      size_t child = 2 * at + 1;
      if (child >= heap_.size()) break;
      if (child + 1 < heap_.size() && heap_[child + 1].when < heap_[child].when) ++child;
      if (!(heap_[child].when < entry.when)) break;
      Place(at, heap_[child]);
      at = child;
    }
    Place(at, entry);
  }

  std::vector<Entry> heap_;
  std::vector<size_t> position_;
};

}  // namespace culvert
