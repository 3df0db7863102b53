// WatchLog: the latest changes of all that can be watched, in the order of their revisions, for readers that follow them and for readers
// that come back. However many read, a change is kept once.
// Thread: the control thread; records may be read anywhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "culvert/v1/observe.pb.h"
#include "server/watch/kept_subject.h"
#include "server/watch/revision.h"

namespace culvert::server {

struct WatchRecord {
  int64_t revision = 0;
  v1::WatchKind kind = v1::WATCH_KIND_UNSPECIFIED;
  std::string key;  // tells the subject from others of its kind
  // As it is now; of a subject that is gone, as it was last.
  KeptSubjectPtr subject;
  KeptSubjectPtr before;  // nullptr: it is new
  bool is_gone = false;
};
using WatchRecordPtr = std::shared_ptr<const WatchRecord>;

class WatchLog {
 public:
  // More than one Apply of everything there can be makes, with an event for each.
  static constexpr size_t kMaxRecords = 32768;
  static constexpr size_t kMaxBytes = 8 << 20;  // of subjects

  // Outlives it.
  explicit WatchLog(RevisionClock& revisions) : revisions_(revisions), compacted_(revisions.first()) {}

  // Gives `record` its revision, unless it has one, which is then larger than all before, and keeps it.
  void Append(WatchRecord record);

  // The first record after `revision`; nullptr: there is none yet. In logarithmic time. REQUIRES: HasAllAfter(revision).
  [[nodiscard]] WatchRecordPtr NextAfter(int64_t revision) const;
  // Whether no change after `revision` has been forgotten.
  [[nodiscard]] bool HasAllAfter(int64_t revision) const { return revision >= compacted_; }
  // The oldest revision that a reader can resume from.
  [[nodiscard]] int64_t oldest() const { return compacted_; }
  [[nodiscard]] size_t size() const { return records_.size(); }

 private:
  RevisionClock& revisions_;
  int64_t compacted_;  // that of the latest record that was forgotten
  std::deque<WatchRecordPtr> records_;
  size_t bytes_ = 0;
};

}  // namespace culvert::server
