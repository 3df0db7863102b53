// What the API made outlives the daemon: what of a change is kept, and how what was kept comes back.
#include <algorithm>
#include <iterator>
#include <utility>

#include "core/base/log.h"
#include "core/io/monotonic_clock.h"
#include "server/error_builder.h"
#include "server/lease.h"
#include "server/supervisor.h"

namespace culvert::server {
namespace {

constexpr int kRetrySeconds = 5;
constexpr int kMaxRetrySeconds = 60;

bool IsKept(const Entry& entry) { return MetadataOf(entry.object).manager() != kFileManager; }

// Listeners and dialers before the forwards that name them.
void SortByKind(std::vector<v1::Object>& objects) {
  std::ranges::stable_sort(objects, {}, [](const v1::Object& object) { return KindOf(object).value_or(Kind::kForward); });
}

}  // namespace

std::vector<StoreChange> Supervisor::ChangesToKeep(const ChangePlan& plan, const ChangeSet& set) const {
  std::vector<StoreChange> changes;
  const auto forget = [&](const ObjectKey& key) {
    if (kept_.contains(key)) changes.push_back({key, std::nullopt});
  };
  for (const ChangeResult& result : plan.results) {
    switch (result.action) {
      case ChangeResult::Action::kCreated:
      case ChangeResult::Action::kConfigured:
        if (IsKept(*result.after)) {
          changes.push_back({result.key, result.after->object});
        } else if (result.before != nullptr && IsKept(*result.before)) {
          forget(result.key);
        }
        break;
      case ChangeResult::Action::kDeleted:
        if (IsKept(*result.before)) forget(result.key);
        break;
      case ChangeResult::Action::kUnchanged:
      case ChangeResult::Action::kDraining:
      case ChangeResult::Action::kResumed:
      case ChangeResult::Action::kMissing: break;
    }
  }
  for (const ObjectKey& key : plan.also_deleted) {
    if (const EntryPtr entry = table_.Find(key); entry != nullptr && IsKept(*entry)) forget(key);
  }
  if (!set.prune) return changes;
  for (const auto& [key, pending] : pending_) {
    const bool is_named = std::ranges::any_of(plan.results, [&](const ChangeResult& result) { return result.key == key; });
    if (!is_named && MetadataOf(pending.object).manager() == set.manager) changes.push_back({key, std::nullopt});
  }
  return changes;
}

std::vector<Supervisor::Undo> Supervisor::Keep(const std::vector<StoreChange>& changes) {
  std::vector<Undo> before;
  for (const StoreChange& change : changes) {
    Undo& undo = before.emplace_back();
    undo.key = change.key;
    if (const auto kept = kept_.find(change.key); kept != kept_.end()) undo.object = kept->second;
    if (const auto pending = pending_.find(change.key); pending != pending_.end()) undo.pending = pending->second.why;
    pending_.erase(change.key);  // another one took its place
    if (change.object) {
      kept_[change.key] = std::make_shared<const v1::Object>(*change.object);
    } else {
      kept_.erase(change.key);
    }
  }
  return before;
}

// The workers took nothing of a change that is kept already: what was kept before is kept again, also what was only pending.
void Supervisor::TakeBack(const std::shared_ptr<Running>& running, const absl::Status& why) {
  if (running->kept.empty()) return EndChange(running, why);
  std::vector<StoreChange> inverse;
  for (const Undo& undo : running->undo) {
    StoreChange& back = inverse.emplace_back();
    back.key = undo.key;
    if (undo.object != nullptr) back.object = *undo.object;
  }
  Keep(inverse);  // also when the disk takes nothing more: then it is told everything anew once it does
  for (const Undo& undo : running->undo) {
    if (undo.object != nullptr && !undo.pending.empty()) pending_[undo.key] = {*undo.object, undo.pending};
  }
  options_.store(inverse, [this, running, why](const absl::Status&) { EndChange(running, why); });
}

std::vector<v1::Object> Supervisor::KeptObjects() const {
  std::vector<v1::Object> objects;
  for (const auto& [key, object] : kept_) objects.push_back(*object);
  return objects;
}

void Supervisor::SetStoreHealth(absl::Status health) {
  const bool was_ok = store_health_.ok();
  store_health_ = std::move(health);
  const std::string text(store_health_.message());
  if (!store_health_.ok()) {
    Log(LogLevel::kError, "state", "objects made through the API cannot be kept: changes of them are refused", {{"error", text}});
    events_.Record(EventType::kWarning, "StateNotKept", "daemon", text);
  } else if (!was_ok) {
    Log(LogLevel::kInfo, "state", "objects made through the API are kept again");
    events_.Record(EventType::kNormal, "StateKept", "daemon", "objects made through the API are kept again");
  }
}

void Supervisor::Restore(std::vector<v1::Object> objects, std::function<void()> done) {
  const auto given = std::make_shared<std::vector<v1::Object>>(std::move(objects));
  // As a reply: it must not be refused, and happens once.
  thread_.PostReply([this, given, done = std::move(done)] { RestoreNow(std::move(*given), done); });
}

void Supervisor::RestoreNow(std::vector<v1::Object> objects, std::function<void()> done) {
  std::erase_if(objects, [](const v1::Object& object) { return !server::KindOf(object); });
  SortByKind(objects);
  for (const v1::Object& object : objects) kept_[KeyOf(object)] = std::make_shared<const v1::Object>(object);
  if (done) when_restored_.push_back(std::move(done));
  to_restore_.push_back(std::move(objects));
  RestoreNext();
}

// All at once is what usually works, and quickest. Where something stands in the way the halves are tried, and theirs, until what
// stands in the way is alone: so one of thousands costs a dozen changes more.
void Supervisor::RestoreNext() {
  while (!is_restoring_ && !to_restore_.empty()) {
    const auto batch = std::make_shared<std::vector<v1::Object>>();
    ChangeSet set;
    set.is_restored = true;
    set.may_name_any_file = true;
    for (v1::Object& object : to_restore_.front()) {
      const ObjectKey key = KeyOf(object);
      if (!kept_.contains(key)) continue;  // it was deleted meanwhile
      if (const EntryPtr entry = table_.Find(key); entry != nullptr) {
        pending_.erase(key);
        if (!IsKept(*entry)) pending_[key] = {std::move(object), "a configuration folder has an object of this name"};
        continue;
      }
      set.changes.emplace_back().object = object;
      batch->push_back(std::move(object));
    }
    to_restore_.pop_front();
    if (batch->empty()) continue;
    is_restoring_ = true;
    const auto is_answered = std::make_shared<bool>(false);  // at once: then this loop goes on with the next
    Change(std::move(set), /*validate_only=*/false, [this, batch, is_answered](const absl::StatusOr<ChangeOutcome>& outcome) {
      is_restoring_ = false;
      NoteRestored(std::move(*batch), outcome.status());
      if (std::exchange(*is_answered, true)) RestoreNext();
    });
    if (std::exchange(*is_answered, true)) continue;
    return;
  }
  if (is_restoring_) return;
  for (const auto& done : std::exchange(when_restored_, {})) done();
}

void Supervisor::NoteRestored(std::vector<v1::Object> batch, const absl::Status& status) {
  if (status.ok()) {
    for (const v1::Object& object : batch) pending_.erase(KeyOf(object));
    return;
  }
  if (batch.size() > 1 && !stopping_) {
    const auto middle = batch.begin() + static_cast<std::ptrdiff_t>(batch.size() / 2);
    to_restore_.emplace_front(std::make_move_iterator(middle), std::make_move_iterator(batch.end()));
    to_restore_.emplace_front(std::make_move_iterator(batch.begin()), std::make_move_iterator(middle));
    return;
  }
  const std::string why(status.message());
  for (v1::Object& object : batch) {
    const ObjectKey key = KeyOf(object);
    if (!kept_.contains(key)) continue;
    const auto known = pending_.find(key);
    if (known == pending_.end() || known->second.why != why) events_.Record(EventType::kWarning, "NotRestored", key.ToString(), why);
    std::optional<TimePoint> lease_end = known != pending_.end() ? known->second.lease_end : std::nullopt;
    if (!lease_end) lease_end = LeaseEndOf(MetadataOf(object), io::Now());
    pending_[key] = {std::move(object), why, lease_end};
  }
}

// What a controller made and left behind does not wait for ever for what it needs.
void Supervisor::EndPendingLeases() {
  for (const auto& [key, pending] : pending_) {
    if (table_.Find(key) != nullptr || !IsExpired(MetadataOf(pending.object), pending.lease_end, io::UnixNanoseconds(), io::Now())) continue;
    ChangeSet set;
    set.manager = "lease";
    server::Change& change = set.changes.emplace_back();
    change.verb = server::Change::Verb::kDelete;
    change.key = key;
    change.allow_missing = true;
    change.uid = MetadataOf(pending.object).uid();
    // Posted: what it does to the map must not happen under this loop.
    Change(std::move(set), /*validate_only=*/false, [](const absl::StatusOr<ChangeOutcome>&) {});
  }
}

// The longer it has been in vain, the seldomer.
void Supervisor::RetryPending() {
  if (pending_.empty()) retry_after_seconds_ = kRetrySeconds;
  if (pending_.empty() || is_restoring_ || !to_restore_.empty() || ++seconds_to_retry_ < retry_after_seconds_) return;
  seconds_to_retry_ = 0;
  retry_after_seconds_ = std::min(2 * std::max(retry_after_seconds_, kRetrySeconds), kMaxRetrySeconds);
  std::vector<v1::Object> objects;
  for (const auto& [key, pending] : pending_) objects.push_back(pending.object);
  SortByKind(objects);
  to_restore_.push_back(std::move(objects));
  RestoreNext();
}

// Deleting an object that is kept and not in force: there is nothing to plan.
bool Supervisor::DeletePending(const Waiting& waiting) {
  if (waiting.set.changes.size() != 1 || waiting.set.changes.front().verb != server::Change::Verb::kDelete) return false;
  const ObjectKey key = waiting.set.changes.front().key;
  const auto pending = pending_.find(key);
  if (pending == pending_.end() || table_.Find(key) != nullptr) return false;
  if (const std::string& uid = waiting.set.changes.front().uid; !uid.empty() && uid != MetadataOf(pending->second.object).uid()) return false;
  const std::string& etag = MetadataOf(pending->second.object).etag();
  if (const std::string& wanted = waiting.set.changes.front().etag; !wanted.empty() && wanted != etag) {
    waiting.done(EtagMismatch(key, etag));
    return true;
  }
  ChangeOutcome outcome;
  ChangeResult& result = outcome.results.emplace_back();
  result.action = ChangeResult::Action::kDeleted;
  result.key = key;
  Entry entry;
  entry.object = pending->second.object;
  outcome.objects.push_back(RedactedObject(entry));
  outcome.revision = revisions_.current();
  if (waiting.validate_only || !options_.store) {
    waiting.done(std::move(outcome));
    return true;
  }
  const auto running = std::make_shared<Running>();
  running->done = waiting.done;
  running->kept = {{key, std::nullopt}};
  change_is_running_ = true;
  options_.store(running->kept, [this, running, outcome](const absl::Status& kept) {
    if (!kept.ok()) return EndChange(running, kept);
    Keep(running->kept);
    EndChange(running, outcome);
  });
  return true;
}

}  // namespace culvert::server
