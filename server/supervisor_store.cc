// What the API made outlives the daemon: what of a change is kept, and how what was kept comes back.
#include <algorithm>
#include <utility>

#include "core/base/log.h"
#include "server/error_builder.h"
#include "server/lease.h"
#include "server/supervisor.h"

namespace culvert::server {
namespace {

constexpr int kRetrySeconds = 5;

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

void Supervisor::Keep(const std::vector<StoreChange>& changes) {
  for (const StoreChange& change : changes) {
    pending_.erase(change.key);  // another one took its place
    if (change.object) {
      kept_[change.key] = std::make_shared<const v1::Object>(*change.object);
    } else {
      kept_.erase(change.key);
    }
  }
}

// The workers took nothing of a change that is kept already.
void Supervisor::TakeBack(const std::shared_ptr<Running>& running, const absl::Status& why) {
  if (running->kept.empty()) return EndChange(running, why);
  std::vector<StoreChange> inverse;
  for (const StoreChange& change : running->kept) {
    const EntryPtr before = table_.Find(change.key);
    StoreChange& back = inverse.emplace_back();
    back.key = change.key;
    if (before != nullptr && IsKept(*before)) back.object = before->object;
  }
  Keep(inverse);  // also when the disk takes nothing more: then it is told everything anew once it does
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
  static_cast<void>(thread_.Post([this, given, done = std::move(done)] {
    SortByKind(*given);
    for (v1::Object& object : *given) {
      if (!server::KindOf(object)) continue;
      kept_[KeyOf(object)] = std::make_shared<const v1::Object>(object);
    }
    if (done) when_restored_.push_back(done);
    // All at once is what usually works, and quickest.
    ChangeSet set;
    set.is_restored = true;
    for (v1::Object& object : *given) {
      if (!server::KindOf(object)) continue;
      if (table_.Find(KeyOf(object)) == nullptr) {
        set.changes.emplace_back().object = object;
      } else {
        to_restore_.push_back(object);
      }
    }
    if (set.changes.empty()) return RestoreNext();
    Change(std::move(set), /*validate_only=*/false, [this, given](const absl::StatusOr<ChangeOutcome>& outcome) {
      if (!outcome.ok()) {
        for (v1::Object& object : *given) to_restore_.push_back(std::move(object));
      }
      RestoreNext();
    });
  }));
}

// One by one, so that what stands in the way of one keeps no other from coming back.
void Supervisor::RestoreNext() {
  if (is_restoring_) return;
  while (!to_restore_.empty()) {
    v1::Object object = std::move(to_restore_.front());
    to_restore_.pop_front();
    const ObjectKey key = KeyOf(object);
    if (!kept_.contains(key)) continue;  // it was deleted meanwhile
    if (const EntryPtr entry = table_.Find(key); entry != nullptr) {
      pending_.erase(key);
      if (!IsKept(*entry)) pending_[key] = {std::move(object), "a configuration folder has an object of this name"};
      continue;
    }
    ChangeSet set;
    set.is_restored = true;
    set.changes.emplace_back().object = object;
    is_restoring_ = true;
    return Change(std::move(set), /*validate_only=*/false, [this, key, object](const absl::StatusOr<ChangeOutcome>& outcome) {
      is_restoring_ = false;
      if (outcome.ok()) {
        pending_.erase(key);
      } else if (kept_.contains(key)) {
        const std::string why(outcome.status().message());
        const auto known = pending_.find(key);
        if (known == pending_.end() || known->second.why != why) {
          events_.Record(EventType::kWarning, "NotRestored", key.ToString(), why);
        }
        pending_[key] = {object, why};
      }
      RestoreNext();
    });
  }
  for (const auto& done : std::exchange(when_restored_, {})) done();
}

void Supervisor::RetryPending() {
  if (pending_.empty() || is_restoring_ || ++seconds_to_retry_ < kRetrySeconds) return;
  seconds_to_retry_ = 0;
  std::vector<v1::Object> objects;
  for (const auto& [key, pending] : pending_) objects.push_back(pending.object);
  SortByKind(objects);
  for (v1::Object& object : objects) to_restore_.push_back(std::move(object));
  RestoreNext();
}

// Deleting an object that is kept and not in force: there is nothing to plan.
bool Supervisor::DeletePending(const Waiting& waiting) {
  if (waiting.set.changes.size() != 1 || waiting.set.changes.front().verb != server::Change::Verb::kDelete) return false;
  const ObjectKey key = waiting.set.changes.front().key;
  const auto pending = pending_.find(key);
  if (pending == pending_.end() || table_.Find(key) != nullptr) return false;
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
