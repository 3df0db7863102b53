// Whose file it is, and files of other versions.
#include "server/store/schema.h"

#include <absl/strings/str_cat.h>

#include <filesystem>

#include "tests/unit/server_store/store_fixture.h"

namespace culvert::server {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class SchemaTest : public StoreTest {
 protected:
  // The class of that name, which the fixture's function hides.
  std::unique_ptr<server::Database> OpenFile() {
    auto opened = server::Database::Open(Database(), {.max_row_bytes = kMaxRowBytes, .max_file_bytes = kMaxStoreFileBytes});
    EXPECT_TRUE(opened.ok()) << opened.status();
    return *std::move(opened);
  }
};

TEST_F(SchemaTest, AFileWithoutTablesIsMigrated) {
  RunSql(Database(), absl::StrCat("PRAGMA application_id=", kApplicationId));
  ASSERT_NE(Open(), nullptr);
  EXPECT_THAT(content_.objects, IsEmpty());
  EXPECT_THAT(AskSql(Database(), "PRAGMA user_version"), ElementsAre(absl::StrCat(kSchemaVersion)));
  EXPECT_FALSE(std::filesystem::exists(Database() + ".damaged"));
}

absl::Status AddColumn(server::Database& database) { return database.Run("ALTER TABLE objects ADD COLUMN extra TEXT DEFAULT 'none'"); }
absl::Status Fail(server::Database& database) {
  EXPECT_TRUE(database.Run("DELETE FROM objects").ok());
  return absl::InternalError("as it happens");
}

TEST_F(SchemaTest, EveryStepRunsInOrderAndKeepsTheRows) {
  Fill({TcpListener("a", "[::]:1")});
  const Migration steps[] = {{0, Fail}, {1, AddColumn}};
  {
    const auto database = OpenFile();
    ASSERT_TRUE(CheckOwner(*database, steps).ok());
    EXPECT_TRUE(Migrate(*database, steps).ok());
    EXPECT_TRUE(Migrate(*database, steps).ok()) << "nothing more to do";
  }
  EXPECT_THAT(AskSql(Database(), "SELECT name || extra FROM objects"), ElementsAre("anone"));
  EXPECT_THAT(AskSql(Database(), "PRAGMA user_version"), ElementsAre("2"));
}

TEST_F(SchemaTest, AStepThatFailsLeavesTheFileAsItWas) {
  Fill({TcpListener("a", "[::]:1")});
  const Migration steps[] = {{1, AddColumn}, {2, Fail}};
  EXPECT_THAT(std::string(Migrate(*OpenFile(), steps).message()), HasSubstr("as it happens"));
  ASSERT_NE(Open(), nullptr);
  EXPECT_THAT(Names(), ElementsAre("listener/a"));
  EXPECT_EQ(content_.fault, "");
}

TEST_F(SchemaTest, ANewerCulvertsFileIsLeftAlone) {
  Fill({TcpListener("a", "[::]:1")});
  {
    // Another version's daemon that was killed: the version is in the log only.
    const auto database = OpenFile();
    ASSERT_TRUE(database->UseLog().ok());
    ASSERT_TRUE(PutMeta(*database, "version", "2").ok());
    ASSERT_TRUE(database->Run("PRAGMA user_version=2").ok());
  }
  const std::string file = ContentOf(Database());
  const std::string log = ContentOf(Database() + "-wal");
  ASSERT_FALSE(log.empty());
  for (int times = 0; times < 2; ++times) {
    const absl::Status status = TryOpen();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr(Database()), HasSubstr("a newer culvert (schema version 2, this one knows 1)")));
    EXPECT_THAT(content_.objects, IsEmpty());
    EXPECT_EQ(ContentOf(Database()), file);
    EXPECT_EQ(ContentOf(Database() + "-wal"), log);
  }
}

TEST_F(SchemaTest, ADamagedVersionIsNoNewerCulvert) {
  Fill({TcpListener("a", "[::]:1")});
  RunSql(Database(), "PRAGMA user_version=5");
  ASSERT_NE(Open(), nullptr);
  EXPECT_THAT(Names(), ElementsAre("listener/a"));
  EXPECT_THAT(content_.fault, AllOf(HasSubstr("its schema version, 1, was overwritten"), HasSubstr("it is now objects.db.damaged")));
}

TEST_F(SchemaTest, ADamagedHeaderLosesNothing) {
  Fill({TcpListener("a", "[::]:1")});
  RunSql(Database(), "PRAGMA application_id=5");
  ASSERT_NE(Open(), nullptr);
  EXPECT_THAT(Names(), ElementsAre("listener/a"));
  EXPECT_THAT(content_.fault, AllOf(HasSubstr("the database of another program"), HasSubstr("nothing is lost")));
}

TEST_F(SchemaTest, AHeaderThatForbidsWritingIsDamage) {
  Fill({TcpListener("a", "[::]:1")});
  ASSERT_NE(Open(), nullptr);
  std::string content = ContentOf(Database());
  content[18] = 9;  // "only a later SQLite may write this"
  PutContent(Database(), content);
  ASSERT_NE(Open(), nullptr);
  EXPECT_THAT(Names(), ElementsAre("listener/a"));
  EXPECT_THAT(content_.fault, HasSubstr("it is now objects.db.damaged"));
}

TEST_F(SchemaTest, AnotherProgramsDatabaseIsSetAside) {
  for (const std::string& sql : {std::string("CREATE TABLE bookmarks(url)"),
                                 absl::StrCat("PRAGMA application_id=", kApplicationId, "; PRAGMA user_version=1; CREATE TABLE bookmarks(url)"),
                                 absl::StrCat("PRAGMA application_id=", kApplicationId, "; CREATE TABLE objects(url)"),
                                 absl::StrCat("PRAGMA application_id=", kApplicationId, "; PRAGMA user_version=-1; CREATE TABLE x(url)")}) {
    SCOPED_TRACE(sql);
    std::filesystem::remove(Database());
    RunSql(Database(), sql);
    ASSERT_NE(Open(), nullptr);
    EXPECT_THAT(content_.fault, AllOf(HasSubstr("objects.db was damaged"), HasSubstr("it is now objects.db.damaged")));
    EXPECT_THAT(AskSql(Database() + ".damaged", "SELECT count(*) FROM sqlite_schema"), ElementsAre("1"));
  }
}

TEST_F(SchemaTest, TriggersAndViewsHaveNoEffect) {
  Fill({TcpListener("a", "[::]:1")});
  RunSql(Database(), "CREATE TRIGGER t AFTER INSERT ON set_aside BEGIN DELETE FROM objects; END");
  ASSERT_NE(Open(), nullptr);
  EXPECT_THAT(Names(), ElementsAre("listener/a"));
  EXPECT_THAT(content_.fault, AllOf(HasSubstr("a table that is not ours"), HasSubstr("nothing is lost")));
}

}  // namespace
}  // namespace culvert::server
