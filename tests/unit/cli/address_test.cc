#include "cli/target/address.h"

#include <map>

#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "tests/unit/cli/fake_daemon.h"

namespace culvert::cli {
namespace {

std::string Defaults(std::map<std::string, std::string> variables, uint32_t user) {
  Environment environment;
  environment.user_id = user;
  environment.get = [&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional<std::string>(found->second);
  };
  return absl::StrJoin(DefaultSocketPaths(environment), " ");
}

std::string Parsed(const std::string& text) {
  const auto address = ParseAddress(text, "--address");
  if (!address.ok()) return std::string(address.status().message());
  return address->socket_path.empty() ? address->host_port : address->socket_path;
}

TEST(DefaultSocketPaths, BeginWithOnesOwn) {
  EXPECT_EQ(Defaults({}, 0), "/run/culvertd/control.sock");
  EXPECT_EQ(Defaults({{"XDG_RUNTIME_DIR", "/run/user/0"}}, 0), "/run/culvertd/control.sock /run/user/0/culvertd/control.sock");
  EXPECT_EQ(Defaults({{"XDG_RUNTIME_DIR", "/run/user/1000"}}, 1000),
            "/run/user/1000/culvertd/control.sock /run/culvertd/control.sock");
}

TEST(ParseAddress, KnowsSocketsAndHosts) {
  EXPECT_EQ(Parsed("unix:/a"), "/a");
  EXPECT_EQ(Parsed("unix:///a"), "/a");
  EXPECT_EQ(Parsed("localhost:7443"), "localhost:7443");
  EXPECT_EQ(Parsed("[::1]:7443"), "[::1]:7443");
}

TEST(ParseAddress, SaysWhatIsWrong) {
  EXPECT_EQ(Parsed("x"), "--address: \"x\" is neither unix:PATH nor HOST:PORT");
  EXPECT_EQ(Parsed("host:99999"), "--address: \"host:99999\" is neither unix:PATH nor HOST:PORT");
  EXPECT_EQ(Parsed("/run/c.sock"), "--address: \"/run/c.sock\" is a path: write unix:/run/c.sock");
  EXPECT_EQ(Parsed("unix:"), "--address: unix: needs a path");
  EXPECT_EQ(Parsed("unix:/" + std::string(200, 'a')), "--address: a socket path has at most 107 bytes, this one 201");
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
