// The two programs as such: how they start, stop, and answer to flags; what they leave on the disk.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include "absl/strings/str_format.h"
#include "tests/e2e/tunnel_pair.h"

namespace culvert::testing {
namespace {

using std::chrono::seconds;

mode_t ModeOf(const std::string& path) {
  struct stat about {};
  return stat(path.c_str(), &about) == 0 ? about.st_mode & 07777 : 0;
}

bool Exists(const std::string& path) {
  struct stat about {};
  return stat(path.c_str(), &about) == 0;
}

TEST(Programs, SayTheirVersion) {
  const RunResult daemon = RunProgram({CulvertdBinary(), "--version"}, seconds(10));
  EXPECT_EQ(daemon.exit_code, 0) << daemon.err;
  EXPECT_NE(daemon.out.find("culvertd"), std::string::npos) << daemon.out;
  auto running = Daemon::Start();
  ASSERT_TRUE(running.ok()) << running.status();
  const RunResult both = (*running)->Ctl({"version"});
  EXPECT_EQ(both.exit_code, 0) << both.err;
  EXPECT_NE(both.out.find("client"), std::string::npos) << both.out;
  EXPECT_NE(both.out.find("server"), std::string::npos) << both.out;
}

TEST(Programs, EveryFlagIsExplained) {
  const RunResult daemon = RunProgram({CulvertdBinary(), "--help"}, seconds(10));
  EXPECT_EQ(daemon.exit_code, 0);
  for (const char* flag :
       {"--config-dir", "--credentials-dir", "--control", "--state-dir", "--workers", "--log-format", "--log-level", "--version"}) {
    EXPECT_NE(daemon.out.find(flag), std::string::npos) << flag;
  }
  const RunResult client = RunProgram({CulvertctlBinary(), "--help"}, seconds(10));
  EXPECT_EQ(client.exit_code, 0);
  for (const char* verb : {"apply", "get", "delete", "dial", "top", "status", "export", "version"}) {
    EXPECT_NE(client.out.find(verb), std::string::npos) << verb;
  }
}

TEST(Programs, UnknownFlagsAreUsageErrors) {
  const RunResult daemon = RunProgram({CulvertdBinary(), "--no-such-flag"}, seconds(10));
  EXPECT_EQ(daemon.exit_code, 2) << daemon.err;
  EXPECT_NE(daemon.err.find("no-such-flag"), std::string::npos) << daemon.err;
  const RunResult client = RunProgram({CulvertctlBinary(), "aply"}, seconds(10));
  EXPECT_EQ(client.exit_code, 2);
  EXPECT_NE(client.err.find("apply"), std::string::npos) << "no suggestion: " << client.err;
}

TEST(Programs, TheDaemonStopsInOrderOnSigtermAndSigint) {
  for (const int signal : {SIGTERM, SIGINT}) {
    auto daemon = Daemon::Start();
    ASSERT_TRUE(daemon.ok()) << daemon.status();
    const auto status = (*daemon)->process().Stop(signal, seconds(10));
    ASSERT_TRUE(status) << "did not stop on signal " << signal;
    EXPECT_EQ(status->code, 0) << (*daemon)->Log();
    EXPECT_FALSE(Exists((*daemon)->control_socket())) << "the socket was left behind";
  }
}

TEST(Programs, TheControlSocketIsForItsOwnerAndGroup) {
  auto daemon = Daemon::Start();
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  const std::string& path = (*daemon)->control_socket();
  EXPECT_EQ(ModeOf(path), 0660u);
  EXPECT_EQ(ModeOf(path.substr(0, path.rfind('/'))), 0750u);
}

TEST(Programs, AStaleControlSocketIsReplacedAndALiveOneIsNot) {
  TempDir directory;
  const std::string path = directory.File("run/control.sock");
  {
    auto killed = Daemon::Start({.control_socket = path});
    ASSERT_TRUE(killed.ok()) << killed.status();
    ASSERT_TRUE((*killed)->process().Stop(SIGKILL, seconds(5)));
  }
  ASSERT_TRUE(Exists(path));
  auto daemon = Daemon::Start({.control_socket = path});
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  const RunResult second =
      RunProgram({CulvertdBinary(), "--control", "unix:" + path, "--state-dir", "none"}, seconds(10));
  EXPECT_GT(second.exit_code, 0);
  EXPECT_NE(second.err.find(path), std::string::npos) << second.err;
  EXPECT_EQ((*daemon)->Ctl({"status"}).exit_code, 0) << "the first one must not notice";
}

TEST(Programs, WithoutADaemonTheClientSaysWhatToDo) {
  TempDir directory;
  const RunResult result = RunProgram(
      {CulvertctlBinary(), "--address", "unix:" + directory.File("nobody.sock"), "get", "listeners"}, seconds(20));
  EXPECT_EQ(result.exit_code, 5) << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_NE(result.err.find("nobody.sock"), std::string::npos) << result.err;
}

TEST(Programs, OpenNoPortByThemselves) {
  auto daemon = Daemon::Start();
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  const RunResult sockets = RunProgram({"ss", "-H", "-l", "-n", "-t", "-u", "-p"}, seconds(10));
  if (sockets.exit_code != 0) GTEST_SKIP() << "SKIPPED: no ss here";
  const std::string mark = absl::StrFormat("pid=%d,", (*daemon)->process().pid());
  EXPECT_EQ(sockets.out.find(mark), std::string::npos) << sockets.out;
}

TEST(Programs, HonourTheNumberOfWorkers) {
  auto daemon = Daemon::Start({.flags = {"--workers", "3"}});
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  const std::string status = (*daemon)->Ctl({"status", "-o", "json"}).out;
  const auto workers = FindAll(status, "workers");
  ASSERT_FALSE(workers.empty()) << status;
  EXPECT_EQ(workers.at(0).size(), 3u) << status;
}

TEST(Programs, LogJsonWhenAsked) {
  auto daemon = Daemon::Start({.log_format = "json"});
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  ASSERT_TRUE((*daemon)->Stop());
  const std::string log = (*daemon)->Log();
  ASSERT_FALSE(log.empty());
  size_t lines = 0;
  for (size_t at = 0; at < log.size(); at = log.find('\n', at) + 1, ++lines) {
    const std::string line = log.substr(at, log.find('\n', at) - at);
    EXPECT_FALSE(nlohmann::json::parse(line, nullptr, false).is_discarded()) << line;
    if (log.find('\n', at) == std::string::npos) break;
  }
  EXPECT_GT(lines, 0u);
}

}  // namespace
}  // namespace culvert::testing
