// What is read again while the daemon runs: the configuration folders, and the files of seeds, keys, certificates and users that objects name.
#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "core/io/monotonic_clock.h"
#include "server/error_builder.h"
#include "server/stats_proto.h"
#include "server/supervisor.h"
#include "server/validate_object.h"
#include "server/validate_tls.h"

namespace culvert::server {
namespace {

// The files of seeds, keys and users; those of TLS are looked after by TlsReload.
std::vector<std::string> SecretFilesOf(const v1::Object& object) {
  std::vector<std::string> files;
  const auto add = [&files](const std::string& file) {
    if (!file.empty()) files.push_back(file);
  };
  if (const v1::KcpSpec* kcp = KcpOf(object)) add(kcp->seed_file());
  if (const v1::QuicSpec* quic = QuicOf(object)) add(quic->outer().key_file());
  if (object.has_listener()) add(object.listener().spec().users_file());
  return files;
}

server::Change ReadAgain(const ObjectKey& key) {
  server::Change change;
  change.verb = server::Change::Verb::kUpdate;
  switch (key.kind) {
    case Kind::kListener: change.object.mutable_listener()->mutable_metadata()->set_name(key.name); break;
    case Kind::kDialer: change.object.mutable_dialer()->mutable_metadata()->set_name(key.name); break;
    case Kind::kForward: change.object.mutable_forward()->mutable_metadata()->set_name(key.name); break;
  }
  return change;
}

ChangeSet ReadAgainAll(const std::vector<ObjectKey>& keys) {
  ChangeSet set;
  set.manager = kApiManager;
  set.may_name_any_file = true;  // they were judged when they were named
  for (const ObjectKey& key : keys) set.changes.push_back(ReadAgain(key));
  return set;
}

}  // namespace

// ---- The configuration folders.

void Supervisor::LoadConfig(ConfigFiles files, std::function<void(absl::Status, std::vector<std::string>)> done) {
  const auto shared = std::make_shared<ConfigFiles>(std::move(files));
  const bool is_posted = Post([this, shared, done] {
    if (!shared->faults.empty()) {
      NoteConfig(*shared, shared->faults);
      return done(absl::InvalidArgumentError(shared->faults.front()), shared->faults);
    }
    if (!loaded_content_.empty() && shared->content == loaded_content_) {
      NoteConfig(*shared, {});  // what was refused is taken back
      return done(absl::OkStatus(), {});
    }
    ChangeSet set = ToChangeSet(shared->objects);
    set.prune = true;
    Change(std::move(set), /*validate_only=*/false, [this, shared, done](const absl::StatusOr<ChangeOutcome>& outcome) {
      const std::vector<std::string> faults = outcome.ok() ? std::vector<std::string>() : ExplainError(outcome.status(), shared->objects);
      NoteConfig(*shared, faults);
      done(outcome.status(), faults);
    });
  });
  if (!is_posted) done(RefusalStatus(), {std::string(RefusalStatus().message())});
}

void Supervisor::NoteConfig(const ConfigFiles& files, const std::vector<std::string>& faults) {
  if (faults.empty()) {
    const bool is_new = files.content != loaded_content_;
    const bool was_refused = !config_status_.rejected_message().empty();
    config_status_.clear_rejected_digest();
    config_status_.clear_rejected_message();
    config_status_.clear_reject_time();
    if (is_new) {
      loaded_content_ = files.content;
      config_status_.set_loaded_digest(files.digest);
      *config_status_.mutable_load_time() = ToTimestamp(io::UnixNanoseconds());
      config_status_.set_generation(config_status_.generation() + 1);
    }
    const bool is_first = config_status_.generation() == 1 && is_new;
    if ((!is_new && !was_refused) || is_first) return;
    Log(LogLevel::kInfo, "control", is_new ? "changed configuration folders are in force" : "the configuration folders are again as they are in force",
        {{"objects", std::to_string(files.objects.size())}, {"digest", config_status_.loaded_digest()}});
    events_.Record(EventType::kNormal, "ConfigReloaded", "daemon", std::to_string(files.objects.size()) + " objects of the folders are in force");
    return;
  }
  const std::string message = absl::StrJoin(faults, "\n");
  if (message == config_status_.rejected_message()) return;  // it was tried again
  config_status_.set_rejected_digest(files.digest);
  config_status_.set_rejected_message(message);
  *config_status_.mutable_reject_time() = ToTimestamp(io::UnixNanoseconds());
  for (const std::string& fault : faults) Log(LogLevel::kWarning, "control", "changed configuration folders are not in force: " + fault, {{"reason", "CONFIG_REJECTED"}});
  events_.Record(EventType::kWarning, "ConfigRejected", "daemon", faults.front());
}

// ---- What objects name.

struct Supervisor::Reloading {
  std::vector<ObjectKey> keys;
  size_t next = 0;  // one by one, since together they were refused
  v1::ReloadCredentialsResponse response;
  Done<v1::ReloadCredentialsResponse> done;

  void Note(const ObjectKey& key, const absl::StatusOr<ChangeOutcome>& outcome, size_t index) {
    if (absl::IsNotFound(outcome.status())) return;  // it went meanwhile
    v1::ReloadCredentialsResponse::Result& result = *response.add_results();
    result.set_subject(key.ToString());
    if (!outcome.ok()) {
      result.set_fault(std::string(outcome.status().message()));
      Log(LogLevel::kWarning, "control", result.subject() + ": changed files are not used", {{"reason", "RELOAD_FAILED"}, {"error", result.fault()}});
      return;
    }
    result.set_is_changed(outcome->results[index].action == ChangeResult::Action::kConfigured);
    result.set_disruptive(outcome->results[index].disruptive);
  }
};

void Supervisor::ReloadCredentials(Done<v1::ReloadCredentialsResponse> done) {
  const bool is_posted = Post([this, done] {
    std::vector<ObjectKey> keys;
    for (const auto& [key, entry] : table_.entries()) {
      if (TlsOf(entry->object) != nullptr || !SecretFilesOf(entry->object).empty()) keys.push_back(key);
    }
    ReloadKeys(std::move(keys), done);
  });
  if (!is_posted) done(RefusalStatus());
}

void Supervisor::ReloadKeys(std::vector<ObjectKey> keys, Done<v1::ReloadCredentialsResponse> done) {
  const auto reloading = std::make_shared<Reloading>();
  reloading->keys = std::move(keys);
  reloading->done = std::move(done);
  if (reloading->keys.empty()) return reloading->done(std::move(reloading->response));
  Change(ReadAgainAll(reloading->keys), /*validate_only=*/false, [this, reloading](const absl::StatusOr<ChangeOutcome>& outcome) {
    if (!outcome.ok() && !absl::IsUnavailable(outcome.status())) return ReloadNext(reloading);  // who is at fault?
    if (!outcome.ok()) return reloading->done(outcome.status());
    for (size_t i = 0; i < reloading->keys.size(); ++i) reloading->Note(reloading->keys[i], outcome, i);
    reloading->done(std::move(reloading->response));
  });
}

void Supervisor::ReloadNext(const std::shared_ptr<Reloading>& reloading) {
  if (reloading->next == reloading->keys.size()) return reloading->done(std::move(reloading->response));
  const ObjectKey key = reloading->keys[reloading->next++];
  Change(ReadAgainAll({key}), /*validate_only=*/false, [this, reloading, key](const absl::StatusOr<ChangeOutcome>& outcome) {
    if (absl::IsUnavailable(outcome.status())) return reloading->done(outcome.status());  // no fault of the files
    reloading->Note(key, outcome, 0);
    // Not at once: this is inside the change before.
    thread_.PostRest([this, reloading] { ReloadNext(reloading); });
  });
}

// A rotated seed, key or list of users is a change, as if somebody had applied the object again.
void Supervisor::LookAtSecretFiles() {
  if (!options_.stamp_file) return;
  std::map<std::string, uint64_t> stamps;
  std::vector<ObjectKey> changed;
  for (const auto& [key, entry] : table_.entries()) {
    for (const std::string& file : SecretFilesOf(entry->object)) {
      const auto [at, is_new] = stamps.try_emplace(file, 0);
      if (is_new) at->second = options_.stamp_file(file);
      const auto known = secret_stamps_.find(file);
      // One that is met first may have changed since it was read, a moment before; of an object with a ttl that is not looked into, since
      // a change that nobody asked for would renew its lease. One that is being replaced is not there for a moment; the object goes on with
      // what it has.
      const bool is_new_here = known == secret_stamps_.end();
      const bool may_have_changed = is_new_here ? !MetadataOf(entry->object).has_ttl() : known->second != at->second;
      const bool has_changed = at->second != 0 && may_have_changed;
      if (has_changed && (changed.empty() || changed.back() != key)) changed.push_back(key);
    }
  }
  for (auto& [file, stamp] : stamps) {
    if (const auto known = secret_stamps_.find(file); stamp == 0 && known != secret_stamps_.end()) stamp = known->second;
  }
  secret_stamps_ = std::move(stamps);
  if (changed.empty()) return;
  ReloadKeys(std::move(changed), [this](const absl::StatusOr<v1::ReloadCredentialsResponse>& response) {
    // Nobody had time for it. Then all files are as if they were met first, and the next look tries again.
    if (!response.ok()) secret_stamps_.clear();
  });
}

}  // namespace culvert::server
