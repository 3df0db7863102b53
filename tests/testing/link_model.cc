#include "tests/testing/link_model.h"

#include <algorithm>

namespace culvert::testing {
namespace {

constexpr uint64_t kLeastQueueBytes = 64 * 1024;
constexpr double kNanosecondsPerSecond = 1e9;

uint64_t QueueLimit(const LinkOptions& options) {
  if (options.queue_bytes != 0) return options.queue_bytes;
  // One bandwidth-delay product of the round trip, which is what a sender needs to keep the link busy.
  const double round_trip_seconds = 2 * ToSeconds(options.delay);
  const double product = static_cast<double>(options.rate_bits_per_second) / 8 * round_trip_seconds;
  return std::max(kLeastQueueBytes, static_cast<uint64_t>(product));
}

}  // namespace

LinkModel::LinkModel(const LinkOptions& options)
    : options_(options), queue_limit_bytes_(QueueLimit(options)), random_(options.seed) {}

uint64_t LinkModel::BacklogBytes(TimePoint now) const {
  if (transmitter_free_at_ <= now) return 0;
  const double busy = static_cast<double>((transmitter_free_at_ - now).count());
  return static_cast<uint64_t>(busy * static_cast<double>(options_.rate_bits_per_second) / 8 / kNanosecondsPerSecond);
}

bool LinkModel::IsLost() {
  if (in_burst_ ? Chance(options_.burst_leave) : Chance(options_.burst_enter)) in_burst_ = !in_burst_;
  const bool by_burst = in_burst_ && Chance(options_.burst_loss);
  return Chance(options_.loss) || by_burst;
}

LinkVerdict LinkModel::OnPacket(TimePoint now, size_t size_bytes) {
  LinkVerdict verdict;
  ++counters_.packets;
  counters_.bytes += size_bytes;

  TimePoint sent_at = now;
  if (options_.rate_bits_per_second != 0) {
    const uint64_t backlog = BacklogBytes(now) + size_bytes;
    // A packet that finds nothing before it is always taken, or a small queue would block large packets for ever.
    if (backlog > queue_limit_bytes_ && backlog > size_bytes) {
      ++counters_.queue_full;
      verdict.fate = LinkVerdict::Fate::kQueueFull;
      return verdict;
    }
    counters_.max_backlog_bytes = std::max(counters_.max_backlog_bytes, backlog);
    const double transmission = static_cast<double>(size_bytes) * 8 * kNanosecondsPerSecond /
                                static_cast<double>(options_.rate_bits_per_second);
    transmitter_free_at_ = std::max(transmitter_free_at_, now) + Duration(static_cast<int64_t>(transmission));
    sent_at = transmitter_free_at_;
  }

  if (IsLost()) {
    ++counters_.lost;
    verdict.fate = LinkVerdict::Fate::kLost;
    return verdict;
  }
  if (Chance(options_.corrupt)) {
    ++counters_.corrupted;
    verdict.corrupt_bit = random_.NextInRange(0, static_cast<uint32_t>(size_bytes * 8 - 1));
  }

  Duration delay = options_.delay;
  if (options_.jitter > Duration::zero()) {
    delay += Duration(static_cast<int64_t>(random_.NextUnit() * static_cast<double>(options_.jitter.count())));
  }
  if (Chance(options_.reorder)) {
    ++counters_.reordered;
    verdict.deliver_at = sent_at + delay + options_.reorder_delay;
  } else {
    verdict.deliver_at = std::max(sent_at + delay, last_delivery_at_);
    last_delivery_at_ = verdict.deliver_at;
  }
  if (Chance(options_.duplicate)) {
    ++counters_.duplicated;
    verdict.duplicate_at = verdict.deliver_at;
  }
  ++counters_.delivered;
  counters_.delivered_bytes += size_bytes;
  return verdict;
}

}  // namespace culvert::testing
