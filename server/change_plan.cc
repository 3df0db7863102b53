// The flow, in the order of the functions below: Draft each change -> PutDrafts into a copy of the table -> judge the table
// -> resolve keys -> stamp metadata.
#include "server/change_plan.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"
#include "core/crypto/secret.h"
#include "server/entry_resolver.h"
#include "server/error_builder.h"
#include "server/lease.h"
#include "server/message_walk.h"
#include "server/spec_defaults.h"
#include "server/status_view.h"
#include "server/table_rules.h"
#include "server/validate_object.h"

namespace culvert::server {
namespace {

using Action = ChangeResult::Action;
using Verb = Change::Verb;

}  // namespace

// A change on its way: the object as wanted, not yet an entry.
struct Draft {
  std::string prefix;  // of paths in errors
  v1::Object object;
  EntryPtr before;
  std::vector<v1::Warning> warnings;
};

namespace {

void AddWarning(std::string field, std::string reason, std::string message, std::vector<v1::Warning>& warnings) {
  v1::Warning& warning = warnings.emplace_back();
  warning.set_field(std::move(field));
  warning.set_reason(std::move(reason));
  warning.set_message(std::move(message));
}

}  // namespace

class Planner {
 public:
  Planner(const ObjectTable& table, const ChangeSet& set, PlanContext context)
      : before_(table), set_(set), context_(std::move(context)), drafts_(set.changes.size()) {
    plan_.table = table;
    plan_.results.resize(set.changes.size());
  }

  // Whether there is more to do.
  bool GoOn() {
    if (status_.ok()) status_ = DoPiece();
    return status_.ok() && phase_ != Phase::kDone;
  }
  absl::StatusOr<ChangePlan> Take() {
    CULVERT_RETURN_IF_ERROR(status_);
    return std::move(plan_);
  }

 private:
  enum class Phase : uint8_t { kDraft, kFinish, kDone };
  // All drafts come before the first is finished: what one change refuses must not have read files for another.
  absl::Status DoPiece() {
    const size_t end = std::min(drafts_.size(), next_ + PlanInPieces::kPiece);
    if (phase_ == Phase::kDraft) {
      for (; next_ < end; ++next_) CULVERT_RETURN_IF_ERROR(DraftOne(next_, drafts_[next_]));
      return next_ == drafts_.size() ? EndDrafts() : absl::OkStatus();
    }
    for (; next_ < end; ++next_) CULVERT_RETURN_IF_ERROR(Finish(next_, drafts_[next_]));
    return next_ == drafts_.size() ? EndPlan() : absl::OkStatus();
  }
  absl::Status EndDrafts() {
    if (!violations_.empty()) return InvalidFields(violations_);
    phase_ = Phase::kFinish;
    next_ = 0;
    return CheckManagers(drafts_);
  }
  absl::Status EndPlan() {
    phase_ = Phase::kDone;
    if (set_.prune) CULVERT_RETURN_IF_ERROR(Prune());
    JudgeTable(drafts_);
    if (!violations_.empty()) return InvalidFields(violations_);
    return plan_.table.size() > kMaxObjects ? LimitExceeded("declared objects", kMaxObjects) : absl::OkStatus();
  }
  absl::Status DraftOne(size_t index, Draft& draft);
  absl::Status DraftUpdate(const Change& change, Draft& draft);
  void JudgeFiles(const Draft& draft);
  absl::Status CheckManagers(std::vector<Draft>& drafts) const;
  absl::Status Prune();
  absl::Status Finish(size_t index, Draft& draft);
  absl::Status ByKey(const Change& change, ChangeResult& result);
  void Stamp(const Draft& draft, Entry& entry, ChangeResult& result);
  void JudgeTable(const std::vector<Draft>& drafts);
  void JudgeBystanders(const std::vector<Draft>& drafts, const TableRules& rules);

  const ObjectTable& before_;
  const ChangeSet& set_;
  const PlanContext context_;
  ChangePlan plan_;
  std::vector<Draft> drafts_;
  Phase phase_ = Phase::kDraft;
  size_t next_ = 0;  // of the phase
  absl::Status status_;
  Violations violations_;
  std::map<ObjectKey, size_t> seen_;
};

namespace {

bool IsAboutKey(const Change& change) {
  return change.verb == Verb::kDelete || change.verb == Verb::kDrain || change.verb == Verb::kResume;
}

// Reads never show a secret, so what was read and is applied again has none: that must not take the key away. Who wants that
// deletes the object.
void KeepOuterKey(const v1::Object& before, v1::Object& after) {
  const v1::QuicSpec* known = QuicOf(before);
  v1::QuicSpec* wanted = MutableQuicOf(after);
  if (known == nullptr || wanted == nullptr || !known->outer().has_key() || !wanted->has_outer()) return;
  v1::QuicOuterSpec& outer = *wanted->mutable_outer();
  const bool has_security =
      outer.security() != v1::OUTER_SECURITY_NONE && outer.security() != v1::OUTER_SECURITY_UNSPECIFIED;
  if (has_security && !outer.has_key() && outer.key_file().empty()) outer.set_key(known->outer().key());
}

void KeepSeed(const v1::Object& before, v1::Object& after) {
  const v1::KcpSpec* known = KcpOf(before);
  v1::KcpSpec* wanted = KcpOf(after) != nullptr ? MutableKcpOf(after) : nullptr;
  if (known == nullptr || wanted == nullptr || !known->has_seed()) return;
  if (wanted->has_seed() || !wanted->seed_file().empty() || wanted->profile() == v1::KCP_PROFILE_XRAY) return;
  wanted->set_seed(known->seed());
}

}  // namespace

absl::Status Planner::DraftOne(size_t index, Draft& draft) {
  const Change& change = set_.changes[index];
  if (set_.is_apply) draft.prefix = absl::StrFormat("objects[%d]", index);
  if (IsAboutKey(change)) return absl::OkStatus();

  draft.object = change.object;
  const std::optional<Kind> kind = KindOf(draft.object);
  if (kind) {
    if (!set_.is_restored) ClearOutputOnly(MutableBodyOf(draft.object), draft.prefix, draft.warnings);
    draft.before = before_.Find(KeyOf(draft.object));
    if (change.verb == Verb::kUpdate) CULVERT_RETURN_IF_ERROR(DraftUpdate(change, draft));
    if (set_.is_apply && draft.before != nullptr) {
      KeepSeed(draft.before->object, draft.object);
      KeepOuterKey(draft.before->object, draft.object);
    }
  }
  const size_t faults_before = violations_.size();
  if (kind && !set_.is_restored) {
    JudgeLease(MetadataOf(draft.object), draft.before != nullptr ? &MetadataOf(draft.before->object) : nullptr, context_.now_unix_ns,
               draft.prefix, violations_);
  }
  ValidateObject(draft.object, draft.prefix, violations_, draft.warnings);
  if (!kind || violations_.size() != faults_before) return absl::OkStatus();
  if (!set_.may_name_any_file) JudgeFiles(draft);

  const ObjectKey key = KeyOf(draft.object);
  if (const auto [at, is_new] = seen_.try_emplace(key, index); !is_new) {
    violations_.push_back({JoinPath(draft.prefix, "metadata.name"),
                           absl::StrFormat("%s stands in objects[%d] too", key.ToString(), at->second)});
  }
  if (draft.before == nullptr) return absl::OkStatus();
  if (change.verb == Verb::kCreate) return AlreadyExists(key);
  FindImmutableChanges(BodyOf(draft.before->object), BodyOf(draft.object), draft.prefix, violations_);
  const char* socket_setting =
      key.kind == Kind::kListener ? ChangedSocketSetting(draft.before->object, draft.object) : nullptr;
  if (socket_setting != nullptr) {
    // The sockets stay bound through every change of a listener (listener_sockets.h), so theirs are settled at creation.
    violations_.push_back({JoinPath(draft.prefix, socket_setting),
                           "cannot change while bound; delete the listener and create it anew", "FIELD_IMMUTABLE"});
  }
  const std::string& etag = MetadataOf(change.object).etag();
  const std::string& current = MetadataOf(draft.before->object).etag();
  if (!etag.empty() && etag != current) return EtagMismatch(key, current);
  return absl::OkStatus();
}

// Before anything is read: Finish comes only when there is no violation.
void Planner::JudgeFiles(const Draft& draft) {
  static const CredentialFolders kNone;
  const CredentialFolders& folders = context_.credential_folders != nullptr ? *context_.credential_folders : kNone;
  const google::protobuf::Message* before = draft.before != nullptr ? &BodyOf(draft.before->object) : nullptr;
  for (const NamedFile& named : NewlyNamedFiles(before, BodyOf(draft.object), draft.prefix)) {
    if (std::string fault = folders.FaultOf(named.file); !fault.empty()) violations_.push_back({named.path, std::move(fault)});
  }
}

absl::Status Planner::DraftUpdate(const Change& change, Draft& draft) {
  if (draft.before == nullptr) {
    return change.allow_missing ? absl::OkStatus() : NotFound(KeyOf(draft.object));
  }
  v1::Object merged = draft.before->object;
  v1::Metadata patch_identity = MetadataOf(draft.object);
  MergeUpdate(BodyOf(draft.object), change.mask_paths, MutableBodyOf(merged), violations_);
  MutableMetadataOf(merged).set_name(patch_identity.name());  // a mask never renames
  draft.object = std::move(merged);
  const std::string& manager = MetadataOf(draft.object).manager();
  if (manager != set_.manager) {
    AddWarning("metadata.manager", "MANAGED_BY_OTHER",
               "belongs to manager \"" + manager + "\", which will undo the change when it applies again", draft.warnings);
  }
  return absl::OkStatus();
}

absl::Status Planner::CheckManagers(std::vector<Draft>& drafts) const {
  std::vector<ObjectKey> foreign;
  for (Draft& draft : drafts) {
    if (!set_.is_apply || draft.before == nullptr) continue;
    const std::string& manager = MetadataOf(draft.before->object).manager();
    if (manager == set_.manager) continue;
    // What is as it should be already needs no permission.
    if (EtagOf(draft.object, *context_.hash) == MetadataOf(draft.before->object).etag()) continue;
    if (!set_.force_conflicts) {
      foreign.push_back(KeyOf(draft.object));
    } else if (manager == kFileManager) {
      AddWarning("metadata.manager", "MANAGED_BY_OTHER", "stands in a configuration folder too, which wins again at the next start", draft.warnings);
    }
  }
  if (foreign.empty()) return absl::OkStatus();
  return ManagedByOther(foreign, MetadataOf(before_.Find(foreign.front())->object).manager());
}

// Puts the outcome of one change into the planned table.
absl::Status Planner::Finish(size_t index, Draft& draft) {
  ChangeResult& result = plan_.results[index];
  if (IsAboutKey(set_.changes[index])) return ByKey(set_.changes[index], result);
  auto entry = std::make_shared<Entry>();
  CULVERT_RETURN_IF_ERROR(ResolveEntry(draft.object, draft.prefix, context_, *entry, draft.warnings, violations_));
  result.key = KeyOf(draft.object);
  result.before = draft.before;
  Stamp(draft, *entry, result);
  // A warning stands in the result of its object, so its path begins there, unlike that of a violation.
  const std::string head = draft.prefix + ".";
  for (v1::Warning& warning : draft.warnings) {
    if (warning.field().starts_with(head)) warning.set_field(warning.field().substr(head.size()));
  }
  result.warnings = std::move(draft.warnings);
  if (result.action == Action::kUnchanged) {
    result.after = result.renewed ? WithLeaseOf(*draft.before, *entry) : draft.before;
  } else {
    result.after = std::move(entry);
  }
  plan_.table.Put(result.after);
  return absl::OkStatus();
}

// Deletions, and what leads to them.
absl::Status Planner::ByKey(const Change& change, ChangeResult& result) {
  result.key = change.key;
  result.before = before_.Find(change.key);
  const bool is_another = result.before != nullptr && !change.uid.empty() && MetadataOf(result.before->object).uid() != change.uid;
  if (is_another) result.before = nullptr;
  if (result.before == nullptr) {
    result.action = Action::kMissing;
    return change.allow_missing ? absl::OkStatus() : NotFound(change.key);
  }
  if (change.if_expired && !IsExpired(*result.before, context_.now_unix_ns, context_.now)) {
    result.after = result.before;  // its lease was put off in the meantime
    return absl::OkStatus();
  }
  const std::string& current = MetadataOf(result.before->object).etag();
  if (!change.etag.empty() && change.etag != current) return EtagMismatch(change.key, current);
  const std::vector<ObjectKey> referrers = plan_.table.ReferrersOf(change.key);  // without what went earlier in this set
  if (!referrers.empty() && !change.force && change.verb != Verb::kResume) return ResourceInUse(change.key, referrers);
  if (change.verb != Verb::kDelete) {
    const bool is_draining = change.verb == Verb::kDrain;
    result.after = result.before;
    if (result.before->is_draining == is_draining) return absl::OkStatus();
    auto entry = std::make_shared<Entry>(*result.before);
    entry->is_draining = is_draining;
    result.after = std::move(entry);
    result.action = is_draining ? Action::kDraining : Action::kResumed;
    plan_.table.Put(result.after);
    return absl::OkStatus();
  }
  result.action = Action::kDeleted;
  result.disruptive = true;
  plan_.table.Erase(change.key);
  for (const ObjectKey& referrer : referrers) plan_.table.Erase(referrer);
  plan_.also_deleted.insert(plan_.also_deleted.end(), referrers.begin(), referrers.end());
  return absl::OkStatus();
}

// Deletes what the manager of an apply owns and did not name.
absl::Status Planner::Prune() {
  std::vector<ObjectKey> unnamed;
  for (const auto& [key, entry] : before_.entries()) {
    if (MetadataOf(entry->object).manager() == set_.manager && !seen_.contains(key)) unnamed.push_back(key);
  }
  for (const ObjectKey& key : unnamed) plan_.table.Erase(key);
  const std::map<ObjectKey, std::vector<ObjectKey>> referrers = plan_.table.Referrers();
  for (const ObjectKey& key : unnamed) {
    if (const auto in_use = referrers.find(key); in_use != referrers.end()) return ResourceInUse(key, in_use->second);
    ChangeResult& result = plan_.results.emplace_back();
    result.action = Action::kDeleted;
    result.key = key;
    result.before = before_.Find(key);
    result.disruptive = true;
  }
  return absl::OkStatus();
}

// Decides what the change amounts to and completes the metadata.
void Planner::Stamp(const Draft& draft, Entry& entry, ChangeResult& result) {
  entry.object = draft.object;
  v1::Metadata& metadata = MutableMetadataOf(entry.object);
  const google::protobuf::Timestamp now = google::protobuf::util::TimeUtil::NanosecondsToTimestamp(context_.now_unix_ns);
  metadata.set_etag(EtagOf(entry.object, *context_.hash));
  StampLease(context_.now_unix_ns, context_.now, entry);
  if (draft.before == nullptr) {
    result.action = Action::kCreated;
    entry.incarnation = (*context_.next_incarnation)++;
    entry.conditions = std::make_shared<ConditionMemory>();
    if (set_.is_restored) return;
    metadata.set_uid(absl::StrFormat("%016x%016x", context_.random->NextU64(), context_.random->NextU64()));
    *metadata.mutable_create_time() = now;
    *metadata.mutable_update_time() = now;
    metadata.set_generation(1);
    metadata.set_manager(set_.manager);
    return;
  }

  const v1::Metadata& before = MetadataOf(draft.before->object);
  v1::Object same_etag = draft.before->object;
  MutableMetadataOf(same_etag).set_etag(metadata.etag());
  result.renewed = RenewsLease(before, metadata);
  if (result.renewed) *MutableMetadataOf(same_etag).mutable_expire_time() = metadata.expire_time();
  result.changed_paths = ChangedPaths(BodyOf(same_etag), BodyOf(entry.object));
  const bool seed_changed = entry.secret_file_fingerprint != draft.before->secret_file_fingerprint;
  const std::string seed_path = entry.quic != nullptr ? "spec.quic.outer.key_file" : "spec.kcp.seed_file";
  if (seed_changed && std::ranges::find(result.changed_paths, seed_path) == result.changed_paths.end()) {
    result.changed_paths.push_back(seed_path);
  }
  // Renewed files are a change though the spec is the same; whether they were noticed before is a matter of seconds.
  const bool files_changed = entry.tls_fingerprint != draft.before->tls_fingerprint;
  const auto is_tls = [](const std::string& path) { return path.starts_with("spec.tls"); };
  if (files_changed && std::ranges::none_of(result.changed_paths, is_tls)) result.changed_paths.push_back("spec.tls");
  const bool users_changed = entry.users_fingerprint != draft.before->users_fingerprint;
  if (users_changed && std::ranges::find(result.changed_paths, "spec.users_file") == result.changed_paths.end()) {
    result.changed_paths.push_back("spec.users_file");
  }
  const bool taken_over = set_.is_apply && set_.force_conflicts && before.manager() != set_.manager;
  if (taken_over) result.changed_paths.push_back("metadata.manager");
  if (result.changed_paths.empty()) {
    result.action = Action::kUnchanged;
    return;
  }
  result.action = Action::kConfigured;
  result.disruptive = seed_changed || IsDisruptive(draft.before->object, entry.object);
  const bool spec_changed = std::ranges::any_of(result.changed_paths, [](const std::string& path) {
    return path.starts_with("spec");
  });
  metadata.set_uid(before.uid());
  *metadata.mutable_create_time() = before.create_time();
  *metadata.mutable_update_time() = now;
  metadata.set_generation(before.generation() + (spec_changed ? 1 : 0));
  metadata.set_manager(taken_over ? set_.manager : before.manager());
  entry.is_draining = draft.before->is_draining;
  entry.conditions = draft.before->conditions;
  entry.incarnation = result.disruptive ? (*context_.next_incarnation)++ : draft.before->incarnation;
  if (result.disruptive) return;
  entry.kcp = draft.before->kcp;
  entry.quic = draft.before->quic;
  if (!users_changed) entry.users = draft.before->users;
  // Another context, even an equal one, would make the workers forget the tickets they have. The certificate of our own making is
  // the same context for all, until it is renewed.
  const bool is_shared = entry.quic != nullptr && entry.object.has_listener() && TlsOf(entry.object) == nullptr;
  if (!is_shared && std::ranges::none_of(result.changed_paths, is_tls)) entry.tls = draft.before->tls;
}

void Planner::JudgeTable(const std::vector<Draft>& drafts) {
  const TableRules rules(plan_.table);
  for (size_t i = 0; i < drafts.size(); ++i) {
    if (plan_.results[i].after != nullptr) rules.Check(*plan_.results[i].after, drafts[i].prefix, violations_);
  }
  JudgeBystanders(drafts, rules);
}

// A forward that is not in the request can become wrong by what becomes of its listener or dialer. Told at the object that is.
void Planner::JudgeBystanders(const std::vector<Draft>& drafts, const TableRules& rules) {
  std::map<ObjectKey, size_t> changed;
  std::set<ObjectKey> judged;
  for (size_t i = 0; i < drafts.size(); ++i) {
    const ChangeResult& result = plan_.results[i];
    if (result.key.kind == Kind::kForward) {
      judged.insert(result.key);
    } else if (result.action == Action::kConfigured) {
      changed.emplace(result.key, i);
    }
  }
  if (changed.empty()) return;
  for (const EntryPtr& entry : plan_.table.OfKind(Kind::kForward)) {
    if (judged.contains(KeyOf(entry->object))) continue;
    const v1::ForwardSpec& spec = entry->object.forward().spec();
    for (const ObjectKey& key : {ObjectKey{Kind::kListener, spec.listener()}, ObjectKey{Kind::kListener, spec.reverse_listener()},
                                 ObjectKey{Kind::kDialer, spec.dialer()}}) {
      const auto found = changed.find(key);
      if (found == changed.end()) continue;
      Violations faults;
      rules.Check(*entry, "", faults);
      for (const Violation& fault : faults) {
        if (violations_.size() >= kMaxViolations) return;
        violations_.push_back({JoinPath(drafts[found->second].prefix, "spec"),
                               KeyOf(entry->object).ToString() + " would be wrong with it: " + fault.path + ": " + fault.description});
      }
      break;
    }
  }
}

std::string EtagOf(const v1::Object& object, const KeyedHash& hash) {
  // Maps have no order in memory; sorted here, equal objects have equal bytes.
  v1::Object subject = object;
  v1::Metadata& metadata = MutableMetadataOf(subject);
  v1::Metadata kept;
  kept.set_name(metadata.name());
  *kept.mutable_labels() = metadata.labels();
  *kept.mutable_annotations() = metadata.annotations();
  // A lease is part of what an object is declared to be; when it ends by a ttl is not.
  if (metadata.has_ttl()) {
    *kept.mutable_ttl() = metadata.ttl();
  } else if (metadata.has_expire_time()) {
    *kept.mutable_expire_time() = metadata.expire_time();
  }
  metadata = kept;
  std::string bytes = DeterministicBytes(subject);
  const uint64_t value = hash(AsBytes(bytes));
  SecureErase({reinterpret_cast<uint8_t*>(bytes.data()), bytes.size()});
  return absl::StrFormat("\"%016x\"", value);
}

absl::StatusOr<ChangePlan> MakePlan(const ObjectTable& table, const ChangeSet& set, const PlanContext& context) {
  Planner planner(table, set, context);
  while (planner.GoOn()) {
  }
  return planner.Take();
}

PlanInPieces::PlanInPieces(const ObjectTable& table, const ChangeSet& set, PlanContext context)
    : planner_(std::make_unique<Planner>(table, set, std::move(context))) {}
PlanInPieces::~PlanInPieces() = default;
bool PlanInPieces::GoOn() { return planner_->GoOn(); }
absl::StatusOr<ChangePlan> PlanInPieces::Take() { return planner_->Take(); }

}  // namespace culvert::server
