// Command lines that are wrong, and help: exit codes and first lines are an interface.
#include <map>
#include <sstream>

#include "gtest/gtest.h"
#include "tests/unit/cli/fake_daemon.h"

namespace culvert::cli {
namespace {

Answer RunHere(std::vector<std::string> arguments, Environment environment = {}) {
  std::ostringstream out, err;
  std::istringstream in;
  Streams streams{out, err, in};
  const ExitCode code = RunCulvertctl(std::move(arguments), streams, environment);
  return {static_cast<int>(code), out.str(), err.str()};
}

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

TEST(Usage, SuggestsWhatWasMeant) {
  const std::pair<std::vector<std::string>, std::string> rows[] = {
      {{}, "error: a command is wanted"},
      {{"aplly"}, "error: unknown command \"aplly\" (did you mean apply?)"},
      {{"--address", "unix:/x", "stauts"}, "error: unknown command \"stauts\" (did you mean status?)"},
      {{"frobnicate"}, "error: unknown command \"frobnicate\""},
      {{"get", "listners"}, "error: unknown kind \"listners\" (did you mean listeners?)"},
      {{"get"}, "error: a kind is wanted: listeners, dialers, forwards, sessions, streams, udpflows, events"},
      {{"get", "lsn", "--outptu", "json"}, "error: unknown flag --outptu (did you mean --output?)"},
      {{"apply", "--dryrun", "-f", "x"}, "error: unknown flag --dryrun (did you mean --dry-run?)"},
      {{"get", "lsn", "-o", "yml"}, "error: -o yml: unknown format (did you mean yaml?)"},
      {{"get", "lsn", "--color", "blue"}, "error: --color: \"blue\" is not one of auto, always, never"},
      {{"get", "lsn", "--request-timeout", "10"},
       "error: --request-timeout: \"10\" is not a duration: write a number with a unit, e.g. 50ms, 10s, 2m, 1h"},
      {{"get", "lsn", "--address", "example"}, "error: --address: \"example\" is neither unix:PATH nor HOST:PORT"},
      {{"version", "extra"}, "error: unexpected argument \"extra\""},
      {{"explain", "dialer.spec.kpc"}, "error: dialer.spec has no field \"kpc\" (did you mean kcp?)"},
      {{"explain", "dialer.spec.paused.x"}, "error: dialer.spec.paused has no fields of its own"},
  };
  for (const auto& [arguments, expected] : rows) {
    const Answer answer = RunHere(arguments);
    EXPECT_EQ(FirstLine(answer.err), expected);
    EXPECT_EQ(answer.code, 2) << expected;
    EXPECT_EQ(answer.out, "");
  }
}

TEST(Usage, HelpLeadsWithExamples) {
  for (const char* verb :
       {"apply", "get", "describe", "delete", "dial", "connect", "top", "events", "status", "close", "export", "explain", "version",
        "create", "set", "edit", "label", "annotate", "diff", "wait", "tap", "logs", "why", "check", "drain", "reload"}) {
    const Answer answer = RunHere({verb, "--help"});
    EXPECT_EQ(answer.code, 0);
    EXPECT_LT(answer.out.find("Examples:\n  culvertctl " + std::string(verb)),
              answer.out.find("Usage: culvertctl " + std::string(verb)))
        << answer.out;
  }
  EXPECT_EQ(RunHere({"--help"}).out.find("Steers culvertd"), 0u);
}

TEST(Usage, AnUnreachableDaemonIsFive) {
  const Answer answer = RunHere({"--address", "unix:/nonexistent/s", "get", "lsn"});
  EXPECT_EQ(answer.code, 5);
  EXPECT_EQ(FirstLine(answer.err), "error: cannot reach culvertd: unix:/nonexistent/s: No such file or directory");
}

TEST(Version, PrintsOursWithoutADaemon) {
  const Answer client = RunHere({"version", "--client"});
  EXPECT_EQ(client.code, 0);
  EXPECT_EQ(client.out.find("client "), 0u);
  const Answer unreachable = RunHere({"--address", "unix:/nonexistent/s", "version"});
  EXPECT_EQ(unreachable.code, 5);
  EXPECT_NE(unreachable.out.find("server unreachable"), std::string::npos);
}

TEST(Explain, ShowsRulesAndComments) {
  EXPECT_EQ(RunHere({"explain", "dialer.spec.kcp.mtu_bytes"}).out,
            "FIELD  dialer.spec.kcp.mtu_bytes <whole number>   default 1232, 576 to 1460\n"
            "  Largest UDP payload we send, in bytes. v2ray's default is 1350; the two ends may differ.\n");
  EXPECT_NE(RunHere({"explain", "lsn.spec.transport"}).out.find("required, immutable"), std::string::npos);
  EXPECT_NE(RunHere({"explain", "lsn.spec.kcp.header"}).out.find("WECHAT_VIDEO"), std::string::npos);
  for (const char* kind : {"Forward", "Session", "Stream", "UdpFlow", "Event"}) {
    EXPECT_NE(RunHere({"explain", kind}).out.find("KIND   " + std::string(kind)), std::string::npos) << kind;
  }
}

TEST(Color, FollowsTheFlagThenTheSurroundings) {
  FakeDaemon daemon;
  daemon.listeners.emplace_back().mutable_status()->set_state(v1::STATE_FAILED);
  struct Row {
    std::string flag;
    std::map<std::string, std::string> variables;
    bool is_terminal = false;
    bool color = false;
  };
  const Row rows[] = {
      {"auto", {}, true, true},
      {"auto", {}, false, false},
      {"auto", {{"NO_COLOR", "1"}}, true, false},
      {"auto", {{"NO_COLOR", ""}}, true, true},
      {"auto", {{"TERM", "dumb"}}, true, false},
      {"auto", {{"CLICOLOR_FORCE", "1"}}, false, true},
      {"auto", {{"CLICOLOR_FORCE", "1"}, {"TERM", "dumb"}}, false, true},
      {"auto", {{"CLICOLOR_FORCE", "0"}}, false, false},
      {"auto", {{"CLICOLOR_FORCE", "1"}, {"NO_COLOR", "1"}}, true, false},
      {"always", {{"NO_COLOR", "1"}, {"TERM", "dumb"}}, false, true},
      {"never", {{"CLICOLOR_FORCE", "1"}}, true, false},
  };
  for (const Row& row : rows) {
    daemon.environment.get = [&row](const std::string& name) -> std::optional<std::string> {
      const auto found = row.variables.find(name);
      return found == row.variables.end() ? std::nullopt : std::optional(found->second);
    };
    daemon.arrange = [&row](Streams& streams) { streams.out_is_terminal = row.is_terminal; };
    const std::string out = daemon.Run({"get", "lsn", "--color", row.flag}).out;
    EXPECT_EQ(out.find('\x1b') != std::string::npos, row.color) << row.flag << " row " << &row - rows;
  }
}

TEST(Color, IsOffWithoutATerminalAndByNoColor) {
  FakeDaemon daemon;
  daemon.listeners.emplace_back().mutable_status()->set_state(v1::STATE_FAILED);
  for (const bool no_color : {false, true}) {
    Environment environment;
    environment.get = [no_color](const std::string& name) -> std::optional<std::string> {
      return name == "NO_COLOR" && no_color ? std::optional<std::string>("1") : std::nullopt;
    };
    std::ostringstream out, err;
    std::istringstream in;
    Streams streams{out, err, in, false, true};
    RunCulvertctl({"--address", "unix:" + daemon.socket(), "get", "lsn"}, streams, environment);
    EXPECT_EQ(out.str().find('\x1b') == std::string::npos, no_color);
  }
}

}  // namespace
}  // namespace culvert::cli
