// kill -9 at any instant: everything acknowledged is there, and no change by half. reliability.md F11, T62.
#include <gmock/gmock.h>
#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "tests/testing/process.h"
#include "tests/unit/server_store/numbered_changes.h"
#include "tests/unit/server_store/store_fixture.h"

namespace culvert::server {
namespace {

using testing::Process;
using testing::RunProgram;
using testing::RunResult;
using ::testing::AnyOf;

constexpr auto kLimit = std::chrono::seconds(120);  // for a machine with much else to do
const bool kIsFull = std::getenv("CULVERT_TEST_ALL") != nullptr;

class KillTest : public StoreTest {
 protected:
  // The highest number that was acknowledged; `before` when none was.
  static int AcknowledgedIn(const std::string& out, int before) {
    int last = before;
    std::istringstream lines(out);
    std::string line;
    while (std::getline(lines, line)) {
      if (line.starts_with("stored ")) last = std::atoi(line.c_str() + 7);
    }
    return last;
  }
  // Opens and checks. Returns the number that was found.
  int ExpectWhole(int acknowledged) {
    EXPECT_NE(Open(), nullptr);
    EXPECT_EQ(content_.fault, "");
    const int found = NumberOf(content_.objects);
    EXPECT_GE(found, acknowledged) << "-1: half a change";
    EXPECT_LE(found, acknowledged + 1);
    return found;
  }
};

TEST_F(KillTest, AtRandomInstants) {
  SeededRandom random(2026);
  const int times = kIsFull ? 200 : 50;
  int found = 0;
  for (int i = 0; i < times; ++i) {
    SCOPED_TRACE(i);
    auto killee = Process::Start({.arguments = {STORE_KILLEE, path_, "1000000"}});
    ASSERT_TRUE(killee.ok()) << killee.status();
    // The first instants are those of opening.
    const uint32_t wait_for = random.NextInRange(0, 12);
    if (wait_for > 0) {
      ASSERT_TRUE(killee->WaitForOutput("stored " + std::to_string(found + static_cast<int>(wait_for)) + "\n", kLimit))
          << killee->Stdout();
    }
    // Somewhere within the next few commits, without a clock: as many turns of a loop as chance says.
    volatile uint32_t turns = random.NextInRange(0, 20'000'000);
    while (turns > 0) turns = turns - 1;
    ASSERT_TRUE(killee->Stop(SIGKILL, kLimit).has_value());
    const int next = ExpectWhole(AcknowledgedIn(killee->Stdout(), found));
    ASSERT_FALSE(HasFailure()) << killee->Stdout();
    found = next;
  }
  EXPECT_GT(found, times);
}

// The same at every system call that touches the files, one by one, and every such call failing.
class StraceTest : public KillTest {
 protected:
  void SetUp() override {
    path_ = fast_.File("state");
    std::filesystem::create_directory(path_);
    std::filesystem::permissions(path_, std::filesystem::perms::owner_all);
    const RunResult probe = RunProgram({"strace", "-e", "inject=getpid:error=EIO:when=1", "true"}, kLimit);
    if (probe.exit_code != 0) {
      const std::string why = "strace cannot trace here: " + probe.err;
      if (IsRequired("CULVERT_REQUIRE_ROOT_TESTS")) FAIL() << why;
      GTEST_SKIP() << "SKIPPED: NO SYSTEM CALL WAS MADE TO FAIL, " << why;
    }
    // Where the killee starts each time: a copy, a log that is not empty.
    const RunResult made = RunProgram({STORE_KILLEE, path_, "7"}, kLimit);
    ASSERT_EQ(made.exit_code, 0) << made.out << made.err;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      template_[entry.path().filename()] = ContentOf(entry.path());
    }
    ASSERT_FALSE(template_.at("objects.db-wal").empty());
    CountCalls();
  }

  void MakeFolder() {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directory(path_);
    std::filesystem::permissions(path_, std::filesystem::perms::owner_all);
    for (const auto& [name, content] : template_) PutContent(File(name), content);
  }

  // The killee under strace. Only calls that are about our files count.
  RunResult RunTraced(const std::vector<std::string>& options) {
    std::vector<std::string> command = {"strace", "-f", "-q", "-y", "-o", fast_.File("trace")};
    for (const char* name : {"", "/objects.db", "/objects.db-wal", "/objects.db-journal", "/objects.db.new", "/objects.previous.db",
                             "/objects.previous.db.new"}) {
      command.insert(command.end(), {"-P", path_ + name});
    }
    command.insert(command.end(), options.begin(), options.end());
    command.insert(command.end(), {STORE_KILLEE, path_, "4"});
    return RunProgram(command, kLimit);
  }

  void CountCalls() {
    MakeFolder();
    const RunResult run = RunTraced({});
    ASSERT_EQ(run.exit_code, 0) << run.out << run.err;
    ASSERT_EQ(AcknowledgedIn(run.out, 0), 11);
    std::istringstream lines(ContentOf(fast_.File("trace")));
    std::string line;
    while (std::getline(lines, line)) {
      const size_t begin = line.find_first_not_of("0123456789 ");
      const size_t end = line.find('(');
      if (begin == std::string::npos || end == std::string::npos || begin >= end) continue;
      const int number = ++calls_[line.substr(begin, end - begin)];
      // Of the copy nothing depends, and of a folder's name only when it is new.
      const bool is_of_store = line.find("/objects.db>") != std::string::npos || line.find("/objects.db-wal>") != std::string::npos;
      if (line.compare(begin, end - begin, "fdatasync") == 0 && is_of_store) flushes_.insert(number);
    }
    ASSERT_GE(flushes_.size(), 6u) << "two openings' and four commits'";
    for (const char* name : {"openat", "pwrite64", "fdatasync", "fsync", "rename", "ftruncate"}) {
      ASSERT_GE(calls_[name], 1) << name << " is not seen: what do the names stand for here?";
    }
  }

  // Every call in a full run, else so many of each kind, spread evenly.
  std::vector<int> Instants(int count) const {
    std::vector<int> instants;
    const int step = kIsFull ? 1 : std::max(1, count / 6);
    for (int when = 1; when <= count; when += step) instants.push_back(when);
    return instants;
  }

  const testing::TempDir fast_{FastBase()};
  std::map<std::string, std::string> template_;
  std::map<std::string, int> calls_;
  std::set<int> flushes_;  // which calls of fdatasync are about the store itself
};

TEST_F(StraceTest, KilledBeforeEveryCall) {
  int runs = 0;
  for (const auto& [name, count] : calls_) {
    for (const int when : Instants(count)) {
      SCOPED_TRACE(name + " number " + std::to_string(when));
      MakeFolder();
      const RunResult run = RunTraced({"-e", "inject=" + name + ":signal=KILL:when=" + std::to_string(when)});
      ASSERT_NE(run.exit_code, 0) << run.out;
      ExpectWhole(AcknowledgedIn(run.out, 7));
      ASSERT_FALSE(HasFailure()) << run.out << run.err;
      ++runs;
    }
  }
  RecordProperty("runs", runs);
}

TEST_F(StraceTest, EveryCallFails) {
  int runs = 0;
  int reported = 0;
  for (const auto& [name, count] : calls_) {
    if (name == "close" || name == "munmap") continue;  // nothing can be done about these, and nothing is
    for (const char* error : {"EIO", "ENOSPC", "EROFS"}) {
      for (const int when : Instants(count)) {
        SCOPED_TRACE(name + " number " + std::to_string(when) + " " + error);
        MakeFolder();
        const RunResult run = RunTraced({"-e", "inject=" + name + ":error=" + error + ":when=" + std::to_string(when)});
        EXPECT_THAT(run.exit_code, AnyOf(0, 2, 3)) << run.err;
        // What is said to be on the disk was not refused by it.
        if (name == "fdatasync" && flushes_.contains(when)) {
          EXPECT_NE(run.exit_code, 0) << run.out;
        }
        ExpectWhole(AcknowledgedIn(run.out, 7));
        ASSERT_FALSE(HasFailure()) << run.out << run.err;
        ++runs;
        if (run.exit_code != 0) ++reported;
      }
    }
  }
  RecordProperty("runs", runs);
  RecordProperty("reported", reported);
}

}  // namespace
}  // namespace culvert::server
