// A file that cannot be used never keeps the daemon from starting: it is kept under another name, and what is best of the rest is used.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/unit/server_store/store_fixture.h"

namespace culvert::server {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class DamagedFileTest : public StoreTest {
 protected:
  // listener/a is in the copy as well, listener/b is not.
  void FillWithCopy() {
    const auto store = Open();
    ASSERT_TRUE(store->Commit({Put(TcpListener("a", "[::]:1"))}).ok());
    ASSERT_TRUE(store->KeepCopy().ok());
    ASSERT_TRUE(store->Commit({Put(TcpListener("b", "[::]:2"))}).ok());
    ASSERT_TRUE(store->EmptyLog().ok());
    key_ = content_.etag_key;
  }
  // Whatever was found, the store works from here on and is not found damaged again.
  void ExpectUsable() {
    {
      const auto store = Open();
      ASSERT_NE(store, nullptr);
      EXPECT_EQ(content_.fault, "");
      EXPECT_TRUE(store->Commit({Put(TcpListener("new", "[::]:9"))}).ok());
    }
    ASSERT_NE(Open(), nullptr);
    EXPECT_EQ(Names().back(), "listener/new");
    EXPECT_EQ(content_.fault, "");
  }
  std::string key_;
};

TEST_F(DamagedFileTest, TheCopyIsUsed) {
  FillWithCopy();
  PutContent(Database(), "this is no database");
  ASSERT_NE(Open(), nullptr);
  EXPECT_THAT(Names(), ElementsAre("listener/a"));
  EXPECT_EQ(content_.etag_key, key_);
  EXPECT_THAT(content_.fault, AllOf(HasSubstr("objects.db was damaged ("), HasSubstr("not a database"),
                                    HasSubstr("it is now objects.db.damaged"), HasSubstr("the copy objects.previous.db of 2"),
                                    HasSubstr("Z is used: what was changed after it was made is lost")));
  EXPECT_EQ(ContentOf(Database() + ".damaged"), "this is no database");
  ExpectUsable();
}

TEST_F(DamagedFileTest, WhatIsProvablyWholeIsBetterThanTheCopy) {
  FillWithCopy();
  // A byte that says how much of the first page is free: no object depends on it.
  std::string content = ContentOf(Database());
  content[100 + 7] = static_cast<char>(content[100 + 7] + 5);
  PutContent(Database(), content);
  ASSERT_NE(Open(), nullptr);
  EXPECT_THAT(Names(), ElementsAre("listener/a", "listener/b"));
  EXPECT_EQ(content_.etag_key, key_);
  EXPECT_THAT(content_.fault, AllOf(HasSubstr("objects.db was damaged"), HasSubstr("nothing is lost")));
  EXPECT_EQ(ContentOf(Database() + ".damaged"), content);
  ExpectUsable();
}

TEST_F(DamagedFileTest, WithoutACopyWhatCanBeReadIsUsed) {
  FillWithCopy();
  std::filesystem::remove(File(kStoreCopy));
  std::string content = ContentOf(Database());
  content[100 + 7] = static_cast<char>(content[100 + 7] + 5);
  PutContent(Database(), content);
  RunSql(Database(), "PRAGMA ignore_check_constraints=ON; UPDATE objects SET body=X'00' WHERE name='a'");
  ASSERT_NE(Open(), nullptr);
  EXPECT_THAT(Names(), ElementsAre("listener/b"));
  EXPECT_THAT(content_.fault, HasSubstr("there is no copy to use: 1 object could still be read"));
  ExpectUsable();
}

TEST_F(DamagedFileTest, WithoutAnythingItBeginsEmpty) {
  FillWithCopy();
  PutContent(Database(), "this is no database");
  PutContent(File(kStoreCopy), "nor is this");
  ASSERT_NE(Open(), nullptr);
  EXPECT_THAT(content_.objects, IsEmpty());
  EXPECT_THAT(content_.fault, HasSubstr("no object is left"));
  ExpectUsable();
}

TEST_F(DamagedFileTest, AMissingFileIsSaid) {
  FillWithCopy();
  std::filesystem::remove(Database());
  std::filesystem::remove(Database() + "-wal");
  ASSERT_NE(Open(), nullptr);
  EXPECT_THAT(Names(), ElementsAre("listener/a"));
  EXPECT_THAT(content_.fault, HasSubstr("objects.db was missing; the copy"));
  ExpectUsable();
}

TEST_F(DamagedFileTest, ALogWithoutItsFileIsNotMixedWithAnother) {
  {
    const auto store = Open();
    ASSERT_TRUE(store->Commit({Put(TcpListener("a", "[::]:1"))}).ok());
  }
  ASSERT_FALSE(ContentOf(Database() + "-wal").empty());
  std::filesystem::remove(Database());
  ASSERT_NE(Open(), nullptr);
  EXPECT_THAT(content_.fault, HasSubstr("objects.db was missing; the copy"));
  EXPECT_THAT(content_.objects, IsEmpty()) << "the copy is of the first start";
  EXPECT_FALSE(ContentOf(Database() + ".damaged-wal").empty());
  ExpectUsable();
}

TEST_F(DamagedFileTest, LinksPipesFoldersAndHugeFilesAreNeverOpened) {
  const std::string outside = folder_.File("outside");
  using Maker = std::function<void(const std::string& path)>;
  const std::pair<const char*, Maker> makers[] = {
      {"is a symbolic link", [&](const std::string& path) { ASSERT_EQ(symlink(outside.c_str(), path.c_str()), 0); }},
      {"is not a regular file", [](const std::string& path) { ASSERT_EQ(mkfifo(path.c_str(), 0600), 0); }},
      {"is not a regular file", [](const std::string& path) { ASSERT_EQ(mkdir(path.c_str(), 0700), 0); }},
      {"has 1073741824 bytes", [](const std::string& path) {
         PutContent(path, "");
         ASSERT_EQ(truncate(path.c_str(), off_t{1} << 30), 0);
       }}};
  for (const char* suffix : {"", "-wal", "-journal"}) {
    for (const auto& [reason, make] : makers) {
      SCOPED_TRACE(std::string(reason) + suffix);
      path_ = folder_.File("state");
      std::filesystem::remove_all(path_);
      ASSERT_EQ(mkdir(path_.c_str(), 0700), 0);
      FillWithCopy();
      std::filesystem::copy_file(Database(), outside, std::filesystem::copy_options::overwrite_existing);
      std::filesystem::remove(Database() + suffix);
      make(Database() + suffix);
      ASSERT_NE(Open(), nullptr);
      EXPECT_THAT(content_.fault, HasSubstr(reason));
      EXPECT_THAT(Names(), ElementsAre("listener/a")) << "from the copy";
      EXPECT_TRUE(std::filesystem::exists(std::filesystem::symlink_status(Database() + ".damaged" + suffix)));
      ExpectUsable();
    }
  }
}

TEST_F(DamagedFileTest, ALinkInTheCopysPlaceIsNotFollowed) {
  FillWithCopy();
  std::filesystem::rename(File(kStoreCopy), File("elsewhere"));
  ASSERT_EQ(symlink("elsewhere", File(kStoreCopy).c_str()), 0);
  PutContent(Database(), "this is no database");
  ASSERT_NE(Open(), nullptr);
  EXPECT_THAT(content_.objects, IsEmpty());
  EXPECT_FALSE(std::filesystem::is_symlink(File(kStoreCopy))) << "a new copy took its place";
  ExpectUsable();
}

TEST_F(DamagedFileTest, OneDamagedFileIsKept) {
  for (const char* content : {"one", "two"}) {
    FillWithCopy();
    PutContent(Database(), content);
    ASSERT_NE(Open(), nullptr);
    EXPECT_EQ(ContentOf(Database() + ".damaged"), content);
  }
}

TEST_F(DamagedFileTest, WhatACrashLeftBegunIsNoHindrance) {
  FillWithCopy();
  for (const char* name : {"objects.db.new", "objects.previous.db.new"}) PutContent(File(name), "half of it");
  ASSERT_NE(Open(), nullptr);
  EXPECT_EQ(content_.fault, "");
  EXPECT_THAT(Names(), ElementsAre("listener/a", "listener/b"));
  EXPECT_FALSE(std::filesystem::exists(File("objects.db.new")));
}

}  // namespace
}  // namespace culvert::server
