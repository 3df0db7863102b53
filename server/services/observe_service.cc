#include "server/services/observe_service.h"

#include <google/protobuf/util/time_util.h>

#include <mutex>
#include <utility>

#include "server/error_builder.h"
#include "server/services/stats_frame.h"
#include "server/services/stream_reactor.h"
#include "server/validate.h"

namespace culvert::server {
namespace {

constexpr Duration kDefaultInterval = std::chrono::seconds(1);

class StatsStream final : public WriteStream<v1::WatchStatsResponse>, public StatsWatcher {
 public:
  StatsStream(StatsHub& hub, const v1::WatchStatsRequest& request) : hub_(hub), frames_(request) {}

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

}  // namespace

grpc::ServerWriteReactor<v1::WatchStatsResponse>* ObserveService::WatchStats(grpc::CallbackServerContext*,
                                                                             const v1::WatchStatsRequest* request) {
  const auto stream = std::make_shared<StatsStream>(hub_, *request);
  stream->KeepAlive();
  Violations violations;
  ValidateTree(*request, "", violations);
  if (!violations.empty()) {
    stream->OnEnd(InvalidFields(violations));
    return stream.get();
  }
  const Duration interval =
      request->has_interval() ? Duration(google::protobuf::util::TimeUtil::DurationToNanoseconds(request->interval()))
                              : kDefaultInterval;
  stream->Begin(interval);
  return stream.get();
}

}  // namespace culvert::server
