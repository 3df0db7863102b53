#include <unistd.h>

#include <csignal>
#include <iostream>
#include <sstream>

#include "cli/output/tables.h"
#include "cli/process/interrupt.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/unit/cli/fake_daemon.h"

namespace culvert::cli {
namespace {

v1::Event MakeEvent(int64_t revision, const std::string& reason, const std::string& message) {
  v1::Event event;
  event.set_revision(revision);
  event.mutable_first_time()->set_seconds(NowSeconds() - 54 * 60 - 5);
  event.mutable_last_time()->set_seconds(NowSeconds() - 2 * 60 - 5);
  event.set_count(static_cast<uint64_t>(revision));
  event.set_type(revision % 2 == 0 ? v1::Event::TYPE_NORMAL : v1::Event::TYPE_WARNING);
  event.set_reason(reason);
  event.set_subject("dialer/edge");
  event.set_message(message);
  return event;
}

v1::ListEventsResponse Message(const std::vector<v1::Event>& events, uint64_t missed = 0) {
  v1::ListEventsResponse message;
  for (const v1::Event& event : events) *message.add_events() = event;
  message.set_missed(missed);
  return message;
}

TEST(Events, AreATableOverAllMessages) {
  FakeDaemon daemon;
  daemon.events = {Message({MakeEvent(1, "DialFailed", "handshake: certificate expired")}),
                   Message({MakeEvent(2, "ReverseOffered", "home")})};
  const Answer answer = daemon.Run({"events"});
  EXPECT_EQ(answer.out,
            "LAST  FIRST  COUNT  TYPE     REASON          SUBJECT      MESSAGE\n"
            "2m    54m    1      Warning  DialFailed      dialer/edge  handshake: certificate expired\n"
            "2m    54m    2      Normal   ReverseOffered  dialer/edge  home\n");
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_FALSE(daemon.last_events.follow());
  EXPECT_EQ(daemon.last_events.subject(), "");
  EXPECT_EQ(daemon.last_events.last(), 0);
}

TEST(Events, AskForWhatIsWanted) {
  FakeDaemon daemon;
  EXPECT_EQ(daemon.Run({"events", "--for", "dl/edge", "--since", "1h", "--types", "warning", "--last", "7"}).code, 0);
  EXPECT_EQ(daemon.last_events.subject(), "dialer/edge");
  EXPECT_EQ(daemon.last_events.since().seconds(), 3600);
  EXPECT_EQ(daemon.last_events.type(), v1::Event::TYPE_WARNING);
  EXPECT_EQ(daemon.last_events.last(), 7);
  EXPECT_EQ(daemon.Run({"events", "--types", "Normal,Warning"}).code, 0);
  EXPECT_EQ(daemon.last_events.type(), v1::Event::TYPE_UNSPECIFIED);
  EXPECT_EQ(daemon.Run({"events", "--for", "daemon"}).code, 0);
  EXPECT_EQ(daemon.last_events.subject(), "daemon");
  EXPECT_EQ(daemon.Run({"events", "--types", "Normal"}).code, 0);
  EXPECT_EQ(daemon.last_events.type(), v1::Event::TYPE_NORMAL);
}

TEST(Events, SayThatThereAreNone) {
  FakeDaemon daemon;
  const Answer answer = daemon.Run({"events"});
  EXPECT_EQ(answer.out, "");
  EXPECT_EQ(answer.err, "no events\n");
  EXPECT_EQ(answer.code, 0);
  EXPECT_EQ(daemon.Run({"events", "-q"}).err, "");
  EXPECT_EQ(daemon.Run({"events", "-o", "json"}).out, "[]\n");
}

TEST(Events, PrintDocumentsAndNames) {
  FakeDaemon daemon;
  daemon.events = {Message({MakeEvent(1, "DialFailed", "a"), MakeEvent(2, "ReverseOffered", "b")})};
  const auto json = nlohmann::json::parse(daemon.Run({"events", "-o", "json"}).out);
  ASSERT_TRUE(json.is_array());
  ASSERT_EQ(json.size(), 2u);
  EXPECT_EQ(json[0]["reason"], "DialFailed");
  EXPECT_EQ(json[1]["revision"], "2");
  EXPECT_EQ(daemon.Run({"events", "-o", "name"}).out, "event/1\nevent/2\n");
  const std::string yaml = daemon.Run({"events", "-o", "yaml"}).out;
  EXPECT_EQ(yaml.find("apiVersion: culvert/v1\nkind: Event\n"), 0u) << yaml;
  EXPECT_NE(yaml.find("\n---\n"), std::string::npos) << yaml;
}

TEST(Events, FollowedAppendLinesThatLineUp) {
  FakeDaemon daemon;
  daemon.events = {Message({MakeEvent(1, "ReverseOffered", "home")}), Message({}),
                   Message({MakeEvent(3, "DialFailed", "x")}), Message({MakeEvent(100000, "Up", "y")}, 214),
                   Message({}, 215),
                   Message({}, 215)};
  const Answer answer = daemon.Run({"events", "--follow"});
  EXPECT_EQ(answer.out,
            "LAST  FIRST  COUNT  TYPE     REASON          SUBJECT      MESSAGE\n"
            "2m    54m    1      Warning  ReverseOffered  dialer/edge  home\n"
            "2m    54m    3      Warning  DialFailed      dialer/edge  x\n"
            "-- 214 events missed --\n"
            "2m    54m    100000  Normal   Up              dialer/edge  y\n"
            "-- 1 events missed --\n");
  EXPECT_TRUE(daemon.last_events.follow());
  EXPECT_EQ(answer.err, "error: culvertd is stopping (DAEMON_STOPPING)\n");
  EXPECT_EQ(answer.code, 5);
}

TEST(Events, FollowedAreJsonLines) {
  FakeDaemon daemon;
  daemon.events = {Message({MakeEvent(1, "A", "x"), MakeEvent(2, "B", "y")}), Message({MakeEvent(3, "C", "z")}, 4)};
  const Answer answer = daemon.Run({"events", "-f", "-o", "json"});
  std::istringstream lines(answer.out);
  std::string line, reasons;
  while (std::getline(lines, line)) reasons += nlohmann::json::parse(line)["reason"];
  EXPECT_EQ(reasons, "ABC");
  EXPECT_EQ(answer.err, "-- 4 events missed --\nerror: culvertd is stopping (DAEMON_STOPPING)\n");
}

TEST(Events, AreFilteredAndFoundByExpressions) {
  FakeDaemon daemon;
  daemon.events = {Message({MakeEvent(1, "A", "x"), MakeEvent(2, "B", "y")})};
  EXPECT_EQ(daemon.Run({"events", "--filter", "count>3", "-o", "jsonpath={.items[*].reason}"}).out, "A B\n");
  EXPECT_EQ(daemon.last_events.filter(), "count>3");
  EXPECT_EQ(daemon.Run({"events", "-o", "custom-columns=WHY:.reason,N:.count"}).out, "WHY  N\nA    1\nB    2\n");
  EXPECT_EQ(daemon.Run({"events", "-f", "-o", "jsonpath={.reason} {.count}"}).out, "A 1\nB 2\n");
  EXPECT_EQ(daemon.Run({"events", "-f", "-o", "custom-columns=WHY:.reason"}).out, "WHY\nA\nB\n");
  EXPECT_EQ(daemon.Run({"events", "-o", "jmespath=items[1].message"}).out, "y\n");
  const Answer misspelt = daemon.Run({"events", "-f", "-o", "jsonpath={.reson}"});
  EXPECT_EQ(misspelt.err.find("error: -o jsonpath: character 3: Event has no field \"reson\" (did you mean reason?)\n"), 0u) << misspelt.err;
  EXPECT_EQ(misspelt.code, 2);
}

TEST(Events, MissedOnesAreSaidAtTheEndOfATable) {
  FakeDaemon daemon;
  daemon.events = {Message({MakeEvent(1, "A", "x")}, 2), Message({}, 5)};
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"events", "--no-headers"}, {"get", "ev", "--no-headers"}})
    EXPECT_EQ(daemon.Run(words).out, "2m  54m  1  Warning  A  dialer/edge  x\n-- 5 events missed --\n");
}

TEST(Events, MakeHostileTextsPrintable) {
  FakeDaemon daemon;
  v1::Event event = MakeEvent(1, "\x1b[2J", "a\nerror: forged\xe2\x80\xae");
  event.set_subject("dialer/\x07");
  daemon.events = {Message({event})};
  for (const char* flag : {"-v", "-f"}) {
    const std::string out = daemon.Run({"events", "--no-headers", flag}).out;
    EXPECT_EQ(out, "2m  54m  1  Warning  \\x1b[2J  dialer/\\x07  a\\nerror: forged\\u202e\n");
  }
}

TEST(Events, SayWhatIsWrong) {
  FakeDaemon daemon;
  const std::pair<std::vector<std::string>, std::string> rows[] = {
      {{"events", "--for", "edge"},
       "error: --for: unknown kind \"edge\" (listeners, dialers, forwards, sessions, streams, "
       "udpflows, events)\n"},
      {{"events", "--for", "dl"}, "error: --for: KIND/NAME or daemon is wanted, e.g. dl/edge\n"},
      {{"events", "--for", "dl/"}, "error: --for: \"dl/\" is not KIND/NAME\n"},
      {{"events", "--since", "1"},
       "error: --since: \"1\" is not a duration: write a number with a unit, e.g. 50ms, 10s, 2m, 1h\n"},
      {{"events", "--since", "0s"}, "error: --since: must be above 0\n"},
      {{"events", "--types", "Warnin"},
       "error: --types: \"Warnin\" is not one of Normal, Warning (did you mean Warning?)\n"},
      {{"events", "--types", "Normal,"}, "error: --types: \"\" is not one of Normal, Warning\n"},
      {{"events", "--last", "0"}, "error: --last: at least 1\n"},
      {{"events", "-f", "-o", "yaml"}, "error: -o yaml: --follow prints a table, JSON lines or what an expression finds\n"},
      {{"events", "dl/edge"}, "error: unexpected argument \"dl/edge\"\n"},
      {{"events", "--folow"}, "error: unknown flag --folow (did you mean --follow?)\n"},
  };
  for (const auto& [words, error] : rows) {
    const Answer answer = daemon.Run(words);
    EXPECT_EQ(answer.code, 2) << error;
    EXPECT_EQ(answer.err.substr(0, answer.err.find('\n') + 1), error);
  }
  EXPECT_EQ(daemon.Run({"events", "--last", "many"}).code, 2);
}

// Signals are the whole process's: each test of them has one of its own.
TEST(EventsDeathTest, FollowedEndWithAnInterrupt) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        FakeDaemon daemon;
        daemon.on_follow = [](grpc::ServerWriter<v1::ListEventsResponse>& writer) {
          ::kill(::getpid(), SIGINT);
          while (writer.Write(Message({MakeEvent(1, "A", "x")}))) {
          }
        };
        InstallInterruptHandlers();
        const Answer answer = daemon.Run({"events", "-f"});
        // Not the handler's own way out, which is the same code.
        std::cerr << "came back: " << answer.err << "\n";
        ::_exit(answer.code);
      },
      testing::ExitedWithCode(130), "came back: \n");
}

}  // namespace
}  // namespace culvert::cli
