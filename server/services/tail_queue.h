// TailQueue: what one reader of records (Tap, TailLogs) has still to be given. Records of the past come first, all of them. Those that
// happen go on at most so many a second, and wait for a reader that is slow in a bounded queue whose oldest go. What is lost is counted by
// cause and said in its place, at most once a second for each cause.
// Thread: not safe between threads; its owner locks. Reads no clock.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/time.h"
#include "culvert/v1/observe.pb.h"
#include "server/stats_proto.h"

namespace culvert::server {

template <typename Record>
class TailQueue {
 public:
  static constexpr size_t kMaxQueued = 512;
  static constexpr Duration kSayInterval = std::chrono::seconds(1);

  using Ptr = std::shared_ptr<const Record>;
  using Cause = v1::LostRecords::Cause;
  struct Moment {
    TimePoint now{};
    int64_t unix_ns = 0;
  };
  // One of the two.
  struct Item {
    Ptr record;
    std::optional<v1::LostRecords> lost;
  };

  explicit TailQueue(uint32_t max_per_second) : max_per_second_(max_per_second) {}

  // Once, first.
  void AddPast(std::vector<Ptr> records) { past_ = std::move(records); }
  // Records that match, in order, and how many nobody saw. Also to be called now and then with none: it says what was lost.
  void Add(const Moment& moment, std::vector<Ptr> records, uint64_t overwritten) {
    if (overwritten > 0) Lose(moment, v1::LostRecords::CAUSE_OVERWRITTEN, overwritten);
    for (Ptr& record : records) {
      if (IsTooMany(moment.now)) {
        Lose(moment, v1::LostRecords::CAUSE_RATE_LIMIT, 1);
        continue;
      }
      while (queued_.size() >= kMaxQueued) DropOldest(moment);
      queued_.push_back({std::move(record), std::nullopt});
    }
    Say(moment.now);
  }

  std::optional<Item> Take() {
    if (taken_ < past_.size()) {
      Item item{std::move(past_[taken_++]), std::nullopt};
      if (taken_ == past_.size()) {
        past_ = {};
        taken_ = 0;
      }
      return item;
    }
    if (queued_.empty()) return std::nullopt;
    Item item = std::move(queued_.front());
    queued_.pop_front();
    return item;
  }

 private:
  struct Tally {
    uint64_t records = 0;
    int64_t first_unix_ns = 0;
    int64_t last_unix_ns = 0;
    std::optional<TimePoint> said_at;
  };

  bool IsTooMany(TimePoint now) {
    if (now - window_began_ >= std::chrono::seconds(1)) {
      window_began_ = now;
      in_window_ = 0;
    }
    return ++in_window_ > max_per_second_;
  }

  void Lose(const Moment& moment, Cause cause, uint64_t records) {
    Tally& tally = lost_[static_cast<size_t>(cause)];
    if (tally.records == 0) tally.first_unix_ns = moment.unix_ns;
    tally.last_unix_ns = moment.unix_ns;
    tally.records += records;
  }

  void DropOldest(const Moment& moment) {
    const Item oldest = std::move(queued_.front());
    queued_.pop_front();
    // What was to be said and now is not is said with what is lost next.
    if (oldest.lost) {
      Lose(moment, oldest.lost->cause(), oldest.lost->records());
    } else {
      Lose(moment, v1::LostRecords::CAUSE_SLOW_READER, 1);
    }
  }

  void Say(TimePoint now) {
    for (size_t i = 0; i < lost_.size(); ++i) {
      Tally& tally = lost_[i];
      if (tally.records == 0 || (tally.said_at && now - *tally.said_at < kSayInterval)) continue;
      v1::LostRecords lost;
      lost.set_records(tally.records);
      lost.set_cause(static_cast<Cause>(i));
      *lost.mutable_first_time() = ToTimestamp(tally.first_unix_ns);
      *lost.mutable_last_time() = ToTimestamp(tally.last_unix_ns);
      // What a slow reader lost stood in front of what waits for it.
      const bool is_in_front = lost.cause() == v1::LostRecords::CAUSE_SLOW_READER;
      queued_.insert(is_in_front ? queued_.begin() : queued_.end(), Item{nullptr, std::move(lost)});
      tally = {.said_at = now};
    }
  }

  const uint32_t max_per_second_;
  std::vector<Ptr> past_;
  size_t taken_ = 0;  // of past_
  std::deque<Item> queued_;
  TimePoint window_began_{};
  uint32_t in_window_ = 0;
  std::array<Tally, v1::LostRecords::Cause_ARRAYSIZE> lost_{};
};

}  // namespace culvert::server
