#include "tests/fuzz/state_files.h"

#include <sqlite3.h>
#include <unistd.h>

#include <optional>

#include "core/base/check.h"
#include "server/store/row_store.h"
#include "tests/testing/temp_dir.h"

namespace culvert::fuzz {

std::string FastBase() { return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"; }

sqlite3* OpenRaw(const std::string& path) {
  sqlite3* database = nullptr;
  CULVERT_CHECK(sqlite3_open(path.c_str(), &database) == SQLITE_OK);
  RunRaw(database, "PRAGMA synchronous=OFF");
  return database;
}

void RunRaw(sqlite3* database, const std::string& sql) {
  CULVERT_CHECK(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
}

std::string MakeStateFile(int objects) {
  const testing::TempDir folder(FastBase());
  SeededRandom random(1);
  server::RowContent content;
  auto store = server::RowStore::Open(folder.path(), random, [](const server::Row&) { return std::string(); }, content);
  CULVERT_CHECK(store.ok());
  std::vector<server::RowChange> changes;
  for (int i = 0; i < objects; ++i) {
    const std::string name = "l" + std::to_string(i);
    changes.push_back({i % 3 == 0 ? "dialer" : "listener", name, "body of " + name + std::string(static_cast<size_t>(i * 40), 'b')});
  }
  CULVERT_CHECK((*store)->Commit(changes).ok() && (*store)->EmptyLog().ok());
  store->reset();
  const std::string path = folder.File(server::kStoreFile);
  sqlite3* database = OpenRaw(path);
  RunRaw(database, "PRAGMA journal_mode=DELETE");
  RunRaw(database, "PRAGMA page_size=" + std::to_string(kStatePageBytes));
  RunRaw(database, "VACUUM");
  CULVERT_CHECK(sqlite3_close(database) == SQLITE_OK);
  return testing::ReadFile(path);
}

// See tests/fuzz/state.cc for what the bytes mean.
std::vector<std::string> StateSeeds() {
  std::vector<std::string> seeds;
  for (const int objects : {0, 1, 3, 8}) {
    const std::string file = MakeStateFile(objects);
    for (char mode = 0; mode < 4; ++mode) seeds.push_back(std::string{mode, 0} + file);
    for (size_t cut = 1; cut <= 6; ++cut) seeds.push_back(std::string{0, 0} + file.substr(0, file.size() * cut / 7));
    // Every byte of the header once, and one of every page's head.
    for (size_t at = 0; at < file.size() && seeds.size() < 220; at += at < 100 ? 9 : kStatePageBytes / 2) {
      std::string changed = file;
      changed[at] = static_cast<char>(changed[at] ^ 0x11);
      seeds.push_back(std::string{static_cast<char>(at % 4), 0} + changed);
    }
  }
  for (int number = 0; number < 60; ++number) {
    std::string script{static_cast<char>(4 + number % 4), static_cast<char>(number % 9)};
    for (int step = 0; step < 1 + number / 8; ++step) {
      const std::string value(static_cast<size_t>((number * 7 + step) % 24), static_cast<char>('a' + step));
      script += std::string{static_cast<char>(number + step * 5), static_cast<char>(step * 3), static_cast<char>(value.size())} + value;
    }
    seeds.push_back(script);
  }
  return seeds;
}

}  // namespace culvert::fuzz
