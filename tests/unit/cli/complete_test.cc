// What half-typed command lines can go on with. The scripts that ask are tested in their shells (tests/e2e/completion_test.cc).
#include "cli/help/complete.h"

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "tests/unit/cli/surroundings.h"

namespace culvert::cli {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;

// The words without their descriptions, and last the directive.
std::vector<std::string> Complete(const Surroundings& around, std::vector<std::string> words) {
  words.insert(words.begin(), {"__complete", "--"});
  const Answer answer = around.Run(words);
  EXPECT_EQ(answer.code, 0);
  EXPECT_EQ(answer.err, "");
  std::vector<std::string> lines = absl::StrSplit(answer.out, '\n', absl::SkipEmpty());
  for (std::string& line : lines) line = line.substr(0, line.find('\t'));
  return lines;
}
std::vector<std::string> Complete(std::vector<std::string> words) { return Complete(Surroundings(), std::move(words)); }

TEST(Complete, Verbs) {
  EXPECT_THAT(Complete({""}), IsSupersetOf({"get", "apply", "config", "completion", ":"}));
  EXPECT_THAT(Complete({"ex"}), ElementsAre("explain", "export", ":"));
  EXPECT_THAT(Complete({"config", "get"}), ElementsAre("get-contexts", ":"));
  EXPECT_THAT(Complete({"-v", "--request-timeout", "1s", "stat"}), ElementsAre("status", ":"));
  EXPECT_THAT(Surroundings().Run({"__complete", "--", "stat"}).out, HasSubstr("status\t"));
  EXPECT_THAT(Complete({}), Contains("get"));
}

TEST(Complete, FlagsOfTheVerbAndGlobalOnesThatItTakes) {
  EXPECT_THAT(Complete({"version", "--cl"}), ElementsAre("--client", ":"));
  EXPECT_THAT(Complete({"version", "--"}), AllOf(Contains("--context"), Not(Contains("--filter")), Not(Contains("--dry-run"))));
  EXPECT_THAT(Complete({"apply", "--dry"}), ElementsAre("--dry-run", ":"));
  EXPECT_THAT(Complete({"config", "set-context", "--prot"}), ElementsAre("--protected", ":"));
  EXPECT_THAT(Complete({"get", "--", "--"}), ElementsAre(":"));
}

TEST(Complete, ValuesOfFlags) {
  EXPECT_THAT(Complete({"version", "-o", ""}), ElementsAre("json", ":"));
  EXPECT_THAT(Complete({"get", "lsn", "--output", "w"}), ElementsAre("wide", ":"));
  EXPECT_THAT(Complete({"version", "--output=j"}), ElementsAre("--output=json", ":"));
  EXPECT_THAT(Complete({"--color", "a"}), ElementsAre("auto", "always", ":"));
  EXPECT_THAT(Complete({"--color=n"}), ElementsAre("--color=never", ":"));
  EXPECT_THAT(Complete({"apply", "--dry-run=l"}), ElementsAre("--dry-run=local", ":"));
  EXPECT_THAT(Complete({"--address", ""}), ElementsAre("unix:", ":nospace"));
  EXPECT_THAT(Complete({"--address", "unix:/ru"}), ElementsAre(":files"));
  EXPECT_THAT(Complete({"apply", "-f", ""}), ElementsAre(":files"));
  EXPECT_THAT(Complete({"--key-file", ""}), ElementsAre(":files"));
  EXPECT_THAT(Complete({"convert", "v2ray", ""}), ElementsAre(":files"));
}

TEST(Complete, Kinds) {
  EXPECT_THAT(Complete({"get", ""}),
              ElementsAre("listeners", "dialers", "forwards", "sessions", "streams", "udpflows", "events", "all", ":"));
  EXPECT_THAT(Complete({"get", "s"}), ElementsAre("sessions", "streams", ":"));
  EXPECT_THAT(Complete({"close", ""}), ElementsAre("sessions", "streams", "udpflows", ":"));
  EXPECT_THAT(Complete({"auth", "can-i", "del"}), ElementsAre("delete", ":"));
  EXPECT_THAT(Complete({"auth", "can-i", "delete", "lis"}), ElementsAre("listeners", ":"));
  EXPECT_THAT(Complete({"call", "ListenerService/G"}), ElementsAre("ListenerService/GetListener", ":"));
  EXPECT_THAT(Complete({"completion", ""}), ElementsAre("bash", "zsh", "fish", ":"));
}

TEST(Complete, FieldsOfExplain) {
  EXPECT_THAT(Complete({"explain", "dia"}), ElementsAre("dialer.", ":nospace"));
  EXPECT_THAT(Complete({"explain", "dialer.s"}), ElementsAre("dialer.spec.", "dialer.status.", ":nospace"));
  EXPECT_THAT(Complete({"explain", "dialer.spec.kcp.tick"}), ElementsAre("dialer.spec.kcp.tick_interval", ":"));
  EXPECT_THAT(Complete({"explain", "dialer.spec.nothing.x"}), ElementsAre(":"));
  EXPECT_THAT(Complete({"explain", "nothing.x"}), ElementsAre(":"));
}

TEST(Complete, NamesOfContexts) {
  const Surroundings around;
  around.Contexts("contexts:\n- {name: local, address: unix:/a}\n- {name: prod, address: \"b:1\"}\n");
  EXPECT_THAT(Complete(around, {"--context", ""}), ElementsAre("local", "prod", ":"));
  EXPECT_THAT(Complete(around, {"config", "use-context", "p"}), ElementsAre("prod", ":"));
  EXPECT_THAT(Complete(around, {"--context=l"}), ElementsAre("--context=local", ":"));
  around.Contexts("contexts:\n- {name: local, address: unix:/a}\n", 0666);
  EXPECT_THAT(Complete(around, {"--context", ""}), ElementsAre(":"));
}

class CompleteLive : public ::testing::Test {
 protected:
  CompleteLive() {
    for (const char* name : {"local-pg", "local-web", "quic-in"}) daemon_.listeners.emplace_back().mutable_metadata()->set_name(name);
    daemon_.dialers.emplace_back().mutable_metadata()->set_name("edge");
    daemon_.streams.emplace_back().set_name("sessions/k3f9q2/streams/4");
  }
  std::vector<std::string> Here(std::vector<std::string> words) {
    words.insert(words.begin(), {"--address", "unix:" + daemon_.socket()});
    return Complete(std::move(words));
  }
  FakeDaemon daemon_;
};

// The fake gives two a page, whatever is asked for: more than a page is not waited for.
TEST_F(CompleteLive, NamesOfObjects) {
  EXPECT_THAT(Here({"get", "listeners", ""}), ElementsAre("local-pg", "local-web", ":"));
  EXPECT_THAT(Here({"get", "lsn", "local-pg", "local"}), ElementsAre("local-web", ":"));
  EXPECT_THAT(Here({"delete", "lsn/local-p"}), ElementsAre("lsn/local-pg", ":"));
  EXPECT_THAT(Here({"delete", "lsn/local-pg", "dl/"}), ElementsAre("dl/edge", ":"));
  EXPECT_THAT(Here({"close", "str/"}), ElementsAre("str/k3f9q2/4", ":"));
  EXPECT_THAT(Here({"dial", ""}), ElementsAre("edge", ":"));
}

TEST_F(CompleteLive, RespectsTheContextThatIsTyped) {
  const Surroundings around;
  around.Contexts("contexts:\n- {name: here, address: \"unix:" + daemon_.socket() + "\"}\n- {name: gone, address: unix:/nonexistent/s}\n");
  EXPECT_THAT(Complete(around, {"--context", "here", "dial", ""}), ElementsAre("edge", ":"));
  EXPECT_THAT(Complete(around, {"dial", "--context=here", ""}), ElementsAre("edge", ":"));
  EXPECT_THAT(Complete(around, {"--context", "gone", "dial", ""}), ElementsAre(":"));
  EXPECT_THAT(Complete(around, {"--context", "other", "dial", ""}), ElementsAre(":"));
}

TEST_F(CompleteLive, HostileNamesAreLeftOut) {
  daemon_.dialers[0].mutable_metadata()->set_name("\x1b]0;x\n$(reboot)");
  EXPECT_THAT(Here({"dial", ""}), ElementsAre(":"));
  daemon_.dialers[0].mutable_metadata()->set_name("$(reboot)");
  EXPECT_THAT(Here({"dial", ""}), ElementsAre(":"));
}

TEST(Complete, ADaemonThatIsNotThereIsSilence) {
  EXPECT_THAT(Complete({"--address", "unix:/nonexistent/s", "get", "listeners", ""}), ElementsAre(":"));
}

}  // namespace
}  // namespace culvert::cli
