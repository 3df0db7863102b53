// EventHub: the event log, and the readers of ListEvents that follow it.
// Thread: Post, Add, Remove and BeginStop from any; Record and all calls to readers on the control thread.
// Limits: kMaxReaders; kMaxWaiting events on their way to the log, beyond which they are lost, so that a storm of them does not
// take the control thread's queue from requests.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "server/control_thread.h"
#include "server/event_log.h"

namespace culvert::server {

// A reader. Called on the control thread; must not block.
class EventReader {
 public:
  virtual ~EventReader() = default;
  // Once, before all else: what the log holds.
  virtual void OnSnapshot(std::vector<EventPtr> events) = 0;
  // Something happened, or happened again.
  virtual void OnEvent(EventPtr event) = 0;
  // Nothing follows: OK when it does not want to; the daemon stops; or (LIMIT_EXCEEDED) there are too many readers.
  virtual void OnEnd(absl::Status why) = 0;

 private:
  friend class EventHub;
  std::atomic<bool> is_removed_{false};  // also seen by an Add that is still queued
};

class EventHub {
 public:
  static constexpr size_t kMaxReaders = 32;
  static constexpr size_t kMaxWaiting = 256;

  // Both outlive it.
  EventHub(ControlThread& thread, RevisionClock& revisions) : thread_(thread), log_(&revisions) {}

  // Called on the control thread with every event, before its readers. Before the first event.
  void SetListener(std::function<void(const EventPtr&)> listener) { listener_ = std::move(listener); }
  // All there are, oldest first. The control thread.
  [[nodiscard]] std::vector<EventPtr> Snapshot() const { return log_.Select({}); }

  // Records it soon.
  void Post(EventType type, std::string reason, std::string subject, std::string message);
  void Record(EventType type, std::string_view reason, std::string_view subject, std::string_view message);
  // `filter.since_unix_ns` and `filter.last` are for the snapshot only. `follow`: events go on to come.
  void Add(std::shared_ptr<EventReader> reader, EventFilter filter, bool follow);
  // No call to `reader` begins after this has taken effect, which is soon. May overtake Add.
  void Remove(const std::shared_ptr<EventReader>& reader);
  // Ends all streams, and from now on every new one at once.
  void BeginStop();

 private:
  struct Entry {
    std::shared_ptr<EventReader> reader;
    EventFilter filter;
  };

  ControlThread& thread_;
  std::atomic<bool> stopping_{false};
  std::atomic<size_t> waiting_{0};
  std::function<void(const EventPtr&)> listener_;
  EventLog log_;                // the control thread's, like all below
  std::vector<Entry> readers_;  // that follow
};

// What one reader has still to be given. Not safe between threads; its owner locks.
class EventQueue {
 public:
  // Events that came after the snapshot and wait. When there are more the oldest is dropped and counted.
  static constexpr size_t kMaxQueued = 1024;

  // REQUIRES: called once, first.
  void Begin(std::vector<EventPtr> snapshot);
  void Offer(EventPtr event);
  // At most `most` events, in order; empty: everything was taken.
  std::vector<EventPtr> Take(size_t most);
  // Dropped so far.
  [[nodiscard]] uint64_t missed() const { return missed_; }

 private:
  std::vector<EventPtr> snapshot_;
  size_t taken_ = 0;  // of snapshot_
  std::deque<EventPtr> queue_;
  uint64_t missed_ = 0;
};

}  // namespace culvert::server
