#include "tests/testing/delay_line.h"

#include <algorithm>
#include <utility>

namespace culvert::testing {

void DelayLine::Push(TimePoint now, ByteView packet, size_t overhead_bytes, uint64_t tag) {
  const LinkVerdict verdict = model_.OnPacket(now, packet.size() + overhead_bytes);
  if (verdict.fate != LinkVerdict::Fate::kDeliver) return;
  Hold(verdict.deliver_at, packet, tag, verdict.corrupt_bit);
  if (verdict.duplicate_at) Hold(*verdict.duplicate_at, packet, tag, verdict.corrupt_bit);
}

void DelayLine::Hold(TimePoint deliver_at, ByteView packet, uint64_t tag, std::optional<uint32_t> corrupt_bit) {
  if (held_bytes_ + packet.size() > kMaxHeldBytes) {
    ++overflowed_;
    return;
  }
  Held held{deliver_at, next_order_++, tag, {}};
  if (!spare_.empty()) {
    held.packet = std::move(spare_.back());
    spare_.pop_back();
  }
  held.packet.assign(packet.begin(), packet.end());
  if (corrupt_bit && !held.packet.empty()) {
    // The bit was drawn over the whole wire packet; what we do not carry is not ours to damage.
    const size_t bit = *corrupt_bit % (held.packet.size() * 8);
    held.packet[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
  }
  held_bytes_ += held.packet.size();
  heap_.push_back(std::move(held));
  std::push_heap(heap_.begin(), heap_.end());
}

std::optional<DelayLine::Arrived> DelayLine::Pop(TimePoint now) {
  if (heap_.empty() || heap_.front().deliver_at > now) return std::nullopt;
  std::pop_heap(heap_.begin(), heap_.end());
  Held held = std::move(heap_.back());
  heap_.pop_back();
  held_bytes_ -= held.packet.size();
  constexpr size_t kMaxSpare = 1024;
  if (spare_.size() < kMaxSpare) spare_.push_back(std::move(current_));
  current_ = std::move(held.packet);
  return Arrived{current_, held.tag};
}

std::optional<TimePoint> DelayLine::NextDelivery() const {
  if (heap_.empty()) return std::nullopt;
  return heap_.front().deliver_at;
}

}  // namespace culvert::testing
