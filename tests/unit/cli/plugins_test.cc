// Verbs of others, and the manual.
#include <sys/stat.h>

#include "cli/help/man.h"
#include "gmock/gmock.h"
#include "tests/unit/cli/surroundings.h"

namespace culvert::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Plugins : public ::testing::Test {
 protected:
  Plugins() {
    for (const char* folder : {"a", "b"}) ::mkdir(around_.home.File(folder).c_str(), 0755);
    around_.variables["PATH"] = around_.home.File("a") + "::relative:" + around_.home.File("nothing") + ":" + around_.home.File("b");
  }
  std::string Put(const std::string& name, int mode = 0755) const { return around_.home.Write(name, "#!/bin/sh\n", mode); }
  // Runs with a replace_program that remembers.
  Answer Run(std::vector<std::string> arguments) {
    Environment environment = around_.environment();
    environment.replace_program = [this](const std::string& path, const std::vector<std::string>& words) {
      path_ = path;
      words_ = words;
      return ENOEXEC;
    };
    std::ostringstream out, err;
    std::istringstream in;
    Streams streams{out, err, in};
    const ExitCode code = RunCulvertctl(std::move(arguments), streams, environment);
    return {static_cast<int>(code), out.str(), err.str()};
  }
  Surroundings around_;
  std::string path_;
  std::vector<std::string> words_;
};

TEST_F(Plugins, AreRunWithWhatFollows) {
  const std::string path = Put("b/culvertctl-hello");
  const Answer answer = Run({"hello", "--loud", "-o", "x", "get"});
  EXPECT_EQ(path_, path);
  EXPECT_THAT(words_, ElementsAre(path, "--loud", "-o", "x", "get"));
  // It only comes back when it could not be run.
  EXPECT_EQ(answer.err, "error: " + path + ": Exec format error\n");
  EXPECT_EQ(answer.code, 8);
}

TEST_F(Plugins, TheFirstOnPathThatCanBeRunIs) {
  Put("a/culvertctl-hello", 0644);
  const std::string path = Put("b/culvertctl-hello");
  Run({"hello"});
  EXPECT_EQ(path_, path);
}

TEST_F(Plugins, NeverStandInForOurVerbs) {
  Put("a/culvertctl-version");
  EXPECT_EQ(Run({"version", "--client"}).code, 0);
  EXPECT_EQ(path_, "");
}

TEST_F(Plugins, WordsThatAreNoNamesAreUnknownCommands) {
  Put("a/culvertctl-hello");
  for (const char* word : {"../a/culvertctl-hello", "helo", "hello/", "--hello", ""}) {
    EXPECT_EQ(Run({word}).code, 2) << word;
    EXPECT_EQ(path_, "") << word;
  }
}

TEST_F(Plugins, AreListedWithWhatKeepsThemFromRunning) {
  Put("a/culvertctl-hello");
  Put("a/culvertctl-get");
  Put("a/culvertctl-still", 0644);
  Put("b/culvertctl-hello");
  const Answer answer = Run({"plugin", "list"});
  const std::string a = around_.home.File("a"), b = around_.home.File("b");
  EXPECT_THAT(answer.out, ::testing::ContainsRegex("get +" + a + "/culvertctl-get +never run: culvertctl has a verb of that name\n"));
  EXPECT_THAT(answer.out, ::testing::ContainsRegex("hello +" + a + "/culvertctl-hello +-\n"));
  EXPECT_THAT(answer.out, ::testing::ContainsRegex("still +" + a + "/culvertctl-still +not executable: chmod .x\n"));
  EXPECT_THAT(answer.out, HasSubstr("never run: " + a + "/culvertctl-hello stands earlier on PATH\n"));
  EXPECT_EQ(Run({"plugin", "list", "-o", "name"}).out, "plugin/get\nplugin/hello\nplugin/still\nplugin/hello\n");
  around_.variables["PATH"] = "";
  EXPECT_EQ(Run({"plugin", "list"}).err, "no culvertctl-* on PATH\n");
  EXPECT_EQ(Run({"plugin", "lst"}).code, 2);
}

TEST(Version, WarnsOfOthersThatDiffer) {
  FakeDaemon daemon;
  const Answer other = daemon.Run({"version"});
  EXPECT_THAT(other.err, ::testing::StartsWith("warning: culvertctl is "));
  EXPECT_THAT(other.err, HasSubstr(" and culvertd 9.9.9: "));
  EXPECT_EQ(other.code, 0);
  EXPECT_THAT(daemon.Run({"version", "-o", "json"}).out, HasSubstr("\"skew\": true"));
  const std::string client = daemon.Run({"version", "--client"}).out;
  std::string ours = client.substr(7, client.find('\n') - 7);
  daemon.daemon.set_version(ours);
  EXPECT_EQ(daemon.Run({"version"}).err, "");
  daemon.daemon.set_version(ours + "1");  // another patch
  EXPECT_EQ(daemon.Run({"version"}).err, "");
}

TEST(Man, APageForEveryVerbWithEveryFlag) {
  CLI::App root("Does things. And others.", "culvertctl");
  root.add_option("--address", "which daemon");
  CLI::App* verb = root.add_subcommand("get", "Gets.");
  std::string text;
  verb->add_option("-f,--file", text, "a 'file' of \\ .things");
  verb->add_option("what", text, "KIND");
  CLI::App* sub = verb->add_subcommand("deep", "Deeper.");
  bool down = false;
  sub->add_flag("--down", down, "further");
  const std::vector<ManPage> pages = ManPages(root, "1.2.3");
  ASSERT_EQ(pages.size(), 2u);
  EXPECT_EQ(pages[0].name, "culvertctl.1");
  EXPECT_THAT(pages[0].text, HasSubstr("culvertctl \\- Does things\n"));
  EXPECT_THAT(pages[0].text, HasSubstr("\\fB\\-\\-address\\fR"));
  EXPECT_THAT(pages[0].text, HasSubstr(".BR culvertctl\\-get (1)\nGets.\n"));
  EXPECT_EQ(pages[1].name, "culvertctl-get.1");
  EXPECT_THAT(pages[1].text, HasSubstr("\\fB\\-f\\fR, \\fB\\-\\-file\\fR \\fIVALUE\\fR\na \\(aqfile\\(aq of \\e .things\n"));
  EXPECT_THAT(pages[1].text, HasSubstr(".SS deep\n"));
  EXPECT_THAT(pages[1].text, HasSubstr("\\fB\\-\\-down\\fR\nfurther\n"));
}

}  // namespace
}  // namespace culvert::cli
