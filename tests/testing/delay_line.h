// DelayLine: packets on their way, each with the time it comes out. One direction of a link, behind its LinkModel.
// Thread: confined to one.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/time.h"
#include "tests/testing/link_model.h"

namespace culvert::testing {

class DelayLine {
 public:
  // Packets on the wire may take this much memory; more are dropped as if the queue were full. Only a link without a rate
  // limit gets there.
  static constexpr size_t kMaxHeldBytes = 256 << 20;

  explicit DelayLine(const LinkOptions& options) : model_(options) {}

  // Offers a packet to the link. `overhead_bytes` is what the wire adds to it (the IP and UDP headers of a payload).
  void Push(TimePoint now, ByteView packet, size_t overhead_bytes, uint64_t tag = 0);
  // The packet that comes out next, when that is not later than `now`. Good until the next call.
  struct Arrived {
    ByteView packet;
    uint64_t tag = 0;
  };
  std::optional<Arrived> Pop(TimePoint now);
  std::optional<TimePoint> NextDelivery() const;

  const LinkCounters& counters() const { return model_.counters(); }
  const LinkModel& model() const { return model_; }
  uint64_t overflowed() const { return overflowed_; }

 private:
  struct Held {
    TimePoint deliver_at;
    uint64_t order;  // first come, first out among equals
    uint64_t tag;
    std::vector<uint8_t> packet;
    // std::push_heap keeps the greatest first: the earliest delivery is the greatest.
    bool operator<(const Held& other) const {
      return deliver_at != other.deliver_at ? deliver_at > other.deliver_at : order > other.order;
    }
  };
  void Hold(TimePoint deliver_at, ByteView packet, uint64_t tag, std::optional<uint32_t> corrupt_bit);

  LinkModel model_;
  std::vector<Held> heap_;
  std::vector<std::vector<uint8_t>> spare_;  // buffers to use again
  std::vector<uint8_t> current_;             // what Pop lent out
  size_t held_bytes_ = 0;
  uint64_t next_order_ = 0;
  uint64_t overflowed_ = 0;
};

}  // namespace culvert::testing
