// EventLog: what happened in this run of the daemon, for people who ask later. What is the same as something it still holds is
// counted there and moves to the end, so that a fault that repeats every second does not push out everything else.
// Limits: kCapacity events that differ; texts are cut, and what must not reach a terminal is replaced, since parts of them come
// from peers.
// Thread: a value of the control thread; events may be read anywhere. Reads no clock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "server/watch/revision.h"

namespace culvert::server {

enum class EventType : uint8_t { kNormal, kWarning };

struct Event {
  int64_t revision = 0;       // of the latest repetition
  int64_t first_unix_ns = 0;
  int64_t last_unix_ns = 0;
  uint64_t count = 0;         // how often the same was seen
  EventType type = EventType::kNormal;
  std::string reason;         // CamelCase
  std::string subject;        // "dialer/NAME"
  std::string message;
};
// Immutable: a repetition makes another one.
using EventPtr = std::shared_ptr<const Event>;

struct EventFilter {
  std::string subject;                 // empty: all
  std::optional<EventType> type;       // nullopt: all
  int64_t since_unix_ns = INT64_MIN;   // only what was seen then or later
  size_t last = 0;                     // at most so many, the latest; 0: all

  // Everything but `last`.
  [[nodiscard]] bool Matches(const Event& event) const;
};

class EventLog {
 public:
  static constexpr size_t kCapacity = 4096;
  static constexpr size_t kMaxMessageBytes = 512;
  static constexpr size_t kMaxNameBytes = 128;  // reason, subject

  // `revisions` outlives it; nullptr: it counts from 1.
  explicit EventLog(RevisionClock* revisions = nullptr) : revisions_(revisions) {}
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  // Returns the event as it stands now. In constant time.
  EventPtr Add(EventType type, std::string_view reason, std::string_view subject, std::string_view message, int64_t now_unix_ns);
  // By revision, oldest first.
  [[nodiscard]] std::vector<EventPtr> Select(const EventFilter& filter) const;

  [[nodiscard]] size_t size() const { return events_.size(); }

 private:
  // Of an event in the list, whose strings it borrows.
  struct Identity {
    EventType type;
    std::string_view reason;
    std::string_view subject;
    std::string_view message;
    friend bool operator==(const Identity&, const Identity&) = default;
  };
  struct IdentityHash {
    size_t operator()(const Identity& identity) const;
  };
  static Identity IdentityOf(const Event& event) { return {event.type, event.reason, event.subject, event.message}; }

  RevisionClock* const revisions_;
  int64_t revision_ = 0;  // without revisions_
  std::list<EventPtr> events_;  // by revision
  std::unordered_map<Identity, std::list<EventPtr>::iterator, IdentityHash> index_;
};

}  // namespace culvert::server
