#include "server/store/row_store.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/store/schema.h"

namespace culvert::server {

RowContent::~RowContent() {
  Erase(etag_key);
  for (Row& row : rows) Erase(row.body);
}

RowStore::~RowStore() = default;

absl::Status RowStore::CheckSizes(std::span<const RowChange> changes) const {
  size_t rows = known_.size();
  for (const RowChange& change : changes) {
    if (!change.body) continue;
    if (change.kind.size() > kMaxKindBytes || change.name.size() > kMaxNameBytes || change.body->size() > kMaxBodyBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat(change.kind, "/", change.name, " has ", change.body->size(), " bytes, more than the ", kMaxBodyBytes, " it can have"));
    }
    if (!known_.contains({change.kind, change.name})) ++rows;
  }
  if (rows > kMaxRows) return absl::InvalidArgumentError(absl::StrCat("there would be more than ", kMaxRows, " objects"));
  return absl::OkStatus();
}

absl::Status RowStore::Commit(std::span<const RowChange> changes) {
  CULVERT_RETURN_IF_ERROR(CheckSizes(changes));
  return Write(changes, "");
}

absl::Status RowStore::Replace(std::span<const RowChange> rows, std::string_view etag_key) {
  std::vector<RowChange> changes;
  std::set<Key> wanted;
  for (const RowChange& row : rows) {
    if (row.body) wanted.emplace(row.kind, row.name);
  }
  for (const auto& [key, known] : known_) {
    if (!wanted.contains(key)) changes.push_back({key.first, key.second, std::nullopt});
  }
  for (const RowChange& row : rows) {
    if (!row.body) continue;
    const auto found = known_.find({row.kind, row.name});
    if (found == known_.end() || found->second.checksum != ChecksumOf(row.kind, row.name, *row.body)) changes.push_back(row);
  }
  absl::Status status = CheckSizes(rows);
  if (status.ok()) status = Write(changes, etag_key);
  for (RowChange& change : changes) {
    if (change.body) Erase(*change.body);
  }
  return status;
}

absl::Status RowStore::Write(std::span<const RowChange> changes, std::string_view etag_key) {
  CULVERT_RETURN_IF_ERROR(CheckInPlace());
  CULVERT_RETURN_IF_ERROR(Apply(changes, etag_key));
  // What is in a file that has no name any more is not stored. Sizes and times have changed, by our own hand.
  const auto file = MarkOf(path_);
  const auto log = MarkOf(path_ + "-wal");
  if (!file || !file->IsSameFile(*file_mark_) || !log || !log->IsSameFile(*log_mark_)) {
    return absl::FailedPreconditionError(path_ + ": it, or its log, was removed or replaced by somebody else");
  }
  file_mark_ = file;
  log_mark_ = log;
  return absl::OkStatus();
}

absl::Status RowStore::Apply(std::span<const RowChange> changes, std::string_view etag_key) {
  CULVERT_RETURN_IF_ERROR(database_->Run("BEGIN IMMEDIATE"));
  ++state_.generation;
  {
    CULVERT_ASSIGN_OR_RETURN(Statement insert, database_->Prepare("INSERT INTO objects VALUES(?1, ?2, ?3, ?4, ?5, ?6)"));
    CULVERT_ASSIGN_OR_RETURN(Statement update,
                             database_->Prepare("UPDATE objects SET body=?4, checksum=?5, generation=?6 WHERE number=?1"));
    CULVERT_ASSIGN_OR_RETURN(Statement erase, database_->Prepare("DELETE FROM objects WHERE number=?1"));
    for (const RowChange& change : changes) CULVERT_RETURN_IF_ERROR(Put(change, insert, update, erase));
  }
  if (!etag_key.empty()) CULVERT_RETURN_IF_ERROR(PutMeta(*database_, "etag_key", etag_key));
  CULVERT_RETURN_IF_ERROR(PutMeta(*database_, "state", state_.Encode()));
  return database_->Run("COMMIT");
}

absl::Status RowStore::Put(const RowChange& change, Statement& insert, Statement& update, Statement& erase) {
  const auto found = known_.find({change.kind, change.name});
  if (!change.body) {
    if (found == known_.end()) return absl::OkStatus();
    CULVERT_RETURN_IF_ERROR(erase.Bind(1, found->second.number).Run());
    state_.Remove(found->second.checksum);
    known_.erase(found);
    return absl::OkStatus();
  }
  const Checksum checksum = ChecksumOf(change.kind, change.name, *change.body);
  Known known{.number = found != known_.end() ? found->second.number : next_number_, .checksum = checksum};
  Statement& put = found != known_.end() ? update : insert;
  if (found == known_.end()) insert.Bind(2, std::string_view(change.kind)).Bind(3, std::string_view(change.name));
  put.Bind(1, known.number).Bind(4, AsBytes(*change.body)).Bind(5, ByteView(checksum));
  CULVERT_RETURN_IF_ERROR(put.Bind(6, static_cast<int64_t>(state_.generation)).Run());
  if (found != known_.end()) {
    state_.Remove(found->second.checksum);
    found->second = known;
  } else {
    known_.emplace(Key(change.kind, change.name), known);
    ++next_number_;
  }
  state_.Add(checksum);
  return absl::OkStatus();
}

absl::Status RowStore::Remember() {
  file_mark_ = MarkOf(path_);
  log_mark_ = MarkOf(path_ + "-wal");
  if (file_mark_ && log_mark_) return absl::OkStatus();
  return absl::FailedPreconditionError(path_ + ": it, or its log, was removed by somebody else");
}

absl::Status RowStore::CheckInPlace() const {
  const auto file = MarkOf(path_);
  const auto log = MarkOf(path_ + "-wal");
  if (!file) return absl::FailedPreconditionError(path_ + ": was removed");
  if (!log) return absl::FailedPreconditionError(path_ + "-wal: was removed");
  if (file == file_mark_ && log == log_mark_) return absl::OkStatus();
  return absl::FailedPreconditionError(path_ + ": it, or its log, was replaced or changed by somebody else");
}

absl::Status RowStore::Check() const {
  CULVERT_RETURN_IF_ERROR(CheckInPlace());
  return CheckRoom(folder_);
}

absl::Status RowStore::EmptyLog() {
  CULVERT_RETURN_IF_ERROR(CheckInPlace());
  CULVERT_RETURN_IF_ERROR(database_->EmptyLog());
  return Remember();
}

absl::Status RowStore::KeepCopy() {
  CULVERT_RETURN_IF_ERROR(CheckInPlace());
  const std::string copy = folder_ + "/" + kStoreCopy;
  // SQLite fills a file that is there and empty, and so it has our mode.
  CULVERT_RETURN_IF_ERROR(MakeFile(copy + ".new"));
  CULVERT_ASSIGN_OR_RETURN(Statement vacuum, database_->Prepare("VACUUM INTO ?1"));
  absl::Status status = vacuum.Bind(1, std::string_view(copy + ".new")).Run();
  if (status.ok()) status = PutInPlace(copy + ".new", copy);
  if (!status.ok()) Discard(copy + ".new");
  return status;
}

}  // namespace culvert::server
