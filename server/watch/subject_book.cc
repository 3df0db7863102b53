#include "server/watch/subject_book.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "server/message_walk.h"

namespace culvert::server {

uint64_t FingerprintOf(const WatchedSubject& subject) {
  WatchedSubject lasting = subject;
  return TakeFingerprint(lasting);
}

uint64_t TakeFingerprint(WatchedSubject& subject) {
  ClearLive(subject);
  return std::max<uint64_t>(std::hash<std::string>()(DeterministicBytes(subject)), 1);
}

uint64_t SubjectBook::FingerprintOf(const Key& key) const {
  const auto at = subjects_.find(key);
  return at != subjects_.end() ? at->second.fingerprint : 0;
}

int64_t SubjectBook::RevisionOf(const Key& key) const {
  const auto at = subjects_.find(key);
  return at != subjects_.end() ? at->second.revision : 0;
}

bool SubjectBook::Observe(const Key& key, const WatchedSubject& subject) {
  return Observe(key, KeptSubject::Of(subject), server::FingerprintOf(subject));
}

bool SubjectBook::Observe(const Key& key, KeptSubjectPtr subject, uint64_t fingerprint) {
  Subject& known = subjects_[key];
  if (known.subject != nullptr && known.fingerprint == fingerprint) return false;
  WatchRecord record;
  record.kind = key.kind;
  record.key = key.name;
  record.revision = revisions_.Next();
  record.before = std::exchange(known.subject, std::move(subject));
  record.subject = known.subject;
  known.fingerprint = fingerprint;
  known.revision = record.revision;
  log_.Append(std::move(record));
  return true;
}

void SubjectBook::Forget(const Key& key, const WatchedSubject* last) {
  const auto at = subjects_.find(key);
  if (at == subjects_.end()) return;
  WatchRecord record;
  record.kind = key.kind;
  record.key = key.name;
  record.before = at->second.subject;
  record.subject = last != nullptr ? KeptSubject::Of(*last) : at->second.subject;
  record.is_gone = true;
  subjects_.erase(at);
  log_.Append(std::move(record));
}

void SubjectBook::ForgetOthers(v1::WatchKind kind, const std::set<std::string>& names) {
  std::vector<Key> gone;
  for (auto at = subjects_.lower_bound({kind, ""}); at != subjects_.end() && at->first.kind == kind; ++at) {
    if (!names.contains(at->first.name)) gone.push_back(at->first);
  }
  for (const Key& key : gone) Forget(key, nullptr);
}

}  // namespace culvert::server
