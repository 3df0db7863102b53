// ReceiveWindow: puts arriving data segments in order and holds them until the application has consumed them. What the
// application has not consumed is the flow control: `next` moves only then (K20).
//
//   next            contiguous                       next + window
//    |  unread bytes   |  holes and segments beyond them   |
//
// A ring indexed by number that grows with what really arrives, so that an idle connection costs a few hundred bytes.
// The announced window starts small and grows towards its maximum when its owner finds that it holds the peer back.
//
// Thread: owned by one worker. Source: spec/mkcp.md section 9.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/serial_number.h"
#include "core/kcp/block_pool.h"

namespace culvert::kcp {

// Blocks for received payloads: tiny ones must not cost a whole block each, most fit the second, a peer may send 2048 bytes.
struct ReceivePools {
  BlockPool small{128};
  BlockPool usual{1472};
  BlockPool large{2048};
  BlockPool& For(size_t size) { return size <= small.block_size() ? small : size <= usual.block_size() ? usual : large; }
};

class ReceiveWindow {
 public:
  enum class Arrival : uint8_t {
    kInOrder,       // extends what can be read
    kOutOfOrder,    // beyond a hole
    kDuplicate,     // held already
    kBelowWindow,   // consumed already
    kBeyondWindow,  // outside the announced window: dropped
  };

  ReceiveWindow(ReceivePools& pools, uint32_t initial_window, uint32_t max_window);
  ~ReceiveWindow();
  ReceiveWindow(const ReceiveWindow&) = delete;
  ReceiveWindow& operator=(const ReceiveWindow&) = delete;

  // Numbers begin at `first`, not at 0: for tests of the wrap. REQUIRES: nothing was ever inserted.
  void StartAt(SerialNumber first) { next_ = contiguous_ = highest_ = first.value(); }

  Arrival Insert(SerialNumber number, ByteView payload);
  // Fills `views` with the unread bytes in order and returns how many views were filled.
  size_t Peek(std::span<ByteView> views) const;
  // Consumes the first `size` unread bytes. Returns how many segments were given back.
  uint32_t Consume(size_t size);
  // Frees everything; nothing is accepted any more.
  void Clear();
  // Gives back the memory of an empty window. For a pause: the next data takes it again.
  void ReleaseSpare() {
    if (highest_ == next_) ring_ = std::vector<Slot>();
  }

  SerialNumber next() const { return SerialNumber(next_); }              // receiving_next on the wire
  SerialNumber contiguous() const { return SerialNumber(contiguous_); }  // first number not received
  SerialNumber edge() const { return SerialNumber(next_ + window_); }    // receiving_window on the wire
  uint32_t window_segments() const { return window_; }
  bool has_hole() const { return highest_ != contiguous_; }
  bool has_unread() const { return unread_bytes_ > 0; }
  uint64_t unread_bytes() const { return unread_bytes_; }
  uint64_t buffered_bytes() const { return buffered_bytes_; }            // unread and beyond holes
  uint64_t delivered_bytes() const { return delivered_bytes_; }          // consumed, since the beginning
  // From the first hole to the last segment received.
  uint32_t beyond_hole_segments() const { return highest_ - contiguous_; }
  // Doubles the window, up to its limit.
  void Grow() { window_ = std::min(window_ * 2, limit_); }
  // Limits the window of a peer that has not proved its address; raised again by AllowFullWindow.
  void LimitWindow(uint32_t segments) {
    limit_ = std::min(segments, max_window_);
    window_ = std::min(window_, limit_);
  }
  void AllowFullWindow() {
    limit_ = max_window_;
    window_ = std::max(window_, initial_window_);
  }

 private:
  struct Slot {
    uint8_t* block = nullptr;
    uint16_t size = 0;
    bool present = false;
  };
  Slot& At(uint32_t number) { return ring_[number & (ring_.size() - 1)]; }
  const Slot& At(uint32_t number) const { return ring_[number & (ring_.size() - 1)]; }
  void EnsureRoom(uint32_t span);
  void Release(Slot& slot);
  void SkipEmpty();

  ReceivePools& pools_;
  const uint32_t initial_window_;
  const uint32_t max_window_;
  uint32_t limit_;
  uint32_t window_;
  std::vector<Slot> ring_;     // power of two
  uint32_t next_ = 0;          // consumed below
  uint32_t contiguous_ = 0;    // received below
  uint32_t highest_ = 0;       // one above the highest received
  uint32_t read_offset_ = 0;   // consumed bytes of slot next_
  uint64_t unread_bytes_ = 0;
  uint64_t buffered_bytes_ = 0;
  uint64_t delivered_bytes_ = 0;
  bool closed_ = false;
};

}  // namespace culvert::kcp
