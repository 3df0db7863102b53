#include "server/stats_hub.h"

#include <algorithm>
#include <utility>

#include "core/io/monotonic_clock.h"
#include "server/error_builder.h"

namespace culvert::server {

void StatsHub::Add(std::shared_ptr<StatsWatcher> watcher, Duration interval) {
  if (stopping_) return watcher->OnEnd(DaemonStopping());
  const bool is_posted = thread_.Post([this, watcher, interval] {
    if (watcher->is_removed_) return;
    if (stopping_) return watcher->OnEnd(DaemonStopping());
    if (entries_.size() >= kMaxWatchers) return watcher->OnEnd(LimitExceeded("WatchStats streams", kMaxWatchers));
    entries_.push_back({watcher, interval, io::Now()});
    Tick();
  });
  if (!is_posted) watcher->OnEnd(stopping_ ? DaemonStopping() : ControlOverloaded());
}

void StatsHub::Remove(const std::shared_ptr<StatsWatcher>& watcher) {
  watcher->is_removed_ = true;
  // As a reply: it must not be refused, and there is one for each Add.
  thread_.PostReply([this, watcher] {
    std::erase_if(entries_, [&](const Entry& entry) { return entry.watcher == watcher; });
  });
}

void StatsHub::BeginStop() {
  stopping_ = true;
  thread_.PostReply([this] {
    for (const Entry& entry : std::exchange(entries_, {})) entry.watcher->OnEnd(DaemonStopping());
  });
}

void StatsHub::Tick() {
  const TimePoint now = io::Now();
  std::vector<std::shared_ptr<StatsWatcher>> due;
  for (Entry& entry : entries_) {
    if (entry.due > now) continue;
    due.push_back(entry.watcher);
    // On the grid of the interval, so that frames do not drift; a grid that was missed is left out.
    entry.due += entry.interval * ((now - entry.due) / entry.interval + 1);
  }
  if (!due.empty()) {
    collector_.Collect({.forwards = {.all = true}, .sessions = true}, kMinInterval / 2, [due = std::move(due)](const ReportPtr& report) {
      for (const std::shared_ptr<StatsWatcher>& watcher : due) watcher->OnReport(report);
    });
  }
  ArmTimer();
}

void StatsHub::ArmTimer() {
  TimePoint next = kInfiniteFuture;
  for (const Entry& entry : entries_) next = std::min(next, entry.due);
  // One timer at a time is enough: one that fires early finds nothing due and arms the next.
  if (next >= armed_for_) return;
  armed_for_ = next;
  thread_.RunAt(next, [this, next] {
    if (armed_for_ == next) armed_for_ = kInfiniteFuture;
    Tick();
  });
}

}  // namespace culvert::server
