// What is stored comes back as it was, all of a change or nothing, in files that nobody else may read.
#include "server/store/object_store.h"

#include <google/protobuf/util/message_differencer.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "tests/unit/server_store/store_fixture.h"

namespace culvert::server {
namespace {

using google::protobuf::util::MessageDifferencer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using ObjectStoreTest = StoreTest;

TEST_F(ObjectStoreTest, BeginsEmptyWithAKey) {
  ASSERT_NE(Open(), nullptr);
  EXPECT_THAT(content_.objects, IsEmpty());
  EXPECT_THAT(content_.set_aside, IsEmpty());
  EXPECT_EQ(content_.fault, "");
  EXPECT_EQ(content_.etag_key.size(), kEtagKeyBytes);
  const std::string key = content_.etag_key;
  ASSERT_NE(Open(), nullptr);
  EXPECT_EQ(content_.etag_key, key) << "etags survive restarts";
}

TEST_F(ObjectStoreTest, GivesBackWhatWasStored) {
  v1::Object dialer = KcpDialer("near", "far:4000");
  auto& metadata = MutableMetadataOf(dialer);
  for (const char* name : {"z", "a", "m"}) (*metadata.mutable_labels())[name] = "1";
  metadata.set_generation(7);
  Fill({ForwardTo("f", "l", "near"), TcpListener("l", "[::]:1"), dialer, TcpListener("b", "[::]:2")});
  ASSERT_NE(Open(), nullptr);
  EXPECT_THAT(Names(), ElementsAre("listener/b", "listener/l", "dialer/near", "forward/f"));
  EXPECT_TRUE(MessageDifferencer::Equals(content_.objects[2], dialer)) << "the seed and all";
  EXPECT_EQ(content_.fault, "");
}

TEST_F(ObjectStoreTest, NoStatusIsStored) {
  v1::Object listener = TcpListener("l", "[::]:1");
  const v1::Object without = listener;
  listener.mutable_listener()->mutable_status()->add_conditions()->set_type("Ready");
  Fill({listener});
  ASSERT_NE(Open(), nullptr);
  ASSERT_EQ(content_.objects.size(), 1u);
  EXPECT_TRUE(MessageDifferencer::Equals(content_.objects[0], without));
}

TEST_F(ObjectStoreTest, ChangesAndDeletes) {
  Fill({TcpListener("a", "[::]:1"), TcpListener("b", "[::]:2")});
  {
    const auto store = Open();
    EXPECT_TRUE(store->Commit({Delete(TcpListener("a", "")), Put(TcpListener("b", "[::]:3")), Put(TcpListener("c", "[::]:4")),
                               Put(TcpListener("c", "[::]:5")), Delete(TcpListener("never", ""))})
                    .ok());
  }
  ASSERT_NE(Open(), nullptr);
  EXPECT_THAT(Names(), ElementsAre("listener/b", "listener/c"));
  EXPECT_EQ(content_.objects[0].listener().spec().bind(), "[::]:3");
  EXPECT_EQ(content_.objects[1].listener().spec().bind(), "[::]:5") << "the later one";
}

TEST_F(ObjectStoreTest, ReplaceLeavesExactlyWhatIsGiven) {
  Fill({TcpListener("a", "[::]:1"), TcpListener("b", "[::]:2"), TcpListener("c", "[::]:3")});
  const std::string key(kEtagKeyBytes, 'k');
  {
    const auto store = Open();
    EXPECT_TRUE(store->Replace({TcpListener("c", "[::]:3"), TcpListener("b", "[::]:9"), TcpListener("d", "[::]:4")}, key).ok());
    EXPECT_TRUE(store->Commit({Put(TcpListener("e", "[::]:5"))}).ok());
  }
  ASSERT_NE(Open(), nullptr);
  EXPECT_THAT(Names(), ElementsAre("listener/b", "listener/c", "listener/d", "listener/e"));
  EXPECT_EQ(content_.objects[0].listener().spec().bind(), "[::]:9");
  EXPECT_EQ(content_.etag_key, key);
  EXPECT_EQ(content_.fault, "");
}

TEST_F(ObjectStoreTest, ATooLargeObjectLeavesEverythingAsItWas) {
  const auto store = Open();
  ASSERT_TRUE(store->Commit({Put(TcpListener("a", "[::]:1"))}).ok());
  v1::Object large = TcpListener("large", "[::]:2");
  (*MutableMetadataOf(large).mutable_annotations())["x"] = std::string(kMaxBodyBytes, 'x');
  const absl::Status status = store->Commit({Put(TcpListener("b", "[::]:2")), Put(large)});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(status.message(), HasSubstr("listener/large has 10"));
  EXPECT_TRUE(store->Commit({Put(TcpListener("c", "[::]:3"))}).ok()) << "and the store goes on";
  MutableMetadataOf(large).mutable_annotations()->at("x").resize(kMaxBodyBytes - 1000);
  EXPECT_TRUE(store->Commit({Put(large)}).ok());
}

TEST_F(ObjectStoreTest, FilesAreOursAlone) {
  const mode_t before = umask(0);
  Fill({TcpListener("a", "[::]:1")});
  const auto store = Open();
  umask(before);
  ASSERT_TRUE(store->Commit({Put(TcpListener("b", "[::]:2"))}).ok());
  for (const auto& entry : std::filesystem::directory_iterator(path_)) {
    struct stat info {};
    ASSERT_EQ(lstat(entry.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0600u) << entry.path();
  }
  EXPECT_TRUE(std::filesystem::exists(Database() + "-wal"));
  EXPECT_FALSE(std::filesystem::exists(Database() + "-shm")) << "a file that is mapped can end the process";
}

TEST_F(ObjectStoreTest, AModeThatLetsOthersInIsPutRight) {
  Fill({TcpListener("a", "[::]:1")});
  ASSERT_EQ(chmod(Database().c_str(), 0644), 0);
  ASSERT_NE(Open(), nullptr);
  struct stat info {};
  ASSERT_EQ(lstat(Database().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
}

TEST_F(ObjectStoreTest, AFolderThatLetsOthersInIsRefused) {
  ASSERT_EQ(chmod(path_.c_str(), 0750), 0);
  EXPECT_THAT(std::string(TryOpen().message()), HasSubstr("chmod 700 " + path_));
}

TEST_F(ObjectStoreTest, OnlyOneMayHaveIt) {
  Fill({TcpListener("a", "[::]:1")});
  // Locks are a process's: within this one they would not be seen.
  RunSql(Database(), "PRAGMA journal_mode=WAL");
  const auto store = Open();
  const pid_t child = fork();
  if (child == 0) _exit(TryOpen().code() == absl::StatusCode::kFailedPrecondition ? 0 : 1);
  int how = -1;
  ASSERT_EQ(waitpid(child, &how, 0), child);
  EXPECT_EQ(how, 0);
}

TEST_F(ObjectStoreTest, WhatIsDeletedIsGoneFromTheFiles) {
  const auto canary = [&] {
    int found = 0;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      if (ContentOf(entry.path()).find(kSeed) != std::string::npos) ++found;
    }
    return found;
  };
  const auto store = Open();
  ASSERT_TRUE(store->Commit({Put(KcpListener("l", "[::]:1")), Put(TcpListener("a", "[::]:2"))}).ok());
  ASSERT_TRUE(store->EmptyLog().ok() && store->KeepCopy().ok());
  EXPECT_EQ(canary(), 2) << "the file and its copy";
  ASSERT_TRUE(store->Commit({Delete(KcpListener("l", ""))}).ok());
  ASSERT_TRUE(store->EmptyLog().ok() && store->KeepCopy().ok());
  EXPECT_EQ(canary(), 0);
}

TEST_F(ObjectStoreTest, KnowsWhetherItsFilesAreStillThere) {
  using Hand = std::function<void()>;
  const Hand hands[] = {
      [&] { std::filesystem::remove(Database()); },
      [&] { std::filesystem::remove(Database() + "-wal"); },
      [&] { std::filesystem::rename(Database(), File("elsewhere")); },
      [&] {
        std::filesystem::copy_file(Database(), File("other"));
        std::filesystem::rename(File("other"), Database());
      },
      [&] { std::filesystem::resize_file(Database(), 0); },
      [&] { std::filesystem::resize_file(Database() + "-wal", 32); },
      [&] { std::filesystem::rename(path_, path_ + "-moved"); },
  };
  for (const Hand& hand : hands) {
    const auto store = Open();
    ASSERT_TRUE(store->Commit({Put(TcpListener("a", "[::]:1"))}).ok());
    EXPECT_TRUE(store->IsInPlace());
    EXPECT_TRUE(store->Check().ok()) << store->Check();
    hand();
    EXPECT_FALSE(store->IsInPlace()) << &hand - hands;
    EXPECT_EQ(store->Check().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(store->Commit({Put(TcpListener("b", "[::]:2"))}).code(), absl::StatusCode::kFailedPrecondition)
        << "what cannot be found again is not stored";
    if (!std::filesystem::exists(path_)) std::filesystem::rename(path_ + "-moved", path_);
  }
}

TEST_F(ObjectStoreTest, TheLogIsEmptiedOnDemand) {
  const auto store = Open();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(store->Commit({Put(TcpListener("a", "[::]:" + std::to_string(i + 1)))}).ok());
  EXPECT_GT(store->log_bytes(), 50 * 4096);
  ASSERT_TRUE(store->EmptyLog().ok());
  EXPECT_EQ(store->log_bytes(), 0);
  EXPECT_TRUE(store->IsInPlace());
  ASSERT_TRUE(store->Commit({Put(TcpListener("b", "[::]:2"))}).ok());
}

}  // namespace
}  // namespace culvert::server
