// ChangePlan: from a set of requested changes and the table as it is to the table as it shall be, without doing anything yet.
// A pure function but for reading files of seeds, keys, certificates and users, which are part of what is wanted.
//
// In order: each change is validated by itself and merged with what exists; then the table that would result is judged as a
// whole (table_rules.h; also forwards that are not in the request, where it changes what they join); then preconditions (etag,
// manager, references of what is deleted); then keys are made. All violations of a request are collected; one change that is
// refused refuses all.
// Thread: the control thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/random.h"
#include "core/crypto/keyed_hash.h"
#include "server/credential_folders.h"
#include "server/object_table.h"
#include "server/tls_files.h"
#include "server/violation.h"

namespace culvert::server {

struct Change {
  enum class Verb : uint8_t {
    kCreate,  // it must not exist
    kUpdate,  // merge `object` into what exists
    kApply,   // make it exist as given
    kDelete,
    kDrain,   // it is to be deleted soon, and takes nothing new until then
    kResume,  // and yet it stays
  };
  Verb verb = Verb::kApply;
  v1::Object object;                    // kCreate, kUpdate, kApply
  std::vector<std::string> mask_paths;  // kUpdate; see MergeUpdate
  ObjectKey key;                        // kDelete, kDrain, kResume
  std::string etag;                     // kDelete, kDrain; the others have theirs in the object's metadata
  bool allow_missing = false;           // kUpdate: create it then; kDelete: no error then
  bool force = false;                   // kDelete: with the forwards that refer to it
  std::string uid;                      // kDelete, kResume: only the object with this one; empty: any
  bool if_expired = false;              // kDelete: only when its lease is over by then
};

struct ChangeSet {
  std::vector<Change> changes;
  std::string manager;     // "api" or "file": who asks
  bool is_apply = false;   // paths begin with "objects[N]"; objects of other managers are refused
  bool is_restored = false;      // objects as a store kept them: with their metadata, which they keep
  bool prune = false;            // is_apply: what this manager owns and no change names is deleted
  bool force_conflicts = false;  // is_apply: objects of other managers are taken over
  // Whoever asks may name any file: an admin, a configuration folder, and a store, whose objects were judged when they were made. Others
  // may name those below PlanContext::credential_folders, and leave as it is what an object names already in the same field.
  bool may_name_any_file = false;
};

// Managers that every daemon knows.
inline constexpr char kApiManager[] = "api";    // who makes objects one by one
inline constexpr char kFileManager[] = "file";  // the configuration folders

struct ChangeResult {
  enum class Action : uint8_t { kCreated, kConfigured, kUnchanged, kDeleted, kMissing, kDraining, kResumed };
  Action action = Action::kUnchanged;
  ObjectKey key;
  EntryPtr before;         // nullptr: it did not exist
  EntryPtr after;          // nullptr: it is gone
  bool disruptive = false; // live sessions end
  bool renewed = false;    // its lease was put off; that alone is no change
  std::vector<std::string> changed_paths;
  std::vector<v1::Warning> warnings;
};

struct ChangePlan {
  ObjectTable table;                  // as it shall be
  std::vector<ChangeResult> results;  // one for each change, in their order, then what was pruned
  std::vector<ObjectKey> also_deleted;  // forwards that a forced deletion takes along
};

// What planning draws on that is not in the request.
struct PlanContext {
  const KeyedHash* hash = nullptr;            // keyed anew in every run: an etag must not be a way to guess a seed offline
  RandomSource* random = nullptr;       // uids
  uint64_t* next_incarnation = nullptr;
  int64_t now_unix_ns = 0;
  TimePoint now{};
  // Of seed_file and key_file.
  std::function<absl::StatusOr<std::string>(const std::string& path, const std::string& field)> read_seed_file;
  ReadFile read_file;  // of keys, certificates and users
  const CredentialFolders* credential_folders = nullptr;  // nullptr: there are none
  std::shared_ptr<const QuicShared> quic_shared;  // REQUIRED where an object of transport QUIC is planned
};

inline constexpr size_t kMaxObjects = 10000;

// Errors: INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, ABORTED, FAILED_PRECONDITION, RESOURCE_EXHAUSTED; see error_builder.h.
absl::StatusOr<ChangePlan> MakePlan(const ObjectTable& table, const ChangeSet& set, const PlanContext& context);

// The same in pieces: a set of ten thousand changes takes a second, in which the thread has others to answer.
class Planner;
class PlanInPieces {
 public:
  static constexpr size_t kPiece = 50;  // changes

  // `table` and `set` outlive it and stay as they are.
  PlanInPieces(const ObjectTable& table, const ChangeSet& set, PlanContext context);
  ~PlanInPieces();
  // Plans a piece. Whether there is more to do.
  [[nodiscard]] bool GoOn();
  // REQUIRES: GoOn has returned false. Once.
  absl::StatusOr<ChangePlan> Take();

 private:
  const std::unique_ptr<Planner> planner_;
};

// The etag of an object: a quoted keyed hash of spec, labels, annotations and lease.
std::string EtagOf(const v1::Object& object, const KeyedHash& hash);

}  // namespace culvert::server
