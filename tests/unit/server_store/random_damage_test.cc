// Files changed and cut at random: what comes back was stored, with the same bytes, and nothing ends the process. reliability.md T61.
#include <cstdlib>
#include <filesystem>
#include <set>

#include "tests/unit/server_store/store_fixture.h"

namespace culvert::server {
namespace {

class RandomDamageTest : public StoreTest {
 protected:
  RandomDamageTest() { path_ = fast_.path(); }

  uint32_t Below(size_t limit) { return damage_.NextInRange(0, static_cast<uint32_t>(limit) - 1); }

  // Flips bits, overwrites, or cuts.
  std::string Damage(std::string content) {
    switch (Below(4)) {
      case 0:
        content.resize(Below(content.size()));
        break;
      case 1: {
        const size_t at = Below(content.size());
        for (size_t i = at; i < std::min(content.size(), at + 64); ++i) content[i] = static_cast<char>(damage_.NextU32());
        break;
      }
      default:
        for (uint32_t flips = 1 + Below(3); flips > 0; --flips) content[Below(content.size())] ^= static_cast<char>(1u << Below(8));
    }
    return content;
  }

  // One folder for the daemon's files, made anew each time out of what they held.
  void MakeFiles() {
    const auto store = Open();
    for (int i = 0; i < 40; ++i) {
      std::vector<StoreChange> changes;
      for (const char* suffix : {"x", "y"}) {
        v1::Object object = KcpListener("l" + std::to_string(i % 25) + suffix, "[::]:" + std::to_string(i + 1));
        (*MutableMetadataOf(object).mutable_annotations())["note"] = std::string(1000, 'n');
        written_.insert(object.SerializeAsString());
        changes.push_back(Put(object));
      }
      ASSERT_TRUE(store->Commit(changes).ok());
      ASSERT_TRUE(i != 12 || store->KeepCopy().ok());
      ASSERT_TRUE(i != 38 || store->EmptyLog().ok());
    }
    for (const char* name : {"objects.db", "objects.db-wal", "objects.previous.db"}) files_.push_back({name, ContentOf(File(name))});
  }

  const testing::TempDir fast_{FastBase()};
  SeededRandom damage_{20261201};
  std::vector<std::pair<std::string, std::string>> files_;
  std::set<std::string> written_;
};

TEST_F(RandomDamageTest, NeverGivesWhatWasNotStored) {
  MakeFiles();
  const int times = std::getenv("CULVERT_TEST_ALL") != nullptr ? 10'000 : 500;
  int noticed = 0;
  int whole = 0;
  for (int i = 0; i < times; ++i) {
    SCOPED_TRACE(i);
    std::filesystem::remove_all(path_);
    std::filesystem::create_directory(path_);
    std::filesystem::permissions(path_, std::filesystem::perms::owner_all);
    // Mostly the file itself, now and then its log, now and then its copy as well.
    const uint32_t which = Below(10);
    for (size_t file = 0; file < files_.size(); ++file) {
      const bool is_damaged = file == 0 ? which < 8 : file == 1 ? which >= 7 : which == 6;
      PutContent(File(files_[file].first), is_damaged ? Damage(files_[file].second) : files_[file].second);
    }
    const auto store = Open();
    ASSERT_NE(store, nullptr);
    std::set<std::string> names;
    for (const v1::Object& object : content_.objects) {
      ASSERT_TRUE(written_.contains(object.SerializeAsString())) << object.ShortDebugString();
      ASSERT_TRUE(names.insert(KeyOf(object).ToString()).second);
    }
    if (!content_.fault.empty()) ++noticed;
    if (content_.objects.size() == 50) ++whole;
    // Without a word only if no object is missing, but for the end of a log: that looks like a commit that never ended.
    if (content_.fault.empty() && which < 7) {
      ASSERT_EQ(content_.objects.size(), 50u);
    }
    ASSERT_TRUE(store->Commit({Put(TcpListener("new", "[::]:1"))}).ok()) << "and it works";
  }
  RecordProperty("noticed", noticed);
  RecordProperty("whole", whole);
  EXPECT_GT(noticed, times / 2);
}

}  // namespace
}  // namespace culvert::server
