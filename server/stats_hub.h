// StatsHub: the readers of WatchStats. Each gets the latest report at its own interval; however many there are, one collection
// serves all that are due (report_collector.h), and a report is shared, not copied.
// Thread: Add and Remove from any; the rest runs on the control thread.
// Limits: kMaxWatchers.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "core/base/time.h"
#include "server/report_collector.h"

namespace culvert::server {

// A reader. Called on the control thread; must not block.
class StatsWatcher {
 public:
  virtual ~StatsWatcher() = default;
  virtual void OnReport(ReportPtr report) = 0;
  // No report follows: the daemon stops, or (LIMIT_EXCEEDED) there are too many readers.
  virtual void OnEnd(absl::Status why) = 0;

 private:
  friend class StatsHub;
  std::atomic<bool> is_removed_{false};  // also seen by an Add that is still queued
};

class StatsHub {
 public:
  static constexpr size_t kMaxWatchers = 32;
  static constexpr Duration kMinInterval = std::chrono::milliseconds(100);

  // Both outlive it.
  StatsHub(ControlThread& thread, ReportCollector& collector) : thread_(thread), collector_(collector) {}

  // The first report comes at once, the next after `interval`. REQUIRES: interval >= kMinInterval.
  void Add(std::shared_ptr<StatsWatcher> watcher, Duration interval);
  // No call to `watcher` begins after this has taken effect, which is soon. May overtake Add.
  void Remove(const std::shared_ptr<StatsWatcher>& watcher);
  // Ends all streams, and from now on every new one at once.
  void BeginStop();

 private:
  struct Entry {
    std::shared_ptr<StatsWatcher> watcher;
    Duration interval;
    TimePoint due;
  };
  void Tick();
  void ArmTimer();

  ControlThread& thread_;
  ReportCollector& collector_;
  std::atomic<bool> stopping_{false};
  std::vector<Entry> entries_;  // the control thread's, like all below
  TimePoint armed_for_ = kInfiniteFuture;
};

}  // namespace culvert::server
