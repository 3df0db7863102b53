#include "core/kcp/receive_window.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"

namespace culvert::kcp {
namespace {

constexpr size_t kInitialRing = 16;

}  // namespace

ReceiveWindow::ReceiveWindow(ReceivePools& pools, uint32_t initial_window, uint32_t max_window)
    : pools_(pools),
      initial_window_(initial_window),
      max_window_(max_window),
      limit_(max_window),
      window_(initial_window) {}

ReceiveWindow::~ReceiveWindow() { Clear(); }

void ReceiveWindow::EnsureRoom(uint32_t span) {
  if (span <= ring_.size()) return;
  size_t size = std::max(kInitialRing, ring_.size());
  while (size < span) size *= 2;
  std::vector<Slot> larger(size);
  if (!ring_.empty()) {
    for (uint32_t n = next_; n != highest_; ++n) larger[n & (size - 1)] = At(n);
  }
  ring_ = std::move(larger);
}

ReceiveWindow::Arrival ReceiveWindow::Insert(SerialNumber number, ByteView payload) {
  const uint32_t distance = number.DistanceFrom(next());
  if (distance >= window_ || closed_) {
    return number.IsBefore(next()) ? Arrival::kBelowWindow : Arrival::kBeyondWindow;
  }
  EnsureRoom(distance + 1);
  const uint32_t n = number.value();
  Slot& slot = At(n);
  if (slot.present) return Arrival::kDuplicate;
  if (!payload.empty()) {
    slot.block = pools_.For(payload.size()).Take();
    std::memcpy(slot.block, payload.data(), payload.size());
  }
  slot.size = static_cast<uint16_t>(payload.size());
  slot.present = true;
  buffered_bytes_ += payload.size();
  if (distance >= highest_ - next_) highest_ = n + 1;
  if (n != contiguous_) return Arrival::kOutOfOrder;
  while (contiguous_ != highest_ && At(contiguous_).present) {
    unread_bytes_ += At(contiguous_).size;
    ++contiguous_;
  }
  SkipEmpty();
  return Arrival::kInOrder;
}

void ReceiveWindow::SkipEmpty() {
  // K30: an empty segment consumes its number and delivers nothing.
  while (next_ != contiguous_ && At(next_).size == 0) {
    Release(At(next_));
    ++next_;
  }
}

size_t ReceiveWindow::Peek(std::span<ByteView> views) const {
  size_t filled = 0;
  uint32_t offset = read_offset_;
  for (uint32_t n = next_; n != contiguous_ && filled < views.size(); ++n) {
    const Slot& slot = At(n);
    if (slot.size > offset) views[filled++] = ByteView(slot.block + offset, slot.size - offset);
    offset = 0;
  }
  return filled;
}

uint32_t ReceiveWindow::Consume(size_t size) {
  CULVERT_CHECK(size <= unread_bytes_);
  unread_bytes_ -= size;
  delivered_bytes_ += size;
  uint32_t released = 0;
  while (size > 0) {
    Slot& slot = At(next_);
    const size_t part = std::min<size_t>(size, slot.size - read_offset_);
    read_offset_ += static_cast<uint32_t>(part);
    size -= part;
    if (read_offset_ < slot.size) break;
    Release(slot);
    read_offset_ = 0;
    ++next_;
    ++released;
    SkipEmpty();
  }
  return released;
}

void ReceiveWindow::Release(Slot& slot) {
  buffered_bytes_ -= slot.size;
  if (slot.block != nullptr) pools_.For(slot.size).Give(slot.block);
  slot = {};
}

void ReceiveWindow::Clear() {
  for (uint32_t n = next_; n != highest_; ++n) {
    if (At(n).present) Release(At(n));
  }
  // What was not consumed was not received, as far as the peer can tell.
  contiguous_ = highest_ = next_;
  unread_bytes_ = 0;
  read_offset_ = 0;
  ring_ = std::vector<Slot>();
  closed_ = true;
}

}  // namespace culvert::kcp
