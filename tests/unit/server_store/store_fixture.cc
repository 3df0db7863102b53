#include "tests/unit/server_store/store_fixture.h"

#include <sqlite3.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

namespace culvert::server {

StoreChange Put(const v1::Object& object) { return {KeyOf(object), object}; }
StoreChange Delete(const v1::Object& object) { return {KeyOf(object), std::nullopt}; }

std::vector<std::string> NamesOf(const std::vector<v1::Object>& objects) {
  std::vector<std::string> names;
  for (const v1::Object& object : objects) names.push_back(KeyOf(object).ToString());
  return names;
}

std::vector<std::string> AskSql(const std::string& path, const std::string& sql) {
  sqlite3* database = nullptr;
  EXPECT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
  std::vector<std::string> answers;
  char* error = nullptr;
  const auto each = [](void* to, int, char** values, char**) {
    static_cast<std::vector<std::string>*>(to)->push_back(values[0] == nullptr ? "" : values[0]);
    return 0;
  };
  EXPECT_EQ(sqlite3_exec(database, sql.c_str(), each, &answers, &error), SQLITE_OK) << error;
  EXPECT_EQ(sqlite3_close(database), SQLITE_OK);
  return answers;
}

void RunSql(const std::string& path, const std::string& sql) { AskSql(path, sql); }

std::string ContentOf(const std::string& path) { return testing::ReadFile(path); }

void PutContent(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

std::string FastBase() { return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"; }

bool IsRequired(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && std::string(value) == "1";
}

absl::Status StoreTest::TryOpen() { return ObjectStore::Open(path_, random_, content_).status(); }

std::unique_ptr<ObjectStore> StoreTest::Open() {
  auto opened = ObjectStore::Open(path_, random_, content_);
  EXPECT_TRUE(opened.ok()) << opened.status();
  return opened.ok() ? *std::move(opened) : nullptr;
}

void StoreTest::Fill(const std::vector<v1::Object>& objects) {
  const auto store = Open();
  ASSERT_NE(store, nullptr);
  std::vector<StoreChange> changes;
  for (const v1::Object& object : objects) changes.push_back(Put(object));
  EXPECT_TRUE(store->Commit(changes).ok());
}

}  // namespace culvert::server
