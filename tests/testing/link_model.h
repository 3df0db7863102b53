// LinkModel: one direction of a network link as pure arithmetic. Told when a packet arrives and how big it is, it answers
// whether and when the packet comes out at the other end. Shared by the link emulator (tests/testing/linkem) and by
// simulations in virtual time.
//
// The order in which things act on a packet is that of a real bottleneck: queue (tail drop), transmission at the link's
// rate, loss, corruption, delay. So a packet that is lost has used the rate, and what the link can carry at best is
// rate x (1 - loss).
//
// Units:  sizes are IP bytes (header included); rates are bits of those per second.
// Thread: confined to one.  Time: `now` never decreases between calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/base/random.h"
#include "core/base/time.h"

namespace culvert::testing {

struct LinkOptions {
  uint64_t seed = 1;                  // decides every random choice
  uint64_t rate_bits_per_second = 0;  // 0: infinitely fast
  uint64_t queue_bytes = 0;           // waiting for transmission; 0: one bandwidth-delay product, at least 64 KiB
  Duration delay{};                   // one way
  Duration jitter{};                  // up to this much more delay, packets stay in order
  double loss = 0;                    // probability, 0..1, as are all below
  // Gilbert-Elliott: per packet, the chance to enter a burst and to leave it again, and the loss inside.
  double burst_enter = 0;
  double burst_leave = 0.3;
  double burst_loss = 1;
  double duplicate = 0;  // delivered twice
  double reorder = 0;    // held back by reorder_delay, so that later packets overtake it
  Duration reorder_delay = std::chrono::milliseconds(5);
  double corrupt = 0;  // one bit flipped
};

struct LinkVerdict {
  enum class Fate : uint8_t { kDeliver, kLost, kQueueFull };
  Fate fate = Fate::kDeliver;
  TimePoint deliver_at{};                 // kDeliver
  std::optional<TimePoint> duplicate_at;  // a second copy
  std::optional<uint32_t> corrupt_bit;    // number of the bit to flip, below 8 * size
};

// Cumulative.
struct LinkCounters {
  uint64_t packets = 0;  // offered
  uint64_t bytes = 0;
  uint64_t delivered = 0;  // duplicates not counted
  uint64_t delivered_bytes = 0;
  uint64_t lost = 0;
  uint64_t queue_full = 0;
  uint64_t duplicated = 0;
  uint64_t reordered = 0;
  uint64_t corrupted = 0;
  uint64_t max_backlog_bytes = 0;
};

class LinkModel {
 public:
  explicit LinkModel(const LinkOptions& options);

  // Decides about one packet. REQUIRES: size_bytes > 0.
  LinkVerdict OnPacket(TimePoint now, size_t size_bytes);

  // What waits for transmission at `now`, the packet on the wire included.
  uint64_t BacklogBytes(TimePoint now) const;
  uint64_t queue_limit_bytes() const { return queue_limit_bytes_; }
  const LinkOptions& options() const { return options_; }
  const LinkCounters& counters() const { return counters_; }

 private:
  bool Chance(double probability) { return probability > 0 && random_.NextUnit() < probability; }
  bool IsLost();

  LinkOptions options_;
  uint64_t queue_limit_bytes_;
  SeededRandom random_;
  LinkCounters counters_;
  bool in_burst_ = false;
  TimePoint transmitter_free_at_{};
  TimePoint last_delivery_at_{};
};

}  // namespace culvert::testing
