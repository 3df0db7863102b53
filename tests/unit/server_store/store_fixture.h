// What tests of the store share: a folder, objects, and a hand that changes files behind its back.
#pragma once

#include <gmock/gmock.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "server/store/object_store.h"
#include "tests/testing/temp_dir.h"
#include "tests/unit/server/objects.h"

namespace culvert::server {

StoreChange Put(const v1::Object& object);
StoreChange Delete(const v1::Object& object);
// "listener/a" and so on, in the order given.
std::vector<std::string> NamesOf(const std::vector<v1::Object>& objects);

// Runs SQL on a file as any other program would: without our limits, and without asking whether it is ours.
void RunSql(const std::string& path, const std::string& sql);
// The first column of each row, as text.
std::vector<std::string> AskSql(const std::string& path, const std::string& sql);

std::string ContentOf(const std::string& path);
void PutContent(const std::string& path, const std::string& content);

// Where a TempDir is in memory, for tests of many openings that are not about the disk.
std::string FastBase();

// Tests that root must run say so, or fail with CULVERT_REQUIRE_ROOT_TESTS=1, as tests/run sets it for CI.
bool IsRequired(const char* variable);

class StoreTest : public ::testing::Test {
 protected:
  // Opens and expects success; content_ holds what was found.
  std::unique_ptr<ObjectStore> Open();
  absl::Status TryOpen();
  // A store that was opened, filled and closed.
  void Fill(const std::vector<v1::Object>& objects);

  std::string File(const std::string& name) const { return path_ + "/" + name; }
  std::string Database() const { return File(kStoreFile); }
  std::vector<std::string> Names() const { return NamesOf(content_.objects); }

  const testing::TempDir folder_;
  std::string path_ = folder_.path();
  SeededRandom random_{1};
  StoreContent content_;
};

}  // namespace culvert::server
