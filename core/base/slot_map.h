// SlotMap: objects addressed by handles of index and generation. A handle whose object is gone finds nothing, so timers,
// queues and events may hold handles freely. Addresses of objects are stable until they are erased.
// Thread: confined to its owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "core/base/check.h"

namespace culvert {

// 0 is never a valid handle.
struct SlotHandle {
  uint32_t index = 0;
  uint32_t generation = 0;

  constexpr bool is_null() const { return generation == 0; }
  constexpr uint64_t packed() const { return static_cast<uint64_t>(generation) << 32 | index; }
  static constexpr SlotHandle FromPacked(uint64_t packed) {
    return {static_cast<uint32_t>(packed), static_cast<uint32_t>(packed >> 32)};
  }
  friend constexpr bool operator==(SlotHandle, SlotHandle) = default;
};

template <typename T>
class SlotMap {
 public:
  template <typename... Args>
  SlotHandle Emplace(Args&&... args) {
    uint32_t index;
    if (free_.empty()) {
      index = static_cast<uint32_t>(slots_.size());
      slots_.emplace_back();
    } else {
      index = free_.back();
      free_.pop_back();
    }
    Slot& slot = slots_[index];
    slot.object = std::make_unique<T>(std::forward<Args>(args)...);
    ++size_;
    return {index, slot.generation};
  }

  // The object, or nullptr when the handle is stale.
  T* Find(SlotHandle handle) {
    if (handle.index >= slots_.size()) return nullptr;
    Slot& slot = slots_[handle.index];
    return slot.generation == handle.generation ? slot.object.get() : nullptr;
  }
  const T* Find(SlotHandle handle) const { return const_cast<SlotMap*>(this)->Find(handle); }

  // The object in slot `index`, whatever its generation, or nullptr: for timers that are keyed by index and end with the object.
  T* At(uint32_t index) { return index < slots_.size() ? slots_[index].object.get() : nullptr; }

  // True when the handle named an object, which is destroyed.
  bool Erase(SlotHandle handle) {
    if (!Find(handle)) return false;
    Slot& slot = slots_[handle.index];
    slot.object.reset();
    if (++slot.generation == 0) slot.generation = 1;
    free_.push_back(handle.index);
    --size_;
    return true;
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // Calls visit(SlotHandle, T&) for every object. The visitor may erase the object it is given, nothing else.
  template <typename Visitor>
  void ForEach(Visitor&& visit) {
    for (uint32_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i].object) visit(SlotHandle{i, slots_[i].generation}, *slots_[i].object);
    }
  }
  template <typename Visitor>
  void ForEach(Visitor&& visit) const {
    for (uint32_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i].object) visit(SlotHandle{i, slots_[i].generation}, std::as_const(*slots_[i].object));
    }
  }

 private:
  struct Slot {
    std::unique_ptr<T> object;
    uint32_t generation = 1;
  };
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  size_t size_ = 0;
};

}  // namespace culvert
