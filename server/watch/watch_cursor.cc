#include "server/watch/watch_cursor.h"

#include <algorithm>
#include <utility>

#include "server/stats_proto.h"

namespace culvert::server {

WatchCursor WatchCursor::FromSnapshot(uint32_t kinds, const RevisionClock& revisions) {
  WatchCursor cursor;
  cursor.kinds_ = kinds;
  cursor.position_ = revisions.current();
  return cursor;
}

WatchCursor WatchCursor::After(uint32_t kinds, int64_t revision) {
  WatchCursor cursor;
  cursor.kinds_ = kinds;
  cursor.phase_ = Phase::kLive;
  cursor.position_ = revision;
  return cursor;
}

std::vector<WatchItem> WatchCursor::Next(const SubjectBook& book, const WatchLog& log, const RevisionClock& revisions,
                                         const std::vector<EventPtr>& events, bool& has_fallen_behind) {
  std::vector<WatchItem> items;
  size_t bytes = 0;
  has_fallen_behind = !log.HasAllAfter(position_);
  if (has_fallen_behind) return items;
  if (phase_ == Phase::kSubjects) AddSubjects(book, revisions, items, bytes);
  if (phase_ == Phase::kEvents) AddEvents(revisions, events, items, bytes);
  if (phase_ == Phase::kCatchUp) {
    AddRecords(log, snapshot_end_, items, bytes);
    if (position_ == snapshot_end_) {
      items.push_back({WatchItem::Kind::kSnapshotComplete, snapshot_end_, nullptr, nullptr});
      phase_ = Phase::kLive;
      pieces_ = {};
    }
  }
  if (phase_ == Phase::kLive) AddRecords(log, revisions.current(), items, bytes);
  return items;
}

void WatchCursor::AddSubjects(const SubjectBook& book, const RevisionClock& revisions, std::vector<WatchItem>& items, size_t& bytes) {
  auto at = book.subjects().upper_bound(after_);
  for (; at != book.subjects().end() && items.size() < kMaxItems && bytes < kMaxBytes; ++at) {
    after_ = at->first;
    if (!Wants(at->first.kind)) continue;
    items.push_back({WatchItem::Kind::kInitial, at->second.revision, at->second.subject, nullptr});
    bytes += at->second.subject->size();
  }
  const bool is_last = at == book.subjects().end();
  // What comes behind the last one later is not in the snapshot.
  pieces_.push_back({is_last ? SubjectBook::Key{v1::WATCH_KIND_EVENT, ""} : after_, revisions.current()});
  if (is_last) phase_ = Phase::kEvents;
}

void WatchCursor::AddEvents(const RevisionClock& revisions, const std::vector<EventPtr>& events, std::vector<WatchItem>& items,
                            size_t& bytes) {
  if (events_revision_ == 0) {
    events_revision_ = revisions.current();
    if (Wants(v1::WATCH_KIND_EVENT)) events_.assign(events.rbegin(), events.rend());
  }
  while (!events_.empty() && items.size() < kMaxItems && bytes < kMaxBytes) {
    KeptSubjectPtr subject = KeptSubject::Of(SubjectOf(*events_.back()));
    bytes += subject->size();
    items.push_back({WatchItem::Kind::kInitial, events_.back()->revision, std::move(subject), nullptr});
    events_.pop_back();
  }
  if (!events_.empty()) return;
  events_ = {};
  snapshot_end_ = revisions.current();
  phase_ = Phase::kCatchUp;
}

bool WatchCursor::IsInSnapshot(const WatchRecord& record) const {
  if (record.kind == v1::WATCH_KIND_EVENT) return record.revision <= events_revision_;
  const auto piece = std::ranges::lower_bound(pieces_, SubjectBook::Key{record.kind, record.key}, {}, &Piece::last);
  return piece != pieces_.end() && record.revision <= piece->revision;
}

void WatchCursor::AddRecords(const WatchLog& log, int64_t until, std::vector<WatchItem>& items, size_t& bytes) {
  while (position_ < until && items.size() < kMaxItems && bytes < kMaxBytes) {
    const WatchRecordPtr record = log.NextAfter(position_);
    if (record == nullptr || record->revision > until) {
      position_ = until;
      return;
    }
    position_ = record->revision;
    if (!Wants(record->kind) || (phase_ == Phase::kCatchUp && IsInSnapshot(*record))) continue;
    items.push_back({WatchItem::Kind::kChange, record->revision, nullptr, record});
    bytes += record->subject->size();
  }
}

WatchedSubject SubjectOf(const Event& event) {
  WatchedSubject subject;
  *subject.mutable_event() = ToProto(event);
  return subject;
}

}  // namespace culvert::server
