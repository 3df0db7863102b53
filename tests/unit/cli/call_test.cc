// culvertctl call: methods by their names, requests as JSON, and faults in them in words.
#include <fcntl.h>

#include "gmock/gmock.h"
#include "nlohmann/json.hpp"
#include "tests/testing/temp_dir.h"
#include "tests/unit/cli/surroundings.h"

namespace culvert::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(Call, CallsAMethodThatAnswersOnce) {
  FakeDaemon daemon;
  daemon.listeners.emplace_back().mutable_metadata()->set_name("a");
  EXPECT_EQ(nlohmann::json::parse(daemon.Run({"call", "DaemonService/GetDaemon"}).out)["daemon"]["version"], "9.9.9");
  const Answer answer = daemon.Run({"call", "culvert.v1.ListenerService/GetListener", "-d", R"({"name": "a"})", "-o", "jsonl"});
  EXPECT_EQ(answer.out, R"({"listener":{"metadata":{"name":"a"}}})"
                        "\n");
  EXPECT_EQ(answer.code, 0);
  // The daemon's names for fields are understood too, and the method alone when it is the only one.
  EXPECT_EQ(daemon.Run({"call", "closesession", "-d", R"({"name": "k3f9q2", "graceful": true})"}).code, 0);
  EXPECT_TRUE(daemon.last_close.graceful());
}

TEST(Call, PrintsEveryAnswerOfAStreamOnItsLine) {
  FakeDaemon daemon;
  for (const int64_t revision : {1, 2}) daemon.events.emplace_back().add_events()->set_revision(revision);
  const Answer answer = daemon.Run({"call", "ObserveService/ListEvents"});
  EXPECT_EQ(answer.out, "{\"events\":[{\"revision\":\"1\"}]}\n{\"events\":[{\"revision\":\"2\"}]}\n");
  EXPECT_EQ(answer.code, 0);
  EXPECT_THAT(daemon.Run({"call", "ObserveService/ListEvents", "-o", "json"}).out, HasSubstr("{\n \"events\": [\n"));
  // What a stream ends with is an error like any other.
  const Answer stats = daemon.Run({"call", "ObserveService/WatchStats"});
  EXPECT_EQ(stats.err, "error: culvertd is stopping (DAEMON_STOPPING)\n");
  EXPECT_EQ(stats.code, 5);
}

TEST(Call, TakesTheRequestFromFilesAndStandardInput) {
  FakeDaemon daemon;
  daemon.listeners.emplace_back().mutable_metadata()->set_name("a");
  const std::string file = daemon.Write("request.json", "{\"name\": \"a\"}");
  EXPECT_EQ(daemon.Run({"call", "ListenerService/GetListener", "-d", "@" + file}).code, 0);
  EXPECT_EQ(daemon.Run({"call", "ListenerService/GetListener", "-d", "-"}, "{\"name\": \"a\"}").code, 0);
  EXPECT_EQ(daemon.Run({"call", "ListenerService/GetListener", "-d", "@-"}, "{\"name\": \"a\"}").code, 0);
}

TEST(Call, ErrorsOfTheDaemonHaveTheirExitCode) {
  FakeDaemon daemon;
  const Answer answer = daemon.Run({"call", "ListenerService/GetListener", "-d", R"({"name": "gone"})"});
  EXPECT_EQ(answer.err, "error: listener/gone does not exist (RESOURCE_NOT_FOUND)\n");
  EXPECT_EQ(answer.code, 3);
  EXPECT_EQ(Surroundings().Run({"--address", "unix:/nonexistent/s", "call", "DaemonService/GetDaemon"}).code, 5);
}

TEST(Call, FaultsNameThePathAndTheFixAndNothingIsSent) {
  FakeDaemon daemon;
  const std::tuple<std::string, std::string, std::string> rows[] = {
      {"ListenerService/CreateListener", R"({"listener": {"spec": {"bnd": "x"}}})",
       "-d: listener.spec.bnd: unknown field (did you mean bind?)"},
      {"ListenerService/CreateListener", R"({"listner": {}})", "-d: listner: unknown field (did you mean listener?)"},
      {"ListenerService/CreateListener", R"({"listener": {"spec": {"max_sessions": "many"}}})", "-d: (listener.spec.max_sessions)"},
      {"ListenerService/CreateListener", R"({"listener": {"spec": {"transport": "KPC"}}})", "-d: (listener.spec.transport)"},
      {"ListenerService/CreateListener", R"({"listener")", "-d: "},
      {"ListenerService/CreateListener", "nothing", "-d: "},
      {"SessionService/CloseSession", "@/nonexistent/f", "-d: /nonexistent/f: No such file or directory"},
      {"SessionService/CloseSesion", "{}", "no method \"SessionService/CloseSesion\" (did you mean SessionService/CloseSession?)"},
      {"DialerService/Connect", "{}", "DialerService/Connect takes a stream of requests, which call has not"},
      {"", "{}", "a method is wanted"},
  };
  for (const auto& [method, data, fault] : rows) {
    std::vector<std::string> arguments = {"call", "-d", data};
    if (!method.empty()) arguments.push_back(method);
    const Answer answer = daemon.Run(arguments);
    EXPECT_THAT(answer.err, StartsWith("error: " + fault));
    EXPECT_EQ(answer.code, 2) << fault;
    EXPECT_LE(std::count(answer.err.begin(), answer.err.end(), '\n'), 2) << answer.err;
  }
  EXPECT_EQ(daemon.Run({"call", "DaemonService/GetDaemon", "--dry-run"}).code, 2);
  EXPECT_EQ(daemon.Run({"call", "DaemonService/GetDaemon", "-o", "yaml"}).code, 2);
  EXPECT_EQ(daemon.last_close.name(), "");
}

TEST(Call, ListsMethods) {
  const Surroundings around;
  const Answer answer = around.Run({"call", "--list"});
  EXPECT_THAT(answer.out, ::testing::ContainsRegex("ObserveService/Watch +WatchRequest +stream WatchResponse\n"));
  EXPECT_THAT(answer.out, ::testing::ContainsRegex("DialerService/Connect +stream ConnectRequest +stream ConnectResponse\n"));
  EXPECT_EQ(around.Run({"call", "--list", "x"}).code, 2);
}

TEST(Call, AProtectedContextWantsAYes) {
  FakeDaemon daemon;
  Surroundings around;
  around.Contexts("contexts:\n- {name: prod, address: \"unix:" + daemon.socket() + "\", protected: true}\n");
  const std::vector<std::string> close = {"--context", "prod", "call", "SessionService/CloseSession", "-d", "{\"name\": \"a\"}"};
  const Answer refused = around.Run(close);
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, StartsWith("error: context prod is protected: call SessionService/CloseSession: nobody may be asked\n"));
  EXPECT_EQ(daemon.last_close.name(), "");
  EXPECT_EQ(around.Run({"--context", "prod", "call", "DaemonService/GetDaemon"}).code, 0);
  std::vector<std::string> yes = close;
  yes.push_back("--yes");
  EXPECT_EQ(around.Run(yes).code, 0);
  EXPECT_EQ(daemon.last_close.name(), "a");
}

}  // namespace
}  // namespace culvert::cli
