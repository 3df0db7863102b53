// SubjectBook: every subject that can be watched, as it was when it last changed. What is observed again and is the same but for its live
// figures (FieldRules.live) is no change.
// Thread: the control thread; subjects may be read anywhere.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "server/watch/watch_log.h"

namespace culvert::server {

class SubjectBook {
 public:
  struct Key {
    v1::WatchKind kind = v1::WATCH_KIND_UNSPECIFIED;
    std::string name;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  struct Subject {
    KeptSubjectPtr subject;
    int64_t revision = 0;      // of its last change
    uint64_t fingerprint = 0;  // of all but its live figures
  };

  // Outlives it.
  explicit SubjectBook(WatchLog& log, RevisionClock& revisions) : log_(log), revisions_(revisions) {}

  // What a subject is now; a record when it is new or has changed. Returns whether it has.
  bool Observe(const Key& key, const WatchedSubject& subject);
  // The same, with its fingerprint.
  bool Observe(const Key& key, KeptSubjectPtr subject, uint64_t fingerprint);
  // It is gone; `last` is how it was, nullptr: as it is known.
  void Forget(const Key& key, const WatchedSubject* last);
  // All of `kind` that are not in `names` are gone.
  void ForgetOthers(v1::WatchKind kind, const std::set<std::string>& names);

  // Of its last change; 0: it is not known.
  [[nodiscard]] uint64_t FingerprintOf(const Key& key) const;
  [[nodiscard]] int64_t RevisionOf(const Key& key) const;
  // In the order of kinds and names.
  [[nodiscard]] const std::map<Key, Subject>& subjects() const { return subjects_; }

 private:
  WatchLog& log_;
  RevisionClock& revisions_;
  std::map<Key, Subject> subjects_;
};

// What tells a subject from itself after a change; never 0.
uint64_t FingerprintOf(const WatchedSubject& subject);
// The same; its live figures are gone thereafter.
uint64_t TakeFingerprint(WatchedSubject& subject);

}  // namespace culvert::server
