// The state loader: whatever lies in the folder, opening ends with a store that works and with no row whose checksum does not hold.
//
//   mode, size of log, bytes              mode 0-3: the bytes are the file; the last so many 64ths of them its log instead. Bit 0: a good
//                                         copy lies beside it. Bit 1: the file's first bytes are right, so that more is looked at.
//   mode, objects, steps of operation,    mode 4-7: a good file of so many objects, whose rows are changed one by one; what must come
//     row, length, bytes                  back is known then.
#include <sqlite3.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include "core/base/check.h"
#include "server/store/row_store.h"
#include "tests/fuzz/state_files.h"
#include "tests/fuzz/targets.h"
#include "tests/testing/temp_dir.h"

namespace culvert::fuzz {
namespace {

using Key = std::pair<std::string, std::string>;
using Rows = std::map<Key, std::string>;

constexpr int kMaxObjects = 9;
constexpr size_t kFixedHeaderBytes = 100;

class Folder {
 public:
  Folder() {
    for (int objects = 0; objects < kMaxObjects; ++objects) files_.push_back(MakeStateFile(objects));
  }
  const std::string& Good(size_t objects) const { return files_[objects % files_.size()]; }
  void Clear() {
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) std::filesystem::remove_all(entry.path());
  }
  void Put(const std::string& name, const std::string& content) {
    std::ofstream(folder_.File(name), std::ios::binary | std::ios::trunc) << content;
  }
  const testing::TempDir& get() const { return folder_; }

 private:
  const testing::TempDir folder_{FastBase()};
  std::vector<std::string> files_;
};

// Objects whose name begins so have content that nobody understands.
std::string Judge(const server::Row& row) { return row.name.starts_with('!') ? "not understood" : ""; }

// Opens the store and checks what holds of every opening that succeeds.
Rows Open(const Folder& folder, server::RowContent& content) {
  SeededRandom random(1);
  auto store = server::RowStore::Open(folder.get().path(), random, Judge, content);
  // Of all there can be in a file only a newer version keeps it from being used, and says so with a checksum.
  if (!store.ok()) {
    CULVERT_CHECK(absl::IsFailedPrecondition(store.status()) && content.rows.empty());
    CULVERT_CHECK(store.status().message().find("newer culvert") != std::string::npos);
    return {};
  }
  CULVERT_CHECK(content.etag_key.size() == server::kEtagKeyBytes && content.rows.size() <= server::kMaxRows);
  Rows rows;
  for (const server::Row& row : content.rows) {
    CULVERT_CHECK(row.checksum == server::ChecksumOf(row.kind, row.name, row.body) && !row.name.starts_with('!'));
    CULVERT_CHECK(rows.emplace(Key(row.kind, row.name), row.body).second);
  }
  CULVERT_CHECK((*store)->CheckInPlace().ok() && (*store)->state().rows == rows.size());
  CULVERT_CHECK((*store)->Commit({{{"listener", "temporary", "body"}}}).ok());
  CULVERT_CHECK((*store)->Commit({{{"listener", "temporary", std::nullopt}}}).ok());
  return rows;
}

// What was made of it is good: nothing is wrong at the next opening, nothing changed.
void CheckAgain(const Folder& folder, const Rows& rows) {
  server::RowContent again;
  CULVERT_CHECK(Open(folder, again) == rows);
  CULVERT_CHECK(again.fault.empty() && again.set_aside.empty());
}

void AnyFile(Folder& folder, uint8_t mode, uint8_t log, ByteView bytes) {
  folder.Clear();
  const bool has_copy = (mode & 1) != 0;
  std::string file(AsText(bytes));
  const size_t log_bytes = file.size() * std::min<size_t>(log, 64) / 64;
  if (log > 0) folder.Put("objects.db-wal", file.substr(file.size() - log_bytes));
  file.resize(file.size() - log_bytes);
  if ((mode & 2) != 0 && file.size() >= kFixedHeaderBytes) file.replace(0, kFixedHeaderBytes, folder.Good(3).substr(0, kFixedHeaderBytes));
  folder.Put("objects.db", file);
  if (has_copy) folder.Put("objects.previous.db", folder.Good(3));
  server::RowContent content;
  const Rows rows = Open(folder, content);
  if (content.etag_key.empty()) return;  // a newer version
  if (has_copy && content.fault.find("copy objects.previous.db") != std::string::npos) CULVERT_CHECK(rows.size() == 3);
  CheckAgain(folder, rows);
}

void Bind(sqlite3_stmt* statement, int parameter, const std::string& value, bool is_text) {
  const auto size = static_cast<int>(value.size());
  if (is_text) {
    sqlite3_bind_text(statement, parameter, value.data(), size, SQLITE_TRANSIENT);
  } else {
    sqlite3_bind_blob(statement, parameter, value.data(), size, SQLITE_TRANSIENT);
  }
}

// Sets one column of a row, or with operation 7 its checksum to the right one.
void ChangeRow(sqlite3* database, uint8_t operation, int row, const std::string& value) {
  static constexpr const char* kColumns[] = {"kind", "name", "body", "checksum", "body", "generation", "name", "checksum"};
  const char* column = kColumns[operation & 7];
  std::string wanted = value;
  if ((operation & 7) == 7) {
    sqlite3_stmt* select = nullptr;
    CULVERT_CHECK(sqlite3_prepare_v2(database, "SELECT kind, name, body FROM objects WHERE number=?1", -1, &select, nullptr) == SQLITE_OK);
    sqlite3_bind_int(select, 1, row);
    const auto column_text = [&](int number) {
      const void* data = sqlite3_column_blob(select, number);
      return data == nullptr ? std::string() : std::string(static_cast<const char*>(data), static_cast<size_t>(sqlite3_column_bytes(select, number)));
    };
    if (sqlite3_step(select) == SQLITE_ROW) {
      wanted = std::string(AsText(server::ChecksumOf(column_text(0), column_text(1), column_text(2))));
    }
    sqlite3_finalize(select);
  }
  sqlite3_stmt* update = nullptr;
  const std::string sql = std::string("UPDATE objects SET ") + column + "=?2 WHERE number=?1";
  CULVERT_CHECK(sqlite3_prepare_v2(database, sql.c_str(), -1, &update, nullptr) == SQLITE_OK);
  sqlite3_bind_int(update, 1, row);
  // Now and then the wrong kind of value.
  const bool is_key = column[0] == 'k' || column[0] == 'n';
  const bool is_text = is_key != ((operation & 0xf0) == 0xf0);
  Bind(update, 2, wanted, is_text);
  CULVERT_CHECK(sqlite3_step(update) == SQLITE_DONE);
  sqlite3_finalize(update);
}

// What must come back of the rows as they are: read without the store's code, but for the checksum.
Rows Expected(sqlite3* database) {
  Rows rows;
  sqlite3_stmt* select = nullptr;
  CULVERT_CHECK(sqlite3_prepare_v2(database, "SELECT kind, name, body, checksum FROM objects ORDER BY number", -1, &select, nullptr) ==
                SQLITE_OK);
  while (sqlite3_step(select) == SQLITE_ROW) {
    std::string values[4];
    bool has_kinds = true;
    for (int column = 0; column < 4; ++column) {
      has_kinds &= sqlite3_column_type(select, column) == (column < 2 ? SQLITE_TEXT : SQLITE_BLOB);
      const void* data = sqlite3_column_blob(select, column);
      if (data != nullptr) values[column].assign(static_cast<const char*>(data), static_cast<size_t>(sqlite3_column_bytes(select, column)));
    }
    if (!has_kinds || values[0].size() > server::kMaxKindBytes || values[1].starts_with('!')) continue;
    if (values[3] != AsText(server::ChecksumOf(values[0], values[1], values[2]))) continue;
    rows.emplace(Key(values[0], values[1]), values[2]);
  }
  sqlite3_finalize(select);
  return rows;
}

void ChangedRows(Folder& folder, uint8_t objects, ByteReader& steps) {
  folder.Clear();
  folder.Put("objects.db", folder.Good(objects));
  sqlite3* database = OpenRaw(folder.get().File("objects.db"));
  RunRaw(database, "PRAGMA journal_mode=OFF");
  while (steps.remaining() > 0) {
    const uint8_t operation = steps.ReadU8();
    const int row = 1 + steps.ReadU8() % kMaxObjects;
    const size_t wanted = steps.ReadU8();
    const ByteView value = steps.ReadBytes(std::min(wanted, steps.remaining()));
    ChangeRow(database, operation, row, std::string(AsText(value)));
  }
  const Rows expected = Expected(database);
  CULVERT_CHECK(sqlite3_close(database) == SQLITE_OK);
  server::RowContent content;
  CULVERT_CHECK(Open(folder, content) == expected);
  CULVERT_CHECK(content.set_aside.size() + expected.size() == static_cast<size_t>(objects % kMaxObjects));
  CheckAgain(folder, expected);
}

}  // namespace

void State(ByteView input) {
  static Folder folder;
  ByteReader reader(input);
  const uint8_t mode = reader.ReadU8();
  const uint8_t number = reader.ReadU8();
  if (!reader.ok()) return;
  if ((mode & 4) != 0) return ChangedRows(folder, number, reader);
  AnyFile(folder, mode, number, reader.ReadBytes(reader.remaining()));
}

}  // namespace culvert::fuzz
