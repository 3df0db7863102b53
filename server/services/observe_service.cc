#include "server/services/observe_service.h"

#include <google/protobuf/util/time_util.h>

#include <mutex>
#include <string>
#include <utility>

#include "core/base/status_macros.h"
#include "core/io/monotonic_clock.h"
#include "server/access/admission.h"
#include "server/error_builder.h"
#include "server/object_kind.h"
#include "server/query/filter.h"
#include "server/services/stats_frame.h"
#include "server/services/stream_reactor.h"
#include "server/stats_proto.h"
#include "server/supervisor.h"
#include "server/validate.h"

namespace culvert::server {
namespace {

constexpr Duration kDefaultInterval = std::chrono::seconds(1);
constexpr size_t kMaxEventsPerMessage = 256;

class StatsStream final : public WriteStream<v1::WatchStatsResponse>, public StatsWatcher {
 public:
  StatsStream(StatsHub& hub, const v1::WatchStatsRequest& request) : hub_(hub), frames_(request) {}

  // Before Begin. Errors: INVALID_ARGUMENT.
  absl::Status Parse(const v1::WatchStatsRequest& request) { return frames_.Parse(request); }
  void Begin(Duration interval) { hub_.Add(Self(), interval); }
  void OnReport(ReportPtr report) override {
    {
      const std::lock_guard lock(mutex_);
      frames_.Offer(std::move(report));
    }
    Poke();
  }
  void OnEnd(absl::Status why) override { End(std::move(why), /*discard=*/true); }

 private:
  std::shared_ptr<StatsWatcher> Self() { return std::static_pointer_cast<StatsStream>(shared_from_this()); }
  bool Next(v1::WatchStatsResponse& message) override {
    const std::lock_guard lock(mutex_);
    return frames_.Next(message);
  }
  void OnGone() override { hub_.Remove(Self()); }

  StatsHub& hub_;
  std::mutex mutex_;
  StatsFrames frames_;  // guarded by mutex_
};

class EventStream final : public WriteStream<v1::ListEventsResponse>, public EventReader {
 public:
  explicit EventStream(EventHub& hub) : hub_(hub) {}

  // Before Begin. Errors: INVALID_ARGUMENT.
  absl::Status Parse(const std::string& filter) {
    CULVERT_ASSIGN_OR_RETURN(filter_, Filter::Parse(filter, *v1::Event::descriptor()));
    return absl::OkStatus();
  }
  void Begin(EventFilter filter, bool follow) { hub_.Add(Self(), std::move(filter), follow); }
  void OnSnapshot(std::vector<EventPtr> events) override {
    {
      const std::lock_guard lock(mutex_);
      queue_.Begin(std::move(events));
    }
    Poke();
  }
  void OnEvent(EventPtr event) override {
    {
      const std::lock_guard lock(mutex_);
      queue_.Offer(std::move(event));
    }
    Poke();
  }
  void OnEnd(absl::Status why) override {
    const bool is_failure = !why.ok();
    End(std::move(why), /*discard=*/is_failure);
  }

 private:
  std::shared_ptr<EventReader> Self() { return std::static_pointer_cast<EventStream>(shared_from_this()); }
  bool Next(v1::ListEventsResponse& message) override {
    while (message.events().empty()) {
      std::vector<EventPtr> events;
      {
        const std::lock_guard lock(mutex_);
        events = queue_.Take(kMaxEventsPerMessage);
        message.set_missed(queue_.missed());
      }
      if (events.empty()) return false;
      for (const EventPtr& event : events) {
        v1::Event one = ToProto(*event);
        if (filter_.Matches(one)) *message.add_events() = std::move(one);
      }
    }
    return true;
  }
  void OnGone() override { hub_.Remove(Self()); }

  EventHub& hub_;
  Filter filter_;
  std::mutex mutex_;
  EventQueue queue_;  // guarded by mutex_
};

bool IsSubject(const std::string& text) {
  if (text == "daemon") return true;
  for (const Kind kind : kKinds) {
    const std::string head = std::string(KindInfo(kind).singular) + "/";
    if (text.size() > head.size() && text.starts_with(head)) return true;
  }
  return false;
}

absl::Status JudgeEventsRequest(const v1::ListEventsRequest& request) {
  Violations violations;
  if (!request.subject().empty() && !IsSubject(request.subject())) {
    violations.push_back({"subject", QuotedValue(request.subject()) + " is not listener/NAME, dialer/NAME, forward/NAME or daemon"});
  }
  if (request.since().seconds() < 0 || request.since().nanos() < 0) violations.push_back({"since", "must not be negative"});
  if (request.last() < 0) violations.push_back({"last", std::to_string(request.last()) + " is not 0 or more"});
  return violations.empty() ? absl::OkStatus() : InvalidFields(violations);
}

EventFilter ToFilter(const v1::ListEventsRequest& request) {
  EventFilter filter;
  filter.subject = request.subject();
  if (request.type() == v1::Event::TYPE_NORMAL) filter.type = EventType::kNormal;
  if (request.type() == v1::Event::TYPE_WARNING) filter.type = EventType::kWarning;
  // Beyond what nanoseconds can hold it is as long as all of time.
  constexpr int64_t kMostSeconds = INT64_MAX / 1'000'000'000 - 1;
  if (request.has_since() && request.since().seconds() < kMostSeconds) {
    filter.since_unix_ns =
        io::UnixNanoseconds() - google::protobuf::util::TimeUtil::DurationToNanoseconds(request.since());
  }
  filter.last = static_cast<size_t>(request.last());
  return filter;
}

}  // namespace

grpc::ServerWriteReactor<v1::WatchStatsResponse>* ObserveService::WatchStats(grpc::CallbackServerContext* call,
                                                                             const v1::WatchStatsRequest* request) {
  const auto stream = std::make_shared<StatsStream>(hub_, *request);
  stream->KeepAlive(call);
  absl::Status fault = Admit(*context_.callers, *call, *request).status();
  if (fault.ok()) fault = stream->Stand(context_, *request->GetDescriptor());
  if (fault.ok()) fault = stream->Parse(*request);
  if (!fault.ok()) {
    stream->OnEnd(std::move(fault));
    return stream.get();
  }
  const Duration interval =
      request->has_interval() ? Duration(google::protobuf::util::TimeUtil::DurationToNanoseconds(request->interval()))
                              : kDefaultInterval;
  stream->Begin(interval);
  return stream.get();
}

grpc::ServerWriteReactor<v1::ListEventsResponse>* ObserveService::ListEvents(grpc::CallbackServerContext* call,
                                                                             const v1::ListEventsRequest* request) {
  const auto stream = std::make_shared<EventStream>(context_.supervisor->events());
  stream->KeepAlive(call);
  absl::Status fault = Admit(*context_.callers, *call, *request).status();
  if (fault.ok()) fault = stream->Stand(context_, *request->GetDescriptor());
  if (fault.ok()) fault = JudgeEventsRequest(*request);
  if (fault.ok()) fault = stream->Parse(request->filter());
  if (!fault.ok()) {
    stream->OnEnd(std::move(fault));
    return stream.get();
  }
  stream->Begin(ToFilter(*request), request->follow());
  return stream.get();
}

}  // namespace culvert::server
