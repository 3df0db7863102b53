// ObjectStore: keeps the objects that were made through the API in the state directory, so that they survive the daemon however it
// ends. What an acknowledged change left is there after any restart; what was not acknowledged is there as a whole or not at all.
//
// Files, damage and what is done about it: row_store.h. An object's row is its kind, its name and its v1::Object, serialised
// deterministically; a row whose checksum, key or message does not fit is set aside and named.
// Limits: kMaxRows objects, kMaxBodyBytes each, kMaxStoreFileBytes in all.
// Errors: RESOURCE_EXHAUSTED disk or quota full; FAILED_PRECONDITION read-only, not permitted, removed, replaced, held by another
//   program, or written by a newer culvert (which leaves the file as it is); DATA_LOSS damaged; INTERNAL an I/O error. After one of
//   them only destroy the store and open it anew.
// Thread: one owner at a time; every call waits for the disk. StoreWriter is the thread for it.
// Memory: secrets stay in SQLite's cache and in the files (mode 0600); what a call allocates itself it erases.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/random.h"
#include "culvert/v1/config.pb.h"
#include "server/object_kind.h"
#include "server/store/row_store.h"

namespace culvert::server {

struct StoreChange {
  ObjectKey key;
  std::optional<v1::Object> object;  // metadata and spec, secrets included; a status is left out. nullopt: delete
};

struct StoreContent {
  std::vector<v1::Object> objects;     // with secrets, never a status; sorted by kind and name
  std::vector<SetAsideRow> set_aside;  // found damaged at this opening
  // kEtagKeyBytes, made once: etags survive restarts. The caller erases it.
  std::string etag_key;
  // For people: what was damaged or missing, where it is now, what is used instead. Empty: nothing.
  std::string fault;
};

class ObjectStore {
 public:
  // `folder`: that of StateDir, which holds its lock. `content`: also after an error, as much as can be read now, so that a daemon
  // with a disk that takes no writes runs with what it had; etag_key may then be empty.
  static absl::StatusOr<std::unique_ptr<ObjectStore>> Open(const std::string& folder, RandomSource& random, StoreContent& content);

  // One transaction: OK says that all of it is on the disk. A later change of a key wins over an earlier one.
  // INVALID_ARGUMENT: too large; nothing was changed, and the store goes on.
  absl::Status Commit(const std::vector<StoreChange>& changes);
  // Exactly these objects, in one transaction that writes what differs and at least one page.
  absl::Status Replace(const std::vector<v1::Object>& objects, const std::string& etag_key);
  // Whether file and log are still those that were opened, and as we left them.
  bool IsInPlace() const { return rows_->CheckInPlace().ok(); }
  // The same with a reason, and whether the disk takes more.
  absl::Status Check() const { return rows_->Check(); }

  // Housekeeping, for when nobody waits. An error of EmptyLog is one as of Commit; KeepCopy may fail without harm.
  int64_t log_bytes() const { return rows_->log_bytes(); }
  absl::Status EmptyLog() { return rows_->EmptyLog(); }
  absl::Status KeepCopy() { return rows_->KeepCopy(); }

 private:
  explicit ObjectStore(std::unique_ptr<RowStore> rows) : rows_(std::move(rows)) {}
  std::unique_ptr<RowStore> rows_;
};

}  // namespace culvert::server
