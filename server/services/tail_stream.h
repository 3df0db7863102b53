// TailStream: the part that Tap and TailLogs have in common. A stream asks its source for what came since it asked last, ten times a second,
// so that whoever makes records need not know who reads them; the filter runs where the records come, not where they are made.
// Thread: Give on any, once for each Ask.
#pragma once

#include <google/protobuf/util/time_util.h>

#include <atomic>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "core/base/status_macros.h"
#include "core/io/monotonic_clock.h"
#include "server/error_builder.h"
#include "server/query/filter.h"
#include "server/services/stream_reactor.h"
#include "server/services/tail_queue.h"
#include "server/supervisor.h"

namespace culvert::server {

// A place among the readers of one method, of which there are few.
class TailPlace {
 public:
  explicit TailPlace(std::atomic<int>& taken) : taken_(taken) {}
  ~TailPlace() {
    if (is_taken_) --taken_;
  }
  TailPlace(const TailPlace&) = delete;
  TailPlace& operator=(const TailPlace&) = delete;

  [[nodiscard]] absl::Status Take(const char* what, int most) {
    is_taken_ = true;
    if (++taken_ <= most) return absl::OkStatus();
    return LimitExceeded(what, static_cast<size_t>(most));
  }

 private:
  std::atomic<int>& taken_;
  bool is_taken_ = false;
};

template <typename Request, typename Response, typename Record>
class TailStream : public WriteStream<Response> {
 public:
  static constexpr Duration kAskInterval = std::chrono::milliseconds(100);
  static constexpr uint32_t kDefaultPerSecond = 1000;

  TailStream(Supervisor& supervisor, const Request& request, std::atomic<int>& taken)
      : supervisor_(supervisor),
        request_(request),
        place_(taken),
        queue_(request.max_per_second() > 0 ? static_cast<uint32_t>(request.max_per_second()) : kDefaultPerSecond) {}

  // Before Begin. Errors: INVALID_ARGUMENT, RESOURCE_EXHAUSTED.
  absl::Status Prepare(const char* what, int most) {
    Violations violations;
    if (request_.last() < 0) violations.push_back({"last", std::to_string(request_.last()) + " is not 0 or more"});
    if (request_.max_per_second() < 0) {
      violations.push_back({"max_per_second", std::to_string(request_.max_per_second()) + " is not 0 or more"});
    }
    if (request_.since().seconds() < 0 || request_.since().nanos() < 0) violations.push_back({"since", "must not be negative"});
    if (!violations.empty()) return InvalidFields(violations);
    CULVERT_ASSIGN_OR_RETURN(filter_, Filter::Parse(request_.filter(), *Record::descriptor()));
    return place_.Take(what, most);
  }
  void Begin() { Ask(); }

 protected:
  using Ptr = std::shared_ptr<const Record>;

  // Asks the source for what is new, which Give gets.
  virtual void Ask() = 0;
  // Whether a record is for this reader, beside the filter.
  virtual bool Wants(const Record&) const { return true; }

  void Give(absl::StatusOr<std::vector<Ptr>> records, uint64_t overwritten) {
    if (!records.ok()) return this->End(std::move(records).status(), /*discard=*/true);
    std::erase_if(*records, [this](const Ptr& record) { return !Wants(*record) || !filter_.Matches(*record); });
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(has_begun_, true)) {
        queue_.Add({io::Now(), io::UnixNanoseconds()}, *std::move(records), overwritten);
      } else {
        queue_.AddPast(Past(*std::move(records)));
      }
    }
    this->Poke();
    if (!request_.follow()) return this->End(absl::OkStatus(), /*discard=*/false);
    supervisor_.After(kAskInterval, [weak = this->weak_from_this()](const absl::Status& status) {
      const auto stream = std::static_pointer_cast<TailStream>(weak.lock());
      if (stream == nullptr) return;
      if (!status.ok()) return stream->End(status, /*discard=*/true);
      stream->Ask();
    });
  }

  Supervisor& supervisor_;
  const Request request_;

 private:
  // What the request wants of what was before it.
  std::vector<Ptr> Past(std::vector<Ptr> records) const {
    if (request_.has_since()) {
      constexpr int64_t kMostSeconds = std::numeric_limits<int64_t>::max() / 1'000'000'000 - 1;  // beyond, all of time
      const int64_t since = request_.since().seconds() < kMostSeconds
                                ? io::UnixNanoseconds() - google::protobuf::util::TimeUtil::DurationToNanoseconds(request_.since())
                                : std::numeric_limits<int64_t>::min();
      std::erase_if(records, [since](const Ptr& record) {
        return google::protobuf::util::TimeUtil::TimestampToNanoseconds(record->time()) < since;
      });
    }
    // Who goes on, and does not say how much of the past it wants, wants what comes.
    const bool wants_all = !request_.has_last() && (!request_.follow() || request_.has_since());
    const size_t most = wants_all ? records.size() : static_cast<size_t>(request_.last());
    if (records.size() > most) records.erase(records.begin(), records.end() - static_cast<std::ptrdiff_t>(most));
    return records;
  }

  bool Next(Response& message) override {
    const std::lock_guard lock(mutex_);
    auto item = queue_.Take();
    if (!item) return false;
    if (item->lost) {
      *message.mutable_lost() = *std::move(item->lost);
    } else {
      *message.mutable_record() = *item->record;
    }
    return true;
  }
  void OnGone() override {}

  TailPlace place_;
  Filter filter_;
  std::mutex mutex_;
  TailQueue<Record> queue_;  // guarded by mutex_, like all below
  bool has_begun_ = false;
};

}  // namespace culvert::server
