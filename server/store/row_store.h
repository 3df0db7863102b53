// RowStore: the file objects.db, and what keeps its content through crashes, damage and disks that take nothing.
//
//   objects.db           SQLite; objects.db-wal is its log: a commit is on the disk once it is in there
//   objects.previous.db  a copy of its own, one generation older (KeepCopy)
//   objects.db.damaged   what could not be used, with its log; the newest one
//   *.new                begun, and without meaning
//
// Opening a damaged file: what can still be read of it when that is provably everything, else the copy, else what can be read,
// becomes a new file. The damaged one is kept under its other name. No object is ever taken whose checksum does not hold.
// Errors: as in database.h. After one, only destroy it and open anew: of the changes that failed, that finds all or none.
// Thread: one owner; it waits for the disk. Holds no Protocol Buffers: object_store.h does.
// Source: reliability.md T61, T62, F11, F19.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/random.h"
#include "server/store/database.h"
#include "server/store/row_reader.h"
#include "server/store/store_files.h"

namespace culvert::server {

inline constexpr char kStoreFile[] = "objects.db";
inline constexpr char kStoreCopy[] = "objects.previous.db";
inline constexpr int64_t kMaxStoreFileBytes = 256 * 1024 * 1024;
inline constexpr int kMaxSetAside = 100;

struct RowChange {
  std::string kind;
  std::string name;
  std::optional<std::string> body;  // nullopt: no such row any more
};

struct RowContent {
  std::vector<Row> rows;               // sorted by kind and name
  std::vector<SetAsideRow> set_aside;  // found damaged now; their bytes are in table set_aside, or in the damaged file
  std::string etag_key;
  std::string fault;  // what was damaged, where it is now, and what is used instead; empty: nothing

  RowContent() = default;
  RowContent(RowContent&&) = default;
  RowContent& operator=(RowContent&&) = default;
  ~RowContent();  // erases
};

class RowStore {
 public:
  // `content`: also after an error, as much as can be read now.
  // Errors beside those of database.h: FAILED_PRECONDITION when a newer culvert wrote the file, which is then left as it is.
  static absl::StatusOr<std::unique_ptr<RowStore>> Open(const std::string& folder, RandomSource& random, const Judge& judge,
                                                        RowContent& content);
  ~RowStore();

  // One transaction, on the disk when it returns. INVALID_ARGUMENT, and no harm done: a change is larger than a row can be, or
  // there would be more than kMaxRows.
  absl::Status Commit(std::span<const RowChange> changes);
  // Makes the content exactly this, touching only what differs. Writes at least a page, so that OK says that the disk takes it.
  absl::Status Replace(std::span<const RowChange> rows, std::string_view etag_key);
  // Whether file and log are the ones that were opened and nobody else changed them. The status says what happened.
  absl::Status CheckInPlace() const;
  // CheckInPlace, and whether the disk takes more.
  absl::Status Check() const;
  // Moves what is in the log into the file. Call it when the log is large: a commit never does. After an error the log still holds all.
  absl::Status EmptyLog();
  int64_t log_bytes() const { return log_mark_ ? log_mark_->bytes : 0; }
  // Makes the copy one of what is stored now. After EmptyLog and this, nothing is left of what was deleted. An error does no harm to
  // the store: there is a generation less.
  absl::Status KeepCopy();

  const StoreState& state() const { return state_; }

 private:
  friend class StoreOpening;
  struct Known {
    int64_t number;
    Checksum checksum;
  };
  using Key = std::pair<std::string, std::string>;

  RowStore(std::string folder, std::unique_ptr<Database> database)
      : folder_(std::move(folder)), path_(folder_ + "/" + kStoreFile), database_(std::move(database)) {}
  absl::Status CheckSizes(std::span<const RowChange> changes) const;
  absl::Status Write(std::span<const RowChange> changes, std::string_view etag_key);
  absl::Status Apply(std::span<const RowChange> changes, std::string_view etag_key);
  absl::Status Put(const RowChange& change, Statement& insert, Statement& update, Statement& erase);
  // What lasts: the files as they are now.
  absl::Status Remember();

  const std::string folder_;
  const std::string path_;
  std::unique_ptr<Database> database_;
  std::map<Key, Known> known_;
  StoreState state_;
  int64_t next_number_ = 1;
  std::optional<FileMark> file_mark_;
  std::optional<FileMark> log_mark_;
};

}  // namespace culvert::server
