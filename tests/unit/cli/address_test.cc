#include "cli/address.h"

#include <map>

#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "tests/unit/cli/fake_daemon.h"

namespace culvert::cli {
namespace {

std::string Paths(const std::string& flag, std::map<std::string, std::string> variables, uint32_t user) {
  Globals globals;
  globals.address = flag;
  Environment environment;
  environment.user_id = user;
  environment.get = [&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional<std::string>(found->second);
  };
  const auto paths = SocketPaths(globals, environment);
  return paths.ok() ? absl::StrJoin(*paths, " ") : std::string(paths.status().message());
}

TEST(SocketPaths, FlagThenVariableThenDefaults) {
  EXPECT_EQ(Paths("unix:/a", {{"CULVERTCTL_ADDRESS", "unix:/b"}}, 0), "/a");
  EXPECT_EQ(Paths("unix:///a", {}, 0), "/a");
  EXPECT_EQ(Paths("", {{"CULVERTCTL_ADDRESS", "unix:/b"}}, 0), "/b");
  EXPECT_EQ(Paths("", {}, 0), "/run/culvertd/control.sock");
  EXPECT_EQ(Paths("", {{"XDG_RUNTIME_DIR", "/run/user/0"}}, 0),
            "/run/culvertd/control.sock /run/user/0/culvertd/control.sock");
  EXPECT_EQ(Paths("", {{"XDG_RUNTIME_DIR", "/run/user/1000"}}, 1000),
            "/run/user/1000/culvertd/control.sock /run/culvertd/control.sock");
}

TEST(SocketPaths, RefusesOtherAddresses) {
  EXPECT_EQ(Paths("localhost:7443", {}, 0),
            "--address: \"localhost:7443\" is not unix:PATH, the only address culvertd serves");
  EXPECT_EQ(Paths("", {{"CULVERTCTL_ADDRESS", "x"}}, 0),
            "CULVERTCTL_ADDRESS: \"x\" is not unix:PATH, the only address culvertd serves");
  EXPECT_EQ(Paths("unix:", {}, 0), "--address: unix: needs a path");
  EXPECT_EQ(Paths("unix:/" + std::string(200, 'a'), {}, 0),
            "--address: a socket path has at most 107 bytes, this one 201");
}

TEST(WaitForSocket, TakesTheFirstThatAnswers) {
  FakeDaemon daemon;
  const auto path = WaitForSocket({"/nonexistent/a.sock", daemon.socket()}, Duration::zero());
  ASSERT_TRUE(path.ok()) << path.status();
  EXPECT_EQ(*path, daemon.socket());
}

TEST(WaitForSocket, NamesWhatItTried) {
  const auto path = WaitForSocket({"/nonexistent/a.sock"}, std::chrono::milliseconds(60));
  EXPECT_TRUE(absl::IsUnavailable(path.status()));
  EXPECT_EQ(std::string(path.status().message()), "unix:/nonexistent/a.sock: No such file or directory");
}

}  // namespace
}  // namespace culvert::cli
