// The state directory: who may own it, how files are replaced, and what is never read.
#include "server/state_dir.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/testing/temp_dir.h"

namespace culvert::server {
namespace {

using culvert::testing::TempDir;
using ::testing::HasSubstr;
using ::testing::Optional;

constexpr size_t kMost = 100;

class StateDirTest : public ::testing::Test {
 protected:
  std::unique_ptr<StateDir> Open() {
    auto opened = StateDir::Open(path_);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? *std::move(opened) : nullptr;
  }
  std::string File(const std::string& name) const { return path_ + "/" + name; }
  static mode_t ModeOf(const std::string& path) {
    struct stat info {};
    EXPECT_EQ(lstat(path.c_str(), &info), 0) << path;
    return info.st_mode & 07777;
  }

  TempDir folder_;
  const std::string path_ = folder_.File("a/b/state");
};

TEST_F(StateDirTest, IsMadeWithItsParentsAndClosedToOthers) {
  ASSERT_NE(Open(), nullptr);
  EXPECT_EQ(ModeOf(path_), 0700u);
  EXPECT_EQ(ModeOf(File("lock")), 0600u);
}

TEST_F(StateDirTest, KeepsWhatIsWritten) {
  {
    const auto state = Open();
    EXPECT_EQ(*state->Read("x", kMost), std::nullopt);
    EXPECT_TRUE(state->Write("x", AsBytes("first")).ok());
    EXPECT_TRUE(state->Write("x", AsBytes("second")).ok());
  }
  const auto state = Open();
  EXPECT_THAT(*state->Read("x", kMost), Optional(std::string("second")));
  EXPECT_EQ(ModeOf(File("x")), 0600u);
  EXPECT_FALSE(std::filesystem::exists(File("x.new")));
}

TEST_F(StateDirTest, IsForOneDaemonAtATime) {
  const auto state = Open();
  const auto second = StateDir::Open(path_);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAborted);
  EXPECT_THAT(second.status().message(), HasSubstr("in use by another culvertd"));
}

TEST_F(StateDirTest, AFolderThatLetsOthersInIsRefused) {
  Open();
  for (const mode_t mode : {0755u, 0750u, 0701u, 0720u, 0500u, 01700u}) {
    ASSERT_EQ(chmod(path_.c_str(), mode), 0);
    const auto opened = StateDir::Open(path_);
    EXPECT_EQ(opened.status().code(), absl::StatusCode::kFailedPrecondition) << mode;
    EXPECT_THAT(opened.status().message(), HasSubstr("chmod 700 " + path_)) << "what to do";
  }
}

TEST_F(StateDirTest, SomebodyElsesFolderIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a folder away";
  Open();
  ASSERT_EQ(chown(path_.c_str(), 65534, 65534), 0);
  const auto opened = StateDir::Open(path_);
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(opened.status().message(), HasSubstr("belongs to user 65534"));
}

TEST_F(StateDirTest, ALinkOrFileInItsPlaceIsRefused) {
  Open();
  const std::string link = folder_.File("link");
  ASSERT_EQ(symlink(path_.c_str(), link.c_str()), 0);
  for (const std::string& path : {link, link + "/"}) {
    const auto opened = StateDir::Open(path);
    EXPECT_EQ(opened.status().code(), absl::StatusCode::kFailedPrecondition) << path;
    EXPECT_THAT(opened.status().message(), HasSubstr("not a folder")) << path;
  }
  const std::string file = folder_.File("file");
  std::ofstream(file) << "x";
  EXPECT_EQ(StateDir::Open(file).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(StateDir::Open(file + "/below").ok());
}

TEST_F(StateDirTest, LinksPipesFoldersAndHugeFilesAreNotRead) {
  const auto state = Open();
  const std::string outside = folder_.File("outside");
  std::ofstream(outside) << "secret of somebody else";
  ASSERT_EQ(symlink(outside.c_str(), File("link").c_str()), 0);
  ASSERT_EQ(mkfifo(File("pipe").c_str(), 0600), 0);
  ASSERT_EQ(mkdir(File("folder").c_str(), 0700), 0);
  std::ofstream(File("huge")).put('x');
  ASSERT_EQ(truncate(File("huge").c_str(), off_t{1} << 30), 0);
  for (const char* name : {"link", "pipe", "folder", "huge"}) {
    const auto read = state->Read(name, kMost);
    EXPECT_EQ(read.status().code(), absl::StatusCode::kDataLoss) << name << ": " << read.status();
    EXPECT_THAT(read.status().message(), HasSubstr(File(name)));
  }
}

TEST_F(StateDirTest, WritingReplacesALinkAndNotWhatItPointsTo) {
  const auto state = Open();
  const std::string outside = folder_.File("outside");
  std::ofstream(outside) << "theirs";
  ASSERT_EQ(symlink(outside.c_str(), File("x").c_str()), 0);
  ASSERT_EQ(symlink(outside.c_str(), File("x.new").c_str()), 0);
  ASSERT_TRUE(state->Write("x", AsBytes("ours")).ok());
  EXPECT_EQ(std::filesystem::file_size(outside), 6u);
  EXPECT_THAT(*state->Read("x", kMost), Optional(std::string("ours")));
}

TEST_F(StateDirTest, AFailedWriteLeavesTheFileAsItWas) {
  const auto state = Open();
  ASSERT_TRUE(state->Write("x", AsBytes("first")).ok());
  ASSERT_EQ(mkdir(File("x.new").c_str(), 0700), 0);  // nothing can be written under that name
  EXPECT_FALSE(state->Write("x", AsBytes("second")).ok());
  EXPECT_THAT(*state->Read("x", kMost), Optional(std::string("first")));
}

TEST_F(StateDirTest, WhatACrashLeftIsNoHindrance) {
  const auto state = Open();
  std::ofstream(File("x.new")) << "half of it";
  EXPECT_TRUE(state->Write("x", AsBytes("whole")).ok());
  EXPECT_THAT(*state->Read("x", kMost), Optional(std::string("whole")));
}

TEST_F(StateDirTest, AFilesModeIsPutRight) {
  const auto state = Open();
  ASSERT_TRUE(state->Write("x", AsBytes("secret")).ok());
  ASSERT_EQ(chmod(File("x").c_str(), 0644), 0);
  EXPECT_THAT(*state->Read("x", kMost), Optional(std::string("secret")));
  EXPECT_EQ(ModeOf(File("x")), 0600u);
}

TEST_F(StateDirTest, DamagedFilesAreKeptUnderAnotherName) {
  const auto state = Open();
  for (const char* content : {"one", "two"}) {
    ASSERT_TRUE(state->Write("x", AsBytes(content)).ok());
    EXPECT_EQ(*state->SetAside("x"), "x.damaged");
    EXPECT_EQ(*state->Read("x", kMost), std::nullopt);
    EXPECT_THAT(*state->Read("x.damaged", kMost), Optional(std::string(content)));
  }
  EXPECT_FALSE(state->SetAside("x").ok());
}

}  // namespace
}  // namespace culvert::server
