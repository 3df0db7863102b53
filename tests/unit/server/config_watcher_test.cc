// Configuration folders that change: real files, real notifications; nothing here waits but for what it expects.
#include "server/config_watcher.h"

#include <gmock/gmock.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <future>
#include <atomic>
#include <filesystem>
#include <mutex>

#include "tests/testing/temp_dir.h"

namespace culvert::server {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string ListenerText(const std::string& name) {
  return "apiVersion: culvert/v1\nkind: Listener\nmetadata: {name: " + name + "}\nspec: {bind: \"127.0.0.1:0\", transport: TCP}\n";
}

class ConfigWatcherTest : public ::testing::Test {
 protected:
  void Start(Duration look_interval = std::chrono::hours(1)) {
    ConfigWatcher::Options options;
    options.folders = {folder_.path()};
    options.quiet_time = std::chrono::milliseconds(20);
    options.look_interval = look_interval;
    auto started = ConfigWatcher::Start(options, ConfigWatcher::StampOf(options.folders), [this](ConfigFiles files, const std::function<void(bool)>& accepted) {
      accepted(accepts_);
      const std::lock_guard lock(mutex_);
      seen_.push_back(std::move(files));
      changed_.notify_all();
    });
    ASSERT_TRUE(started.ok()) << started.status();
    watcher_ = *std::move(started);
  }
  // The next one that is as wanted: who writes may be interrupted, and then what was there in between is told too.
  ConfigFiles NextWith(size_t objects, size_t faults) {
    ConfigFiles files = Next();
    while (files.objects.size() != objects || files.faults.size() != faults) files = Next();
    return files;
  }
  ConfigFiles Next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !seen_.empty(); });
    ConfigFiles files = std::move(seen_.front());
    seen_.pop_front();
    return files;
  }

  culvert::testing::TempDir folder_;
  std::atomic<bool> accepts_{true};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<ConfigFiles> seen_;  // guarded by mutex_
  std::unique_ptr<ConfigWatcher> watcher_;
};

TEST_F(ConfigWatcherTest, TellsOfAFileThatIsWritten) {
  folder_.Write("a.yaml", ListenerText("a"));
  Start();
  folder_.Write("b.yaml", ListenerText("b"));
  const ConfigFiles files = NextWith(2, 0);
  EXPECT_EQ(files.objects[1].object.listener().metadata().name(), "b");
}

TEST_F(ConfigWatcherTest, TellsOfALinkThatIsPutInAnothersPlace) {
  // As a mounted ConfigMap changes.
  namespace fs = std::filesystem;
  const fs::path root = folder_.path();
  fs::create_directory(root / "..1");
  folder_.Write("..1/a.yaml", ListenerText("first"));
  fs::create_symlink("..1", root / "..data");
  fs::create_symlink("..data/a.yaml", root / "a.yaml");
  Start();
  fs::create_directory(root / "..2");
  folder_.Write("..2/a.yaml", ListenerText("second"));
  fs::create_symlink("..2", root / "..data_tmp");
  fs::rename(root / "..data_tmp", root / "..data");
  fs::remove_all(root / "..1");
  ConfigFiles files = NextWith(1, 0);
  while (files.objects[0].object.listener().metadata().name() != "second") files = NextWith(1, 0);
}

TEST_F(ConfigWatcherTest, TellsWhatIsWrongWithFileAndLine) {
  Start();
  folder_.Write("a.yaml", ListenerText("a") + "nonsense: 1\n");
  const ConfigFiles files = NextWith(0, 1);
  EXPECT_THAT(files.faults[0], HasSubstr("a.yaml:5"));
  EXPECT_THAT(files.objects, IsEmpty());
  EXPECT_EQ(files.digest, "");
}

TEST_F(ConfigWatcherTest, WhatWasRefusedIsTriedAgain) {
  accepts_ = false;
  Start(std::chrono::milliseconds(10));
  folder_.Write("a.yaml", ListenerText("a"));
  const ConfigFiles first = NextWith(1, 0);
  EXPECT_EQ(Next().content, first.content);
  EXPECT_EQ(Next().content, first.content);
}

TEST_F(ConfigWatcherTest, LooksWhenItIsToldTo) {
  Start();
  watcher_->LookNow();
  EXPECT_THAT(Next().objects, IsEmpty());
}

TEST_F(ConfigWatcherTest, AFolderThatIsPutInAnothersPlaceIsFound) {
  const std::string folder = folder_.File("config");
  std::filesystem::create_directory(folder);
  ConfigWatcher::Options options;
  options.folders = {folder};
  options.quiet_time = std::chrono::milliseconds(5);
  options.look_interval = std::chrono::milliseconds(10);
  std::promise<size_t> seen;
  std::atomic<bool> is_told{false};
  auto watcher = ConfigWatcher::Start(options, ConfigWatcher::StampOf(options.folders), [&](const ConfigFiles& files, const std::function<void(bool)>& accepted) {
    accepted(true);
    if (!files.objects.empty() && !is_told.exchange(true)) seen.set_value(files.objects.size());
  });
  ASSERT_TRUE(watcher.ok());
  std::filesystem::create_directory(folder_.File("new"));
  folder_.Write("new/a.yaml", ListenerText("a"));
  std::filesystem::rename(folder, folder_.File("old"));
  std::filesystem::rename(folder_.File("new"), folder);
  EXPECT_EQ(seen.get_future().get(), 1u);
  watcher->reset();
}

TEST(ConfigFilesTest, TheDigestIsOfDeclarationsNotOfFilesAndTellsNoSecret) {
  const auto with = [](const std::string& seed) {
    return "apiVersion: culvert/v1\nkind: Listener\nmetadata: {name: w}\nspec: {bind: \"127.0.0.1:0\", transport: KCP, kcp: {seed: \"" + seed + "\"}}\n";
  };
  culvert::testing::TempDir one, other, third;
  one.Write("a.yaml", ListenerText("a"));
  one.Write("b.yaml", with("one"));
  other.Write("all.yaml", with("another") + "---\n" + ListenerText("a"));
  third.Write("a.yaml", ListenerText("b"));
  const ConfigFiles first = ReadConfigFiles({one.path()}), second = ReadConfigFiles({other.path()}), last = ReadConfigFiles({third.path()});
  EXPECT_THAT(first.digest, HasSubstr("sha256/"));
  EXPECT_EQ(first.digest, second.digest);
  EXPECT_NE(first.content, second.content);
  EXPECT_NE(first.digest, last.digest);
}

}  // namespace
}  // namespace culvert::server
