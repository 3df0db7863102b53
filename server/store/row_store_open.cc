// Opening, in the order of the functions below: look at the names, open and read, put right what is wrong with single rows; when
// the file itself is damaged or missing, choose what to go on with, make a new file of it, and put that in place. At every point
// a crash leaves files from which the next opening gets the same content, or says that the file is missing and takes the copy.
#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "core/base/log.h"
#include "core/base/status_macros.h"
#include "server/store/row_store.h"
#include "server/store/schema.h"

namespace culvert::server {
namespace {

// The log may hold every page of the file twice: once as it was, once replaced.
constexpr int64_t kMaxLogBytes = 2 * kMaxStoreFileBytes + 64 * 1024 * 1024;

// What a message says beside the path it begins with.
std::string WithoutPath(const std::string& text, const std::string& path) {
  return text.starts_with(path + ": ") ? text.substr(path.size() + 2) : text;
}

std::string Count(size_t number, const char* what) { return absl::StrCat(number, " ", what, number == 1 ? "" : "s"); }

}  // namespace

class StoreOpening {
 public:
  StoreOpening(std::string folder, RandomSource& random, const Judge& judge, RowContent& content)
      : folder_(std::move(folder)), random_(random), judge_(judge), content_(content) {}

  absl::StatusOr<std::unique_ptr<RowStore>> Run() {
    Discard(path_ + ".new");
    Discard(copy_ + ".new");
    CULVERT_RETURN_IF_ERROR(Look());
    FileContent found;
    found.damage = trouble_;
    if (trouble_.empty() && !is_missing_) {
      absl::StatusOr<std::unique_ptr<RowStore>> store = Use(found);
      // All but damage is left to whoever can end it; the objects may be there all the same.
      if (!store.ok() && !absl::IsDataLoss(store.status())) {
        if (!is_newer_ && !has_content_) ReadWithoutWriting(store.status());
        return store;
      }
      if (store.ok()) return store;
      if (found.damage.empty()) found.damage = std::string(store.status().message());
    }
    return StartAnew(std::move(found));
  }

 private:
  // Sets is_missing_, or trouble_ when there is something under the file's names that cannot be ours.
  absl::Status Look() {
    CULVERT_ASSIGN_OR_RETURN(const FileLook file, LookAt(path_, kMaxStoreFileBytes));
    CULVERT_ASSIGN_OR_RETURN(const FileLook log, LookAt(path_ + "-wal", kMaxLogBytes));
    CULVERT_ASSIGN_OR_RETURN(const FileLook journal, LookAt(path_ + "-journal", kMaxLogBytes));
    is_missing_ = !file.exists;
    has_log_ = log.exists;
    trouble_ = file.unusable;
    if (trouble_.empty() && !log.unusable.empty()) trouble_ = "its log " + log.unusable;
    if (trouble_.empty() && !journal.unusable.empty()) trouble_ = "its journal " + journal.unusable;
    if (trouble_.empty() && file.exists && file.bytes == 0) trouble_ = "is empty";
    if (trouble_.empty() && is_missing_ && log.exists) trouble_ = "is missing, though its log is there";
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<RowStore>> Use(FileContent& found) {
    CULVERT_ASSIGN_OR_RETURN(std::unique_ptr<Database> database, OpenDatabase(path_, Database::Mode::kWrite));
    CULVERT_RETURN_IF_ERROR(database->Integer("PRAGMA user_version").status());  // takes the lock
    if (absl::Status status = CheckOwner(*database); !status.ok()) {
      is_newer_ = absl::IsFailedPrecondition(status);
      // It may be ours all the same, with a damaged header.
      if (absl::IsDataLoss(status)) {
        CULVERT_ASSIGN_OR_RETURN(found, ReadContent(*database, judge_));
      }
      found.damage = std::string(status.message());
      return is_newer_ ? absl::FailedPreconditionError(absl::StrCat(path_, ": ", std::string(status.message()))) : status;
    }
    CULVERT_RETURN_IF_ERROR(database->UseLog());
    CULVERT_RETURN_IF_ERROR(Migrate(*database));
    CULVERT_ASSIGN_OR_RETURN(found, ReadContent(*database, judge_));
    if (!found.damage.empty()) return absl::DataLossError(found.damage);
    std::unique_ptr<RowStore> store(new RowStore(folder_, std::move(database)));
    absl::Status status = PutRight(*store, found);
    if (absl::IsDataLoss(status)) {
      for (Row& row : content_.rows) found.rows.push_back(std::move(row));
      content_ = RowContent();
      has_content_ = false;
      return status;
    }
    if (status.ok()) status = store->EmptyLog();
    // SQLite makes the name of its log last, but keeps an error in that to itself.
    if (status.ok() && !has_log_) status = SyncFolder(folder_);
    if (!status.ok()) return status;
    KeepCopyOf(*store);
    return store;
  }

  // Fills `store` and content_; damaged rows go to their table, and what is missing of the rest is made.
  absl::Status PutRight(RowStore& store, FileContent& found) {
    for (const Row& row : found.rows) {
      store.known_.emplace(RowStore::Key(row.kind, row.name), RowStore::Known{row.number, row.checksum});
      store.next_number_ = std::max(store.next_number_, row.number + 1);
    }
    for (const DamagedRow& row : found.damaged) store.next_number_ = std::max(store.next_number_, row.number + 1);
    store.state_ = found.Sum();
    CULVERT_RETURN_IF_ERROR(store.Remember());
    const bool is_whole = found.IsComplete() && !found.etag_key.empty();
    std::string fault = is_whole ? "" : WhatIsMissing(found);
    Take(found);
    content_.fault = std::move(fault);
    Database& database = *store.database_;
    CULVERT_RETURN_IF_ERROR(database.Run("BEGIN IMMEDIATE"));
    if (!is_whole) CULVERT_RETURN_IF_ERROR(SetAside(store, found));
    // Something is written at every opening, so that one that succeeds is a store that takes writes.
    CULVERT_RETURN_IF_ERROR(PutMeta(database, "opened", store.state_.Encode()));
    CULVERT_RETURN_IF_ERROR(database.Run("COMMIT"));
    return store.Remember();
  }

  // Within a transaction of the caller's.
  static absl::Status SetAside(RowStore& store, const FileContent& found) {
    Database& database = *store.database_;
    for (const DamagedRow& row : found.damaged) {
      CULVERT_ASSIGN_OR_RETURN(Statement keep, database.Prepare(row.is_readable
          ? "INSERT INTO set_aside(kind, name, body, checksum, reason) SELECT kind, name, body, checksum, ?2 FROM objects WHERE number=?1"
          : "INSERT INTO set_aside(reason) VALUES(?2)"));
      if (row.is_readable) keep.Bind(1, row.number);
      CULVERT_RETURN_IF_ERROR(keep.Bind(2, std::string_view(row.shown.reason)).Run());
      CULVERT_ASSIGN_OR_RETURN(Statement erase, database.Prepare("DELETE FROM objects WHERE number=?1"));
      CULVERT_RETURN_IF_ERROR(erase.Bind(1, row.number).Run());
    }
    CULVERT_RETURN_IF_ERROR(database.Run(absl::StrCat(
        "DELETE FROM set_aside WHERE number NOT IN (SELECT number FROM set_aside ORDER BY number DESC LIMIT ", kMaxSetAside, ")")));
    CULVERT_RETURN_IF_ERROR(PutMeta(database, "etag_key", found.etag_key));
    ++store.state_.generation;
    return PutMeta(database, "state", store.state_.Encode());
  }

  // Of a file that is sound as a whole.
  static std::string WhatIsMissing(const FileContent& found) {
    std::vector<std::string> parts;
    if (!found.damaged.empty()) parts.push_back(Count(found.damaged.size(), "damaged object") + " set aside in table set_aside");
    const size_t seen = found.rows.size() + found.damaged.size();
    if (!found.state) {
      parts.push_back("the record of how many objects there must be was damaged");
    } else if (found.state->rows > seen) {
      parts.push_back(Count(found.state->rows - seen, "object") + " missing");
    } else if (found.damaged.empty() && !found.IsComplete()) {
      parts.push_back("it holds other objects than were stored last");
    }
    if (found.etag_key.empty()) parts.push_back("the key of etags was damaged, so earlier etags no longer hold");
    std::string text = absl::StrCat(kStoreFile, ": ");
    for (const std::string& part : parts) absl::StrAppend(&text, &part == parts.data() ? "" : "; ", part);
    return text;
  }

  // Hands the rows over to the caller, with a key if there is none.
  void Take(FileContent& found) {
    if (found.etag_key.empty()) {
      found.etag_key.resize(kEtagKeyBytes);
      random_.Fill({reinterpret_cast<uint8_t*>(found.etag_key.data()), found.etag_key.size()});
    }
    has_content_ = true;
    content_.etag_key = found.etag_key;
    for (const DamagedRow& row : found.damaged) content_.set_aside.push_back(row.shown);
    for (Row& row : content_.rows) Erase(row.body);
    content_.rows = std::move(found.rows);
    found.rows.clear();
    std::sort(content_.rows.begin(), content_.rows.end(),
              [](const Row& a, const Row& b) { return std::tie(a.kind, a.name) < std::tie(b.kind, b.name); });
  }

  // A copy that cannot be written today can be tomorrow; until then there is one generation less.
  void KeepCopyOf(RowStore& store) {
    static const Judge kAny = [](const Row&) { return std::string(); };
    if (const auto copy = ReadCopy(kAny); copy && copy->IsComplete() && copy->state == store.state_) return;
    if (const absl::Status status = store.KeepCopy(); !status.ok()) {
      Log(LogLevel::kWarning, "store", "cannot keep a copy", {{"err.message", std::string(status.message())}});
    }
  }

  // nullopt: there is none that could be used.
  std::optional<FileContent> ReadCopy(const Judge& judge) {
    const absl::StatusOr<FileLook> look = LookAt(copy_, kMaxStoreFileBytes);
    if (!look.ok() || !look->exists || !look->unusable.empty()) return std::nullopt;
    copy_unix_seconds_ = look->changed_unix_seconds;
    const auto database = OpenDatabase(copy_, Database::Mode::kImmutable);
    if (!database.ok() || !CheckOwner(**database).ok()) return std::nullopt;
    absl::StatusOr<FileContent> content = ReadContent(**database, judge);
    if (!content.ok() || !content->damage.empty()) return std::nullopt;
    return *std::move(content);
  }

  // Everything that is provably all there is, before the copy, before what is left.
  // Returns what to say about it, after what happened to the file.
  std::string Choose(FileContent found) {
    std::string chosen;
    if (found.IsComplete()) {
      chosen = "nothing is lost";
    } else if (std::optional<FileContent> copy = ReadCopy(judge_)) {
      chosen = absl::StrCat("the copy ", kStoreCopy, " of ",
                            absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixSeconds(copy_unix_seconds_), absl::UTCTimeZone()),
                            " is used: what was changed after it was made is lost");
      if (!copy->damaged.empty()) absl::StrAppend(&chosen, ", and ", Count(copy->damaged.size(), "object"), " damaged in it");
      found = *std::move(copy);
    } else if (found.rows.empty()) {
      chosen = "there is no copy to use: no object is left";
    } else {
      chosen = absl::StrCat("there is no copy to use: ", Count(found.rows.size(), "object"), " could still be read, others are lost");
    }
    generation_ = found.state ? found.state->generation : 0;
    Take(found);
    return chosen;
  }

  absl::StatusOr<std::unique_ptr<RowStore>> StartAnew(FileContent found) {
    const bool is_first_start = is_missing_ && trouble_.empty() && !ReadCopy(judge_).has_value();
    const std::string reason = is_missing_ ? "was missing" : absl::StrCat("was damaged (", WithoutPath(found.damage, path_), ")");
    const std::string chosen = Choose(std::move(found));
    if (!is_first_start) content_.fault = absl::StrCat(kStoreFile, " ", reason, "; ", chosen);
    CULVERT_RETURN_IF_ERROR(MakeNew());
    // The file before its log: what is left of a crash between the two shows that the file is missing.
    CULVERT_RETURN_IF_ERROR(MoveAway(path_, path_ + ".damaged"));
    for (const char* suffix : {"-wal", "-shm", "-journal"}) {
      // Never beside the log of another.
      Discard(absl::StrCat(path_, ".damaged", suffix));
      CULVERT_RETURN_IF_ERROR(MoveAway(path_ + suffix, absl::StrCat(path_, ".damaged", suffix)));
    }
    CULVERT_RETURN_IF_ERROR(PutInPlace(path_ + ".new", path_));
    if (!is_first_start && !is_missing_) {
      content_.fault = absl::StrCat(kStoreFile, " ", reason, "; it is now ", kStoreFile, ".damaged; ", chosen);
    }
    std::string fault = std::move(content_.fault);
    std::vector<SetAsideRow> set_aside = std::move(content_.set_aside);
    FileContent again;
    absl::StatusOr<std::unique_ptr<RowStore>> store = Use(again);
    content_.fault = std::move(fault);
    content_.set_aside = std::move(set_aside);
    return store;
  }

  // A whole file of content_ under the name for what is only begun. No crash can leave half of it under another.
  absl::Status MakeNew() {
    CULVERT_RETURN_IF_ERROR(MakeFile(path_ + ".new"));
    CULVERT_ASSIGN_OR_RETURN(std::unique_ptr<Database> database, OpenDatabase(path_ + ".new", Database::Mode::kWrite));
    CULVERT_RETURN_IF_ERROR(database->Run("PRAGMA journal_mode=OFF"));
    CULVERT_RETURN_IF_ERROR(database->Run("PRAGMA synchronous=OFF"));
    CULVERT_RETURN_IF_ERROR(database->Run(absl::StrCat("PRAGMA application_id=", kApplicationId)));
    CULVERT_RETURN_IF_ERROR(Migrate(*database));
    RowStore store(folder_, std::move(database));
    store.state_.generation = generation_;
    std::vector<RowChange> rows;
    rows.reserve(content_.rows.size());
    for (const Row& row : content_.rows) rows.push_back({row.kind, row.name, row.body});
    const absl::Status status = store.Apply(rows, content_.etag_key);
    for (RowChange& row : rows) Erase(*row.body);
    return status;
  }

  // What can be told of the content while nothing can be written.
  void ReadWithoutWriting(const absl::Status& why) {
    FileContent found;
    found.damage = std::string(why.message());
    const auto mode = has_log_ ? Database::Mode::kRead : Database::Mode::kImmutable;
    if (const auto database = OpenDatabase(path_, mode); database.ok() && CheckOwner(**database).ok()) {
      if (absl::StatusOr<FileContent> content = ReadContent(**database, judge_); content.ok()) found = *std::move(content);
    }
    if (found.damage.empty()) {
      content_.fault = found.IsComplete() && !found.etag_key.empty() ? "" : WhatIsMissing(found);
      return Take(found);
    }
    const std::string reason = WithoutPath(found.damage, path_);
    const std::string chosen = Choose(std::move(found));
    content_.fault = absl::StrCat(kStoreFile, " cannot be used (", reason, "); ", chosen);
  }

  static absl::StatusOr<std::unique_ptr<Database>> OpenDatabase(const std::string& path, Database::Mode mode) {
    return Database::Open(path, {.mode = mode, .max_row_bytes = kMaxRowBytes, .max_file_bytes = kMaxStoreFileBytes});
  }

  const std::string folder_;
  RandomSource& random_;
  const Judge& judge_;
  RowContent& content_;
  const std::string path_ = folder_ + "/" + kStoreFile;
  const std::string copy_ = folder_ + "/" + kStoreCopy;
  bool is_missing_ = false;
  bool has_log_ = false;
  bool is_newer_ = false;
  bool has_content_ = false;
  std::string trouble_;
  uint64_t generation_ = 0;
  int64_t copy_unix_seconds_ = 0;
};

absl::StatusOr<std::unique_ptr<RowStore>> RowStore::Open(const std::string& folder, RandomSource& random, const Judge& judge,
                                                         RowContent& content) {
  content = RowContent();
  CULVERT_ASSIGN_OR_RETURN(std::string own_path, CheckFolder(folder));
  return StoreOpening(std::move(own_path), random, judge, content).Run();
}

}  // namespace culvert::server
