// WatchCursor: how far one reader of Watch has come: through a snapshot of the subjects, through what changed while it was taken, and then
// along the log. It holds places, no subjects: a reader that does not read costs nothing, and one that falls behind what the log keeps is
// told so.
//
// The snapshot is taken in pieces, when the reader asks for more, so its pieces are of different moments. What changed in between is
// then given, but for what the later piece knew already; and only then does the bookmark say that the snapshot is complete.
// Thread: the control thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "server/event_log.h"
#include "server/watch/subject_book.h"
#include "server/watch/watch_log.h"

namespace culvert::server {

// One step of a reader.
struct WatchItem {
  enum class Kind : uint8_t { kInitial, kChange, kSnapshotComplete, kBookmark };
  Kind kind = Kind::kChange;
  int64_t revision = 0;
  KeptSubjectPtr subject;  // kInitial
  WatchRecordPtr record;   // kChange
};

class WatchCursor {
 public:
  // What a step gives at most.
  static constexpr size_t kMaxItems = 64;
  static constexpr size_t kMaxBytes = 64 << 10;

  // Begins with a snapshot. `kinds`: of v1::WatchKind, as bits.
  static WatchCursor FromSnapshot(uint32_t kinds, const RevisionClock& revisions);
  // Goes on after `revision`. REQUIRES: log.HasAllAfter(revision).
  static WatchCursor After(uint32_t kinds, int64_t revision);

  // The next items, in order; none: everything was given. `has_fallen_behind`: the log has forgotten what comes next.
  std::vector<WatchItem> Next(const SubjectBook& book, const WatchLog& log, const RevisionClock& revisions,
                              const std::vector<EventPtr>& events, bool& has_fallen_behind);
  // The revision up to which everything was given; 0: the snapshot is not complete.
  [[nodiscard]] int64_t position() const { return phase_ == Phase::kLive ? position_ : 0; }
  // Whether the events there are will be asked for.
  [[nodiscard]] bool WantsEvents() const { return phase_ == Phase::kSubjects && Wants(v1::WATCH_KIND_EVENT); }

 private:
  enum class Phase : uint8_t { kSubjects, kEvents, kCatchUp, kLive };
  // A piece of the snapshot: subjects up to `last`, as of `revision`.
  struct Piece {
    SubjectBook::Key last;
    int64_t revision;
  };

  [[nodiscard]] bool Wants(v1::WatchKind kind) const { return (kinds_ >> static_cast<unsigned>(kind) & 1) != 0; }
  void AddSubjects(const SubjectBook& book, const RevisionClock& revisions, std::vector<WatchItem>& items, size_t& bytes);
  void AddEvents(const RevisionClock& revisions, const std::vector<EventPtr>& events, std::vector<WatchItem>& items, size_t& bytes);
  void AddRecords(const WatchLog& log, int64_t until, std::vector<WatchItem>& items, size_t& bytes);
  // Whether the snapshot knew of this change already.
  [[nodiscard]] bool IsInSnapshot(const WatchRecord& record) const;

  uint32_t kinds_ = 0;
  Phase phase_ = Phase::kSubjects;
  SubjectBook::Key after_;      // kSubjects: the last one given
  std::vector<Piece> pieces_;
  std::vector<EventPtr> events_;  // kEvents: still to be given, the last first
  int64_t events_revision_ = 0;   // of which they are
  int64_t snapshot_end_ = 0;
  int64_t position_ = 0;        // kCatchUp, kLive: of the last record that was looked at
};

// As a message.
WatchedSubject SubjectOf(const Event& event);

}  // namespace culvert::server
