// A disk that is full or read-only: the error says so, nothing that was stored is lost, and what can be read is read.
#include <filesystem>

#include "tests/unit/server_store/own_mounts.h"
#include "tests/unit/server_store/store_fixture.h"

namespace culvert::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class BadDiskTest : public StoreTest {
 protected:
  static v1::Object Large(const std::string& name, size_t bytes) {
    v1::Object object = TcpListener(name, "[::]:1");
    (*MutableMetadataOf(object).mutable_annotations())["x"] = std::string(bytes, 'x');
    return object;
  }
};

TEST_F(BadDiskTest, FullIsSaidAndLosesNothing) {
  OwnMounts::Run([&] {
    OwnMounts::Mount(path_, 1 << 20);
    auto store = Open();
    ASSERT_TRUE(store->Commit({Put(TcpListener("a", "[::]:1"))}).ok());
    OwnMounts::Fill(path_, 16 * 1024);
    EXPECT_EQ(store->Check().code(), absl::StatusCode::kResourceExhausted);
    const absl::Status status = store->Commit({Put(TcpListener("b", "[::]:2")), Put(Large("large", 100'000))});
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("disk is full"));
    store.reset();
    // While it is full, what was stored is read all the same.
    static_cast<void>(TryOpen());
    EXPECT_THAT(Names(), ElementsAre("listener/a"));
    OwnMounts::Fill(path_, 800'000);
    ASSERT_NE(Open(), nullptr);
    EXPECT_THAT(Names(), ElementsAre("listener/a"));
    EXPECT_EQ(content_.fault, "");
  });
}

TEST_F(BadDiskTest, AtAnyRoomThatIsLeft) {
  OwnMounts::Run([&] {
    OwnMounts::Mount(path_, 1 << 20);
    Fill({TcpListener("a", "[::]:1")});
    int refused = 0;
    for (size_t left = 0; left < 400'000; left += 16 * 1024) {
      SCOPED_TRACE(left);
      OwnMounts::Fill(path_, left);
      absl::Status status;
      {
        auto opened = ObjectStore::Open(path_, random_, content_);
        EXPECT_THAT(Names(), Not(IsEmpty())) << opened.status();
        EXPECT_EQ(Names()[0], "listener/a");
        status = opened.status();
        if (opened.ok()) status = (*opened)->Replace({TcpListener("a", "[::]:1"), Large("large", 100'000 + left)}, content_.etag_key);
      }
      if (!status.ok()) {
        EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
        ++refused;
      }
      std::filesystem::remove(File("filler"));
      ASSERT_NE(Open(), nullptr);
      EXPECT_EQ(content_.fault, "");
      if (status.ok()) {
        EXPECT_THAT(Names(), ElementsAre("listener/a", "listener/large"));
      }
    }
    EXPECT_GT(refused, 3);
  });
}

TEST_F(BadDiskTest, DamageOnAFullDiskLeavesEverythingForLater) {
  OwnMounts::Run([&] {
    OwnMounts::Mount(path_, 1 << 20);
    Fill({TcpListener("a", "[::]:1")});
    ASSERT_TRUE(Open()->KeepCopy().ok());
    PutContent(Database(), "this is no database");
    OwnMounts::Fill(path_, 0);
    EXPECT_EQ(TryOpen().code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(Names(), ElementsAre("listener/a")) << "from the copy";
    EXPECT_THAT(content_.fault, HasSubstr("objects.db was damaged"));
    EXPECT_EQ(ContentOf(Database()), "this is no database");
    OwnMounts::Fill(path_, 700'000);
    ASSERT_NE(Open(), nullptr);
    EXPECT_THAT(Names(), ElementsAre("listener/a"));
    EXPECT_THAT(content_.fault, HasSubstr("it is now objects.db.damaged"));
  });
}

TEST_F(BadDiskTest, ReadOnlyIsReadAndNotWritten) {
  OwnMounts::Run([&] {
    OwnMounts::Mount(path_, 1 << 20);
    // As a daemon that was killed leaves it: with a log, and then with an empty one, and without.
    Fill({TcpListener("a", "[::]:1"), TcpListener("b", "[::]:2")});
    ASSERT_FALSE(ContentOf(Database() + "-wal").empty());
    const std::string key = content_.etag_key;
    for (const char* log : {"full", "empty", "missing"}) {
      SCOPED_TRACE(log);
      OwnMounts::SetReadOnly(path_, true);
      const absl::Status status = TryOpen();
      EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
      EXPECT_THAT(std::string(status.message()), HasSubstr("read-only"));
      EXPECT_THAT(Names(), ElementsAre("listener/a", "listener/b"));
      EXPECT_EQ(content_.etag_key, key);
      EXPECT_EQ(content_.fault, "");
      OwnMounts::SetReadOnly(path_, false);
      ASSERT_NE(Open(), nullptr);
      EXPECT_THAT(Names(), ElementsAre("listener/a", "listener/b"));
      if (std::string(log) == "empty") std::filesystem::remove(Database() + "-wal");
    }
  });
}

TEST_F(BadDiskTest, ReadOnlyWhileRunningIsNoticed) {
  OwnMounts::Run([&] {
    OwnMounts::Mount(path_, 1 << 20);
    const auto store = Open();
    ASSERT_TRUE(store->Check().ok());
    OwnMounts::SetReadOnly(path_, true);
    EXPECT_EQ(store->Check().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(store->Check().message()), HasSubstr("read-only"));
  });
}

TEST_F(BadDiskTest, AReadOnlyFirstStartIsAnErrorAndNoContent) {
  OwnMounts::Run([&] {
    OwnMounts::Mount(path_, 1 << 20);
    OwnMounts::SetReadOnly(path_, true);
    EXPECT_EQ(TryOpen().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(content_.objects, IsEmpty());
    EXPECT_EQ(content_.fault, "");
  });
}

}  // namespace
}  // namespace culvert::server
