// PacketQueue: datagrams that wait, in order, in one piece of memory. Bounded in number and in bytes; when one more does not fit, the
// oldest go and are counted: what is late is worth the least. Memory is taken when something waits, grows by doubling and is kept, so
// that a queue in use does not allocate.
// Thread: confined to its owner.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

#include "core/base/bytes.h"

namespace culvert {

class PacketQueue {
 public:
  struct Limits {
    size_t packets = 256;
    size_t bytes = 4 << 20;  // with kOverhead for each
  };
  static constexpr size_t kOverhead = 8;
  // What an empty queue keeps; a larger piece of memory is given back.
  static constexpr size_t kMostKeptBytes = 256 << 10;

  PacketQueue() : PacketQueue(Limits{}) {}
  explicit PacketQueue(Limits limits) : limits_(limits) {}
  // What waits beyond new limits goes with the next Push.
  void set_limits(Limits limits) { limits_ = limits; }

  // Puts `head` and `payload` at the end as one packet. False: it alone is more than the queue may hold; it is dropped and counted.
  bool Push(ByteView head, ByteView payload) {
    const size_t size = head.size() + payload.size();
    const size_t needed = Occupied(size);
    if (needed > limits_.bytes || limits_.packets == 0) {
      ++dropped_;
      return false;
    }
    while (count_ > 0 && (count_ >= limits_.packets || used_ + needed > limits_.bytes)) {
      Pop();
      ++dropped_;
    }
    uint8_t* at = Place(needed);
    const auto stored = static_cast<uint32_t>(size);
    std::memcpy(at, &stored, sizeof stored);
    at += kOverhead;
    if (!head.empty()) std::memcpy(at, head.data(), head.size());
    if (!payload.empty()) std::memcpy(at + head.size(), payload.data(), payload.size());
    ++count_;
    used_ += needed;
    payload_bytes_ += size;
    return true;
  }

  // Whether a packet of so many bytes can be added and all that wait stay.
  [[nodiscard]] bool HasRoomFor(size_t size) const { return count_ < limits_.packets && used_ + Occupied(size) <= limits_.bytes; }
  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] size_t size() const { return count_; }
  // Of the packets themselves.
  [[nodiscard]] size_t bytes() const { return payload_bytes_; }
  [[nodiscard]] uint64_t dropped() const { return dropped_; }

  // The oldest; good until Push, Pop or Clear. REQUIRES: not empty.
  [[nodiscard]] ByteView front() const {
    const size_t at = Oldest();
    return {memory_.get() + at + kOverhead, SizeAt(at)};
  }
  // REQUIRES: not empty.
  void Pop() {
    const size_t at = Oldest();
    if (at != begin_) is_wrapped_ = false;
    const size_t size = SizeAt(at);
    begin_ = at + Occupied(size);
    --count_;
    used_ -= Occupied(size);
    payload_bytes_ -= size;
    if (count_ == 0) Rewind();
  }
  void Clear() {
    count_ = used_ = payload_bytes_ = 0;
    Rewind();
  }

 private:
  // [begin_, end_) is in use, or, once it has wrapped, [begin_, wrapped_at_) and [0, end_).
  static size_t Occupied(size_t size) { return kOverhead + ((size + 7) & ~size_t{7}); }
  [[nodiscard]] size_t Oldest() const { return is_wrapped_ && begin_ == wrapped_at_ ? 0 : begin_; }
  [[nodiscard]] size_t SizeAt(size_t at) const {
    uint32_t size;
    std::memcpy(&size, memory_.get() + at, sizeof size);
    return size;
  }

  uint8_t* Place(size_t needed) {
    if (is_wrapped_ && begin_ == wrapped_at_) {
      begin_ = 0;
      is_wrapped_ = false;
    }
    if (!is_wrapped_ && capacity_ - end_ < needed && begin_ >= needed) {
      wrapped_at_ = end_;
      end_ = 0;
      is_wrapped_ = true;
    }
    const size_t limit = is_wrapped_ ? begin_ : capacity_;
    if (limit - end_ < needed) Grow(needed);
    uint8_t* at = memory_.get() + end_;
    end_ += needed;
    return at;
  }

  void Grow(size_t needed) {
    constexpr size_t kFirst = 4096;
    const size_t capacity = std::max({kFirst, 2 * capacity_, used_ + needed});
    auto larger = std::make_unique_for_overwrite<uint8_t[]>(capacity);
    size_t end = 0;
    const auto copy = [&](size_t from, size_t to) {
      if (to > from) std::memcpy(larger.get() + end, memory_.get() + from, to - from);
      end += to - from;
    };
    copy(begin_, is_wrapped_ ? wrapped_at_ : end_);
    if (is_wrapped_) copy(0, end_);
    memory_ = std::move(larger);
    capacity_ = capacity;
    begin_ = 0;
    end_ = end;
    is_wrapped_ = false;
  }

  void Rewind() {
    begin_ = end_ = 0;
    is_wrapped_ = false;
    if (capacity_ > kMostKeptBytes) {
      memory_.reset();
      capacity_ = 0;
    }
  }

  Limits limits_;
  std::unique_ptr<uint8_t[]> memory_;
  size_t capacity_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t wrapped_at_ = 0;
  bool is_wrapped_ = false;
  size_t count_ = 0;
  size_t used_ = 0;
  size_t payload_bytes_ = 0;
  uint64_t dropped_ = 0;
};

}  // namespace culvert
