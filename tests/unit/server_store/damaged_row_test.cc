// One damaged row costs one object, which is named; its bytes are kept.
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include "tests/unit/server_store/store_fixture.h"

namespace culvert::server {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class DamagedRowTest : public StoreTest {
 protected:
  // Damages row "listener/b" with SQL and expects that the others come back, and b set aside for this reason.
  void ExpectSetAside(const std::string& sql, const std::string& reason) {
    SCOPED_TRACE(sql);
    Fill({TcpListener("a", "[::]:1"), TcpListener("b", "[::]:2"), TcpListener("c", "[::]:3")});
    RunSql(Database(), sql);
    ASSERT_NE(Open(), nullptr);
    EXPECT_THAT(Names(), ElementsAre("listener/a", "listener/c"));
    EXPECT_THAT(content_.set_aside, ElementsAre(Field(&SetAsideRow::reason, HasSubstr(reason))));
    EXPECT_THAT(content_.fault, HasSubstr("1 damaged object set aside"));
    // Said once; after that all is well.
    ASSERT_NE(Open(), nullptr);
    EXPECT_THAT(Names(), ElementsAre("listener/a", "listener/c"));
    EXPECT_THAT(content_.set_aside, IsEmpty());
    EXPECT_EQ(content_.fault, "");
    EXPECT_EQ(AskSql(Database(), "SELECT reason FROM set_aside ORDER BY number DESC LIMIT 1")[0], reason);
  }
};

TEST_F(DamagedRowTest, IsSetAsideAndNamed) {
  Fill({TcpListener("a", "[::]:1"), TcpListener("b", "[::]:2")});
  RunSql(Database(), "UPDATE objects SET body=X'0102' WHERE name='b'");
  ASSERT_NE(Open(), nullptr);
  EXPECT_THAT(content_.set_aside, ElementsAre(AllOf(Field(&SetAsideRow::kind, "listener"), Field(&SetAsideRow::name, "b"))));
  EXPECT_THAT(AskSql(Database(), "SELECT hex(body) FROM set_aside WHERE kind='listener' AND name='b'"), ElementsAre("0102"));
}

TEST_F(DamagedRowTest, WhateverIsWrongWithIt) {
  const std::string checksum = "its checksum does not fit";
  const std::string column = "a column holds something else than it must";
  ExpectSetAside("UPDATE objects SET body=X'00' WHERE name='b'", checksum);
  ExpectSetAside("UPDATE objects SET name='B' WHERE name='b'", checksum);
  ExpectSetAside("UPDATE objects SET kind='dialer' WHERE name='b'", checksum);
  ExpectSetAside("UPDATE objects SET checksum=(SELECT checksum FROM objects WHERE name='a') WHERE name='b'", checksum);
  ExpectSetAside("UPDATE objects SET body=(SELECT body FROM objects WHERE name='a') WHERE name='b'", checksum);
  ExpectSetAside("UPDATE objects SET body=NULL WHERE name='b'", column);
  ExpectSetAside("UPDATE objects SET body=17 WHERE name='b'", column);
  ExpectSetAside("UPDATE objects SET name=X'62' WHERE name='b'", column);
  ExpectSetAside("UPDATE objects SET body=zeroblob(1048577) WHERE name='b'", "it is larger than a row can be");
  ExpectSetAside("UPDATE objects SET body=zeroblob(20000000) WHERE name='b'", "it cannot be read");
}

TEST_F(DamagedRowTest, AGoodChecksumDoesNotMakeAnObject) {
  const auto put = [&](const std::string& kind, const std::string& name, const std::string& body) {
    const Checksum checksum = ChecksumOf(kind, name, body);
    const auto hex = [](std::string_view bytes) {
      std::string text;
      for (const unsigned char c : bytes) absl::StrAppend(&text, absl::Hex(c, absl::kZeroPad2));
      return text;
    };
    RunSql(Database(), absl::StrCat("INSERT INTO objects(kind, name, body, checksum) VALUES('", kind, "', '", name, "', X'", hex(body),
                                    "', X'", hex(AsText(checksum)), "')"));
  };
  Fill({TcpListener("a", "[::]:1")});
  const std::string body = TcpListener("a", "[::]:1").SerializeAsString();
  put("listener", "x", "\xff\xff");
  put("listener", "y", "");
  put("listener", "z", body);
  put("dialer", "a", body);
  put("listener", "a", body);
  ASSERT_NE(Open(), nullptr);
  EXPECT_THAT(Names(), ElementsAre("listener/a"));
  std::vector<std::string> reasons;
  for (const SetAsideRow& row : content_.set_aside) reasons.push_back(row.reason);
  EXPECT_THAT(reasons, ElementsAre("its object cannot be read", "its object is of no kind that is known", "its object has another name",
                                   "its object has another name", "it is there twice"));
}

TEST_F(DamagedRowTest, AMissingRowIsNoticed) {
  Fill({TcpListener("a", "[::]:1"), TcpListener("b", "[::]:2")});
  RunSql(Database(), "DELETE FROM objects WHERE name='b'");
  ASSERT_NE(Open(), nullptr);
  EXPECT_THAT(Names(), ElementsAre("listener/a"));
  EXPECT_THAT(content_.fault, HasSubstr("1 object missing"));
  ASSERT_NE(Open(), nullptr);
  EXPECT_EQ(content_.fault, "");
}

TEST_F(DamagedRowTest, ARowThatCameFromElsewhereIsNoticed) {
  Fill({TcpListener("a", "[::]:1")});
  RunSql(Database(), "CREATE TEMP TABLE old AS SELECT * FROM objects; DELETE FROM objects; INSERT INTO objects SELECT * FROM old");
  ASSERT_NE(Open(), nullptr);
  EXPECT_EQ(content_.fault, "") << "the same row";
  Fill({TcpListener("a", "[::]:2")});
  const Checksum checksum = ChecksumOf("listener", "a", TcpListener("a", "[::]:1").SerializeAsString());
  std::string hex;
  for (const uint8_t c : checksum) absl::StrAppend(&hex, absl::Hex(c, absl::kZeroPad2));
  std::string body;
  for (const unsigned char c : TcpListener("a", "[::]:1").SerializeAsString()) absl::StrAppend(&body, absl::Hex(c, absl::kZeroPad2));
  RunSql(Database(), absl::StrCat("UPDATE objects SET body=X'", body, "', checksum=X'", hex, "'"));
  ASSERT_NE(Open(), nullptr);
  EXPECT_THAT(content_.fault, HasSubstr("other objects than were stored last"));
}

TEST_F(DamagedRowTest, DamagedRecordsBesideTheRowsAreMadeAnew) {
  Fill({TcpListener("a", "[::]:1")});
  const std::string key = content_.etag_key;
  RunSql(Database(), "UPDATE meta SET value=zeroblob(32) WHERE name='etag_key'");
  ASSERT_NE(Open(), nullptr);
  EXPECT_THAT(content_.fault, HasSubstr("the key of etags was damaged"));
  EXPECT_NE(content_.etag_key, key);
  EXPECT_EQ(content_.etag_key.size(), kEtagKeyBytes);
  RunSql(Database(), "DELETE FROM meta WHERE name='state'");
  ASSERT_NE(Open(), nullptr);
  EXPECT_THAT(content_.fault, HasSubstr("the record of how many objects"));
  EXPECT_THAT(Names(), ElementsAre("listener/a"));
  ASSERT_NE(Open(), nullptr);
  EXPECT_EQ(content_.fault, "");
}

TEST_F(DamagedRowTest, OnlySoManyAreKept) {
  std::vector<v1::Object> objects;
  for (int i = 0; i < 2 * kMaxSetAside; ++i) objects.push_back(TcpListener(absl::StrFormat("l%03d", i), "[::]:1"));
  Fill(objects);
  RunSql(Database(), "UPDATE objects SET body=X'00' WHERE name > 'l010'");
  ASSERT_NE(Open(), nullptr);
  EXPECT_THAT(content_.set_aside, SizeIs(2 * kMaxSetAside - 11)) << "all are named";
  EXPECT_THAT(content_.objects, SizeIs(11));
  EXPECT_THAT(AskSql(Database(), "SELECT count(*) || min(name) || max(name) FROM set_aside"), ElementsAre("100l100l199"));
}

TEST_F(DamagedRowTest, NamesAreShownInPrintableCharacters) {
  Fill({TcpListener("a", "[::]:1")});
  RunSql(Database(), "UPDATE objects SET name='a' || char(27) || '[31m' || char(10)");
  ASSERT_NE(Open(), nullptr);
  ASSERT_THAT(content_.set_aside, SizeIs(1));
  EXPECT_EQ(content_.set_aside[0].name, "a\\x1b[31m\\n");
}

}  // namespace
}  // namespace culvert::server
