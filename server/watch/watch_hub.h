// WatchHub: the readers of Watch. What changes by a request is told to it at once (Observe); what changes by itself, the state and the
// conditions of objects and the sessions, it finds by looking while somebody watches: at most five times a second, and so seldom that
// looking takes a tenth of a thread at most, which is not the control thread (Supervisor::Aside).
// Thread: Add, Pull, Remove and BeginStop from any; the rest, and all calls to readers, on the control thread.
// Limits: kMaxReaders. A reader that does not read holds what one step gives (watch_cursor.h).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/base/time.h"
#include "server/control_thread.h"
#include "server/event_hub.h"
#include "server/report_collector.h"
#include "server/watch/subject_book.h"
#include "server/watch/watch_cursor.h"
#include "server/watch/watch_log.h"

namespace culvert::server {

// A reader. Called on the control thread; must not block.
class WatchReader {
 public:
  virtual ~WatchReader() = default;
  // The answer to a Pull; never empty.
  virtual void OnItems(std::vector<WatchItem> items) = 0;
  // Nothing follows. `closing`: the reason that the last message gives; empty: none, and the stream ends with `why`.
  virtual void OnEnd(absl::Status why, const std::string& closing) = 0;
  // It has ended some time ago, and what it was given last is still not on its way.
  virtual void OnStuck() = 0;

 private:
  friend class WatchHub;
  std::atomic<bool> is_removed_{false};  // also seen by an Add that is still queued
};

class WatchHub {
 public:
  static constexpr size_t kMaxReaders = 32;
  static constexpr Duration kMinLookInterval = std::chrono::milliseconds(200);
  static constexpr int kMostShareOfTime = 10;  // looking takes one part in so many
  // How long a reader may take for its last message at a stop.
  static constexpr Duration kLastMessageTime = std::chrono::milliseconds(300);

  // Tells the book of all declared objects as they are in `report` (with sessions: of those too), and calls `done`. Both on the control
  // thread; the comparing may happen elsewhere.
  using Look = std::function<void(const ReportPtr& report, SubjectBook& book, std::function<void()> done)>;

  // All outlive it.
  WatchHub(ControlThread& thread, RevisionClock& revisions, ReportCollector& collector, EventHub& events, Look look);

  struct Request {
    uint32_t kinds = 0;  // of v1::WatchKind, as bits
    int64_t resume_revision = 0;
    Duration bookmark_interval = std::chrono::seconds(30);
  };
  // It is given its first items as if it had pulled.
  void Add(std::shared_ptr<WatchReader> reader, Request request);
  // The reader has room for more. REQUIRES: added, and the items of the Pull before have come.
  void Pull(const std::shared_ptr<WatchReader>& reader);
  // No call to `reader` begins after this has taken effect, which is soon. May overtake Add.
  void Remove(const std::shared_ptr<WatchReader>& reader);
  // Ends all streams, and from now on every new one at once.
  void BeginStop();

  SubjectBook& book() { return book_; }
  // What was told to the book is given to who waits for it.
  void Publish();
  // For tests.
  [[nodiscard]] size_t readers() const { return readers_.size(); }

 private:
  struct Entry {
    std::shared_ptr<WatchReader> reader;
    Request request;
    WatchCursor cursor;
    bool is_begun = false;  // the first look is done
    bool wants = false;     // it has pulled and not been given anything
    TimePoint bookmark_due{};
  };
  void Begin(Entry& entry);
  void Give(Entry& entry);
  // Ends and forgets those for which `which` holds.
  void LookNow();
  void OnLooked(bool with_sessions, TimePoint began);
  void ArmLook();
  void OnEvent(const EventPtr& event);
  [[nodiscard]] bool WatchesSessions() const;
  void EndReader(const std::shared_ptr<WatchReader>& reader, absl::Status why, const std::string& closing);

  ControlThread& thread_;
  RevisionClock& revisions_;
  ReportCollector& collector_;
  EventHub& events_;
  const Look look_;
  std::atomic<bool> stopping_{false};
  WatchLog log_;       // the control thread's, like all below
  SubjectBook book_;
  std::vector<std::unique_ptr<Entry>> readers_;
  bool is_looking_ = false;
  bool look_is_armed_ = false;
  Duration look_interval_ = kMinLookInterval;
  TimePoint last_look_{};
};

}  // namespace culvert::server
