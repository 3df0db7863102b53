#include "server/options.h"

#include <gmock/gmock.h>

#include <cstdlib>

namespace culvert::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::variant<Options, ExitEarly> Parse(std::vector<const char*> arguments, Surroundings surroundings = {.is_root = true, .cpu_budget = 3}) {
  arguments.insert(arguments.begin(), "culvertd");
  return ParseOptions(static_cast<int>(arguments.size()), arguments.data(), surroundings);
}

TEST(OptionsTest, Defaults) {
  const Options options = std::get<Options>(Parse({}));
  EXPECT_EQ(options.control_path, "/run/culvertd/control.sock");
  EXPECT_EQ(options.workers, 3u);
  EXPECT_EQ(options.drain_timeout, std::chrono::seconds(10));
  EXPECT_EQ(options.log_format, LogFormat::kJson);
  EXPECT_EQ(std::get<Options>(Parse({}, {.has_terminal = true, .runtime_dir = "/run/user/7"})).log_format, LogFormat::kText);
  EXPECT_EQ(std::get<Options>(Parse({}, {.runtime_dir = "/run/user/7"})).control_path, "/run/user/7/culvertd/control.sock");
}

TEST(OptionsTest, TakesWhatIsGiven) {
  const Options options = std::get<Options>(Parse({"--config-dir", "/a", "--config-dir", "/b", "--control", "unix:/tmp/c.sock",
                                                   "--workers=2", "--drain-timeout", "1m30s", "--log-format", "text",
                                                   "--log-level", "debug", "--state-dir", "none"}));
  EXPECT_THAT(options.config_dirs, ElementsAre("/a", "/b"));
  EXPECT_EQ(options.control_path, "/tmp/c.sock");
  EXPECT_EQ(options.workers, 2u);
  EXPECT_EQ(options.drain_timeout, std::chrono::seconds(90));
  EXPECT_EQ(options.log_format, LogFormat::kText);
  EXPECT_EQ(options.log_level, LogLevel::kDebug);
  EXPECT_EQ(std::get<Options>(Parse({"--control", "unix:///tmp/c.sock"})).control_path, "/tmp/c.sock");
}

TEST(OptionsTest, StateGoesToTheSystemsFolderOrTheUsers) {
  const Options by_default = std::get<Options>(Parse({}, {.is_root = true, .state_home = "/home/u/.local/state"}));
  EXPECT_THAT(by_default.state_dirs, ElementsAre("/var/lib/culvertd", "/home/u/.local/state/culvertd"));
  EXPECT_FALSE(by_default.state_dir_is_given);
  EXPECT_THAT(std::get<Options>(Parse({})).state_dirs, ElementsAre("/var/lib/culvertd"));
  const Options given = std::get<Options>(Parse({"--state-dir", "/srv/culvert"}));
  EXPECT_THAT(given.state_dirs, ElementsAre("/srv/culvert"));
  EXPECT_TRUE(given.state_dir_is_given);
  EXPECT_TRUE(std::get<Options>(Parse({"--state-dir", "none"})).state_dirs.empty());
}

TEST(OptionsTest, FoldersOfCredentialsAreAbsoluteAndNotEverything) {
  EXPECT_TRUE(std::get<Options>(Parse({})).credentials_dirs.empty());
  EXPECT_THAT(std::get<Options>(Parse({"--credentials-dir", "/a/b", "--credentials-dir", "/c/"})).credentials_dirs, ElementsAre("/a/b", "/c/"));
  for (const char* folder : {"", "/", "//", "a", "./a", "/a/../b", "/a//b", "/a/.", "/a/.."}) {
    const auto parsed = Parse({"--credentials-dir", folder});
    ASSERT_TRUE(std::holds_alternative<ExitEarly>(parsed)) << folder;
    EXPECT_EQ(std::get<ExitEarly>(parsed).code, 2);
    EXPECT_THAT(std::get<ExitEarly>(parsed).text, HasSubstr("--credentials-dir")) << folder;
  }
}

TEST(OptionsTest, BadUsageIsExitStatus2AndNamesTheFlag) {
  const std::vector<std::pair<std::vector<const char*>, const char*>> cases = {
      {{"--control", "/tmp/c.sock"}, "--control"},  {{"--control", "unix:"}, "--control"},
      {{"--control", "tcp:1.2.3.4:5"}, "--control"}, {{"--workers", "0"}, "--workers"},
      {{"--workers", "many"}, "--workers"},          {{"--drain-timeout", "soon"}, "--drain-timeout"},
      {{"--drain-timeout", "2h"}, "--drain-timeout"}, {{"--log-format", "xml"}, "--log-format"},
      {{"--log-level", "loud"}, "--log-level"},      {{"--state-dir", "state"}, "--state-dir"},
      {{"--bogus"}, "--bogus"},                      {{"extra"}, "extra"}};
  for (const auto& [arguments, name] : cases) {
    const auto parsed = Parse(arguments);
    ASSERT_TRUE(std::holds_alternative<ExitEarly>(parsed)) << arguments[0];
    EXPECT_EQ(std::get<ExitEarly>(parsed).code, 2);
    EXPECT_THAT(std::get<ExitEarly>(parsed).text, HasSubstr(name));
  }
  EXPECT_THAT(std::get<ExitEarly>(Parse({}, {})).text, HasSubstr("XDG_RUNTIME_DIR"));
}

TEST(OptionsTest, HelpAndVersionGoToStandardOutput) {
  EXPECT_EQ(std::get<ExitEarly>(Parse({"--help"})).code, 0);
  EXPECT_THAT(std::get<ExitEarly>(Parse({"--help"})).text, HasSubstr("Examples:"));
  EXPECT_EQ(std::get<ExitEarly>(Parse({"--version"})).text, "culvertd " CULVERT_VERSION "\n");
}

TEST(OptionsTest, TheEnvironmentSpeaksWhereNoFlagDoes) {
  setenv("CULVERTD_WORKERS", "7", 1);
  setenv("CULVERTD_CONFIG_DIR", "/from/env", 1);
  setenv("CULVERTD_CREDENTIALS_DIR", "/creds", 1);
  EXPECT_EQ(std::get<Options>(Parse({})).workers, 7u);
  EXPECT_THAT(std::get<Options>(Parse({})).config_dirs, ElementsAre("/from/env"));
  EXPECT_THAT(std::get<Options>(Parse({})).credentials_dirs, ElementsAre("/creds"));
  EXPECT_EQ(std::get<Options>(Parse({"--workers", "2"})).workers, 2u);
  unsetenv("CULVERTD_WORKERS");
  unsetenv("CULVERTD_CONFIG_DIR");
  unsetenv("CULVERTD_CREDENTIALS_DIR");
}

}  // namespace
}  // namespace culvert::server
