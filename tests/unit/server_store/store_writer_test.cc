// The writer beside a control thread that keeps a table as the supervisor does: what is acknowledged is stored, and every trouble is
// said and ends with its cause.
#include "server/store/store_writer.h"

#include <condition_variable>
#include <filesystem>
#include <future>

#include "server/error_builder.h"
#include "tests/unit/server_store/own_mounts.h"
#include "tests/unit/server_store/store_fixture.h"

namespace culvert::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr auto kLimit = std::chrono::seconds(120);  // for a machine with much else to do

class StoreWriterTest : public StoreTest {
 protected:
  void Start(StoreWriter::Options options = {.check_every = std::chrono::milliseconds(5)}) {
    control_ = std::make_unique<ControlThread>();
    auto opened = ObjectStore::Open(path_, random_, content_);
    for (const v1::Object& object : content_.objects) table_[KeyOf(object)] = object;
    OnControl([&] {
      StoreWriter::Callbacks callbacks;
      callbacks.snapshot = [this] {
        StoreWriter::Snapshot snapshot{.objects = {}, .etag_key = content_.etag_key};
        for (const auto& [key, object] : table_) snapshot.objects.push_back(object);
        return snapshot;
      };
      callbacks.on_health = [this](absl::Status health) { Note([&] { healths_.push_back(std::move(health)); }); };
      callbacks.on_content = [this](StoreContent content) {
        table_.clear();
        for (const v1::Object& object : content.objects) table_[KeyOf(object)] = object;
        Note([&] { contents_.push_back(std::move(content)); });
      };
      writer_ = std::make_unique<StoreWriter>(*control_, path_, std::move(opened), std::move(callbacks), options);
    });
  }
  // Ends the writer as a daemon does, and gives the names of what is stored then.
  std::vector<std::string> StopAndRead() {
    OnControl([&] { writer_.reset(); });
    control_->Stop();
    EXPECT_NE(Open(), nullptr);
    return Names();
  }
  void TearDown() override {
    if (writer_ != nullptr) OnControl([&] { writer_.reset(); });
  }

  void OnControl(const std::function<void()>& task) {
    std::promise<void> done;
    ASSERT_TRUE(control_->Post([&] {
      task();
      done.set_value();
    }));
    ASSERT_EQ(done.get_future().wait_for(kLimit), std::future_status::ready);
  }
  // As the supervisor does it: the table changes when the store has it.
  std::future<absl::Status> Begin(std::vector<StoreChange> changes) {
    auto answer = std::make_shared<std::promise<absl::Status>>();
    writer_->Write(changes, [this, changes, answer](absl::Status status) {
      for (const StoreChange& change : changes) {
        if (!status.ok()) continue;
        if (change.object) {
          table_[change.key] = *change.object;
        } else {
          table_.erase(change.key);
        }
      }
      answer->set_value(status);
    });
    return answer->get_future();
  }
  absl::Status Write(std::vector<StoreChange> changes) {
    std::future<absl::Status> answer;
    OnControl([&] { answer = Begin(std::move(changes)); });
    return answer.get();
  }

  void Note(const std::function<void()>& what) {
    const std::lock_guard lock(mutex_);
    what();
    noted_.notify_all();
  }
  // Waits for the next health after those already waited for.
  absl::Status NextHealth() {
    std::unique_lock lock(mutex_);
    if (!noted_.wait_for(lock, kLimit, [&] { return healths_.size() > seen_; })) return absl::DeadlineExceededError("no news");
    return healths_[seen_++];
  }
  // Waits until it is well again, whatever is said before.
  void ExpectRecovery() {
    absl::Status health;
    do {
      health = NextHealth();
    } while (!health.ok() && !absl::IsDeadlineExceeded(health));
    EXPECT_TRUE(health.ok()) << health;
  }
  static void ExpectRefusal(const absl::Status& status, absl::StatusCode code, const std::string& text) {
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_EQ(ReasonOf(status), "STATE_NOT_WRITABLE");
    const auto failure = DetailOf<google::rpc::PreconditionFailure>(status);
    ASSERT_EQ(failure.violations_size(), 1);
    EXPECT_EQ(failure.violations(0).type(), "FILE");
    EXPECT_THAT(failure.violations(0).subject(), HasSubstr("/objects.db"));
    EXPECT_THAT(failure.violations(0).description(), HasSubstr(text));
  }

  std::map<ObjectKey, v1::Object> table_;  // the control thread's
  std::mutex mutex_;
  std::condition_variable noted_;
  std::vector<absl::Status> healths_;
  std::vector<StoreContent> contents_;
  size_t seen_ = 0;
  std::unique_ptr<ControlThread> control_;
  std::unique_ptr<StoreWriter> writer_;
};

TEST_F(StoreWriterTest, StoresAndAnswers) {
  Start();
  EXPECT_TRUE(Write({Put(TcpListener("a", "[::]:1")), Put(TcpListener("b", "[::]:2"))}).ok());
  EXPECT_TRUE(Write({Delete(TcpListener("a", ""))}).ok());
  EXPECT_THAT(StopAndRead(), ElementsAre("listener/b"));
  EXPECT_THAT(healths_, IsEmpty());
}

TEST_F(StoreWriterTest, ManyAtOnceKeepTheirOrder) {
  Start();
  std::vector<std::future<absl::Status>> answers;
  OnControl([&] {
    for (int i = 0; i < 300; ++i) answers.push_back(Begin({Put(TcpListener("l" + std::to_string(i % 7), "[::]:" + std::to_string(i)))}));
  });
  for (auto& answer : answers) EXPECT_TRUE(answer.get().ok());
  EXPECT_THAT(StopAndRead(), SizeIs(7));
  EXPECT_EQ(content_.objects[299 % 7].listener().spec().bind(), "[::]:299");
}

TEST_F(StoreWriterTest, WhatWaitsAtTheEndIsStored) {
  Start();
  std::vector<std::future<absl::Status>> answers;
  OnControl([&] {
    for (int i = 0; i < 100; ++i) answers.push_back(Begin({Put(TcpListener("l" + std::to_string(i), "[::]:1"))}));
    writer_.reset();
  });
  for (auto& answer : answers) EXPECT_TRUE(answer.get().ok());
  EXPECT_THAT(StopAndRead(), SizeIs(100));
}

TEST_F(StoreWriterTest, OneThatIsTooLargeIsAloneInThat) {
  Start();
  v1::Object large = TcpListener("large", "[::]:2");
  (*MutableMetadataOf(large).mutable_annotations())["x"] = std::string(kMaxBodyBytes, 'x');
  std::vector<std::future<absl::Status>> answers;
  OnControl([&] {
    answers.push_back(Begin({Put(TcpListener("a", "[::]:1"))}));
    answers.push_back(Begin({Put(TcpListener("b", "[::]:1")), Put(large)}));
    answers.push_back(Begin({Put(TcpListener("c", "[::]:1"))}));
  });
  EXPECT_TRUE(answers[0].get().ok());
  const absl::Status refused = answers[1].get();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(refused), "OBJECT_TOO_LARGE");
  EXPECT_TRUE(answers[2].get().ok());
  EXPECT_THAT(StopAndRead(), ElementsAre("listener/a", "listener/c"));
  EXPECT_THAT(healths_, IsEmpty());
}

TEST_F(StoreWriterTest, WhateverHappensToTheFilesIsMended) {
  Start();
  ASSERT_TRUE(Write({Put(TcpListener("a", "[::]:1"))}).ok());
  const std::string key = content_.etag_key;
  using Hand = std::function<void()>;
  const Hand hands[] = {
      [&] { std::filesystem::remove(Database()); },
      [&] { std::filesystem::remove(Database() + "-wal"); },
      [&] { std::filesystem::resize_file(Database(), 100); },
      [&] {
        PutContent(File("other"), "this is no database");
        std::filesystem::rename(File("other"), Database());
      },
      [&] {
        // An older one of our own.
        std::filesystem::copy_file(File(kStoreCopy), File("other"));
        std::filesystem::rename(File("other"), Database());
      },
      [&] {
        for (const auto& entry : std::filesystem::directory_iterator(path_)) std::filesystem::remove(entry.path());
      },
  };
  int count = 0;
  for (const Hand& hand : hands) {
    SCOPED_TRACE(count);
    hand();
    const absl::Status health = NextHealth();
    ExpectRefusal(health, absl::StatusCode::kFailedPrecondition, path_);
    ExpectRecovery();
    EXPECT_TRUE(Write({Put(TcpListener("b" + std::to_string(++count), "[::]:1"))}).ok());
  }
  EXPECT_THAT(StopAndRead(), SizeIs(1 + std::size(hands)));
  EXPECT_EQ(content_.etag_key, key);
}

TEST_F(StoreWriterTest, WritesAreRefusedUntilTheFolderIsBack) {
  path_ = folder_.File("state");
  std::filesystem::create_directory(path_);
  std::filesystem::permissions(path_, std::filesystem::perms::owner_all);
  Start();
  ASSERT_TRUE(Write({Put(TcpListener("a", "[::]:1"))}).ok());
  std::filesystem::rename(path_, path_ + "-moved");
  EXPECT_FALSE(NextHealth().ok());
  ExpectRefusal(Write({Put(TcpListener("b", "[::]:1"))}), absl::StatusCode::kFailedPrecondition, path_);
  std::filesystem::rename(path_ + "-moved", path_);
  ExpectRecovery();
  EXPECT_TRUE(Write({Put(TcpListener("c", "[::]:1"))}).ok());
  EXPECT_THAT(StopAndRead(), ElementsAre("listener/a", "listener/c"));
}

TEST_F(StoreWriterTest, AFullDiskIsSaidAndEnds) {
  OwnMounts::Run([&] {
    OwnMounts::Mount(path_, 1 << 20);
    Start();
    ASSERT_TRUE(Write({Put(TcpListener("a", "[::]:1"))}).ok());
    for (int times = 0; times < 3; ++times) {
      OwnMounts::Fill(path_, 0);
      ExpectRefusal(NextHealth(), absl::StatusCode::kResourceExhausted, "full");
      ExpectRefusal(Write({Put(TcpListener("b", "[::]:1"))}), absl::StatusCode::kResourceExhausted, "full");
      OwnMounts::Fill(path_, 700'000);
      ExpectRecovery();
    }
    EXPECT_TRUE(Write({Put(TcpListener("c", "[::]:1"))}).ok());
    EXPECT_THAT(StopAndRead(), ElementsAre("listener/a", "listener/c"));
  });
}

TEST_F(StoreWriterTest, AWriteThatFindsTheDiskFullIsRefused) {
  OwnMounts::Run([&] {
    OwnMounts::Mount(path_, 1 << 20);
    Start({.check_every = std::chrono::hours(1)});
    ASSERT_TRUE(Write({Put(TcpListener("a", "[::]:1"))}).ok());
    OwnMounts::Fill(path_, 0);
    // What finds room in the log succeeds, and is stored.
    std::vector<std::string> stored = {"listener/a"};
    absl::Status status;
    for (int i = 0; i < 100 && status.ok(); ++i) {
      const v1::Object object = TcpListener("b" + std::to_string(100 + i), "[::]:1");
      status = Write({Put(object)});
      if (status.ok()) stored.push_back(KeyOf(object).ToString());
    }
    ExpectRefusal(status, absl::StatusCode::kResourceExhausted, "full");
    ExpectRefusal(NextHealth(), absl::StatusCode::kResourceExhausted, "full");
    OwnMounts::Fill(path_, 700'000);
    EXPECT_EQ(StopAndRead(), stored);
  });
}

TEST_F(StoreWriterTest, AReadOnlyDiskIsSaidAndEnds) {
  OwnMounts::Run([&] {
    OwnMounts::Mount(path_, 1 << 20);
    Start();
    ASSERT_TRUE(Write({Put(TcpListener("a", "[::]:1"))}).ok());
    OwnMounts::SetReadOnly(path_, true);
    ExpectRefusal(NextHealth(), absl::StatusCode::kFailedPrecondition, "read-only");
    ExpectRefusal(Write({Put(TcpListener("b", "[::]:1"))}), absl::StatusCode::kFailedPrecondition, "read-only");
    OwnMounts::SetReadOnly(path_, false);
    ExpectRecovery();
    EXPECT_THAT(StopAndRead(), ElementsAre("listener/a"));
    EXPECT_THAT(contents_, IsEmpty()) << "memory was the truth";
  });
}

TEST_F(StoreWriterTest, AStartOnAReadOnlyDiskTakesItsContentOverLater) {
  OwnMounts::Run([&] {
    OwnMounts::Mount(path_, 1 << 20);
    Fill({TcpListener("a", "[::]:1")});
    OwnMounts::SetReadOnly(path_, true);
    Start();
    EXPECT_THAT(Names(), ElementsAre("listener/a")) << "the daemon runs with it";
    ExpectRefusal(Write({Put(TcpListener("b", "[::]:1"))}), absl::StatusCode::kFailedPrecondition, "read-only");
    OwnMounts::SetReadOnly(path_, false);
    ExpectRecovery();
    EXPECT_THAT(contents_, SizeIs(1));
    EXPECT_TRUE(Write({Put(TcpListener("c", "[::]:1"))}).ok());
    EXPECT_THAT(StopAndRead(), ElementsAre("listener/a", "listener/c"));
  });
}

TEST_F(StoreWriterTest, WhatCouldNotBeReadAtTheStartIsNotOverwritten) {
  Fill({TcpListener("a", "[::]:1")});
  std::filesystem::permissions(path_, std::filesystem::perms::all);
  Start();
  EXPECT_THAT(table_, IsEmpty());
  ExpectRefusal(Write({Put(TcpListener("b", "[::]:1"))}), absl::StatusCode::kFailedPrecondition, "chmod 700");
  std::filesystem::permissions(path_, std::filesystem::perms::owner_all);
  ExpectRecovery();
  ASSERT_THAT(contents_, SizeIs(1));
  EXPECT_THAT(NamesOf(contents_[0].objects), ElementsAre("listener/a"));
  EXPECT_THAT(StopAndRead(), ElementsAre("listener/a"));
}

TEST_F(StoreWriterTest, KeepsTheLogSmallAndACopy) {
  Start({.check_every = std::chrono::milliseconds(1), .copy_every = std::chrono::milliseconds(1), .max_log_bytes = 64 * 1024});
  const std::string before = ContentOf(File(kStoreCopy));
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(Write({Put(TcpListener("a", "[::]:" + std::to_string(i + 1)))}).ok());
    EXPECT_LT(std::filesystem::file_size(Database() + "-wal"), 100'000u);
  }
  EXPECT_THAT(StopAndRead(), ElementsAre("listener/a"));
  EXPECT_NE(ContentOf(File(kStoreCopy)), before);
  EXPECT_THAT(healths_, IsEmpty());
}

}  // namespace
}  // namespace culvert::server
