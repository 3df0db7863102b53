// Which objects culvertctl get asks for, in what order, and what expressions make of them.
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/unit/cli/fake_daemon.h"

namespace culvert::cli {
namespace {

class GetQueryTest : public testing::Test {
 protected:
  GetQueryTest() {
    for (const char* name : {"a", "b", "c"}) {
      v1::Forward& forward = daemon_.forwards.emplace_back();
      forward.mutable_metadata()->set_name(name);
      forward.mutable_spec()->set_listener(name);
      forward.mutable_status()->mutable_counters()->set_rx_bytes(9007199254740993);
    }
    daemon_.forwards[1].mutable_spec()->set_dialer("edge");
    daemon_.sessions.emplace_back().set_name("sessions/k3f9q2");
  }
  FakeDaemon daemon_;
};

TEST_F(GetQueryTest, SendsFiltersAndOrders) {
  EXPECT_EQ(daemon_.Run({"get", "fwd", "--filter", "state=ACTIVE OR rx_bytes>1Mi", "--sort", "-rx,name"}).code, 0);
  EXPECT_EQ(daemon_.last_list.filter(), "state=ACTIVE OR rx_bytes>1Mi");
  EXPECT_EQ(daemon_.last_list.order_by(), "rx_bytes desc,name");
  // On a second run nothing of the first is left.
  EXPECT_EQ(daemon_.Run({"get", "fwd"}).code, 0);
  EXPECT_EQ(daemon_.last_list.filter(), "");
  EXPECT_EQ(daemon_.last_list.order_by(), "");
  EXPECT_EQ(daemon_.Run({"get", "fwd", "-l", "tier=edge,!old", "--filter", "a=1 OR b=2"}).code, 0);
  EXPECT_EQ(daemon_.last_list.filter(), R"((a=1 OR b=2) AND (labels."tier"="edge" AND NOT labels:"old"))");
}

TEST_F(GetQueryTest, EachKindIsSortedInItsWords) {
  EXPECT_EQ(daemon_.Run({"get", "fwd", "--sort", "-streams"}).code, 0);
  EXPECT_EQ(daemon_.last_list.order_by(), "active desc");
  EXPECT_EQ(daemon_.Run({"get", "fwd,ses", "--sort", "-streams"}).code, 0);
  EXPECT_EQ(daemon_.last_list.order_by(), "open_streams desc");
}

TEST_F(GetQueryTest, ClosedSessionsAreAskedFor) {
  EXPECT_EQ(daemon_.Run({"get", "ses"}).code, 0);
  EXPECT_FALSE(daemon_.last_session_list.include_closed());
  EXPECT_EQ(daemon_.Run({"get", "ses", "--closed"}).code, 0);
  EXPECT_TRUE(daemon_.last_session_list.include_closed());
}

TEST_F(GetQueryTest, ShowsTheFilterThatWasSent) {
  const Answer answer = daemon_.Run({"get", "fwd", "-l", "a=b", "--show-filter", "-o", "name"});
  EXPECT_EQ(answer.err, "filter: labels.\"a\"=\"b\"\n");
  EXPECT_EQ(answer.out, "forward/a\nforward/b\nforward/c\n");
  daemon_.forwards.clear();
  EXPECT_EQ(daemon_.Run({"get", "fwd", "--filter", "name=x"}).err, "no forwards match\n");
}

TEST_F(GetQueryTest, PrintsWhatExpressionsFind) {
  EXPECT_EQ(daemon_.Run({"get", "fwd", "-o", "jsonpath={.items[*].metadata.name}"}).out, "a b c\n");
  EXPECT_EQ(daemon_.Run({"get", "fwd", "b", "-o", "jsonpath=via {.spec.dialer}"}).out, "via edge\n");
  EXPECT_EQ(daemon_.Run({"get", "fwd/b", "-o", "jsonpath={.status.counters.rxBytes}"}).out, "9007199254740993\n");
  EXPECT_EQ(daemon_.Run({"get", "fwd", "-o", "custom-columns=NAME:.metadata.name,VIA:.spec.dialer"}).out,
            "NAME  VIA\na     <none>\nb     edge\nc     <none>\n");
  EXPECT_EQ(daemon_.Run({"get", "fwd", "-o", "custom-columns=NAME:.metadata.name", "--no-headers"}).out, "a\nb\nc\n");
  // Kinds that are mixed make one table.
  EXPECT_EQ(daemon_.Run({"get", "fwd,ses", "-o", "custom-columns=KIND:.kind,NAME:.name"}).out,
            "KIND     NAME\nForward  <none>\nForward  <none>\nForward  <none>\nSession  sessions/k3f9q2\n");
  EXPECT_EQ(daemon_.Run({"get", "fwd", "-o", "jmespath=items[?spec.dialer].metadata.name | [0]"}).out, "b\n");
}

TEST_F(GetQueryTest, PrintsALineForEach) {
  const std::string out = daemon_.Run({"get", "fwd,ses", "-o", "jsonl"}).out;
  std::istringstream lines(out);
  std::string line, kinds;
  while (std::getline(lines, line)) kinds += nlohmann::json::parse(line)["kind"].get<std::string>() + " ";
  EXPECT_EQ(kinds, "Forward Forward Forward Session ");
}

TEST_F(GetQueryTest, AMissingObjectLeavesNoDocument) {
  const Answer answer = daemon_.Run({"get", "fwd/nope", "-o", "jsonpath={.metadata.name}"});
  EXPECT_EQ(answer.out, "");
  EXPECT_EQ(answer.code, 3);
}

TEST_F(GetQueryTest, AFunctionThatDoesNotFitIsSaid) {
  const Answer answer = daemon_.Run({"get", "fwd", "-o", "jmespath=abs(kind)"});
  EXPECT_EQ(answer.code, 2);
  EXPECT_EQ(answer.err.find("error: -o jmespath: "), 0u) << answer.err;
}

// Wrong command lines, and what is said of them. None of them reaches the daemon: there is none.
TEST(GetUsage, NamesTheWrongWordAndTheWayOut) {
  const std::pair<std::vector<std::string>, std::string> rows[] = {
      {{"get", "fwd", "-o", "jsonpath={.items[*].metadta.name}"},
       "error: -o jsonpath: character 12: Forward has no field \"metadta\" (did you mean metadata?)\n"
       "next: as in -o jsonpath='{.items[*].metadata.name}'\n"},
      {{"get", "fwd/a", "-o", "jsonpath={.spec.dialer"},
       "error: -o jsonpath: character 1: this brace is not closed\nnext: as in -o jsonpath='{.metadata.name}'\n"},
      {{"get", "fwd", "-o", "custom-columns=NAME"},
       "error: -o custom-columns: character 1: \"NAME\" is not HEADER:PATH\nnext: as in -o custom-columns=NAME:.metadata.name\n"},
      {{"get", "fwd", "-o", "jsonpath="}, "error: -o jsonpath: an expression is wanted\nnext: -o jsonpath=EXPRESSION\n"},
      {{"get", "fwd", "-l", "a in b"},
       "error: -l: \"a in b\" is not KEY=VALUE, KEY!=VALUE, KEY or !KEY\nnext: as in -l tier=edge,site!=a\n"},
      {{"get", "ses", "-l", "a=b"}, "error: -l: sessions have no labels\nnext: --filter 'FIELD=VALUE' finds them by what they have\n"},
      {{"get", "fwd", "a", "--filter", "x=1"},
       "error: --filter goes with kinds, not with names\nnext: culvertctl get forwards --filter ...\n"},
      {{"get", "fwd/a", "-l", "x=1"}, "error: -l goes with kinds, not with names\nnext: culvertctl get forwards -l ...\n"},
      {{"get", "fwd/a", "--sort", "x"}, "error: --sort goes with kinds, not with names\nnext: culvertctl get forwards --sort ...\n"},
      {{"get", "ses/a", "--closed"}, "error: --closed goes with kinds, not with names\nnext: culvertctl get sessions --closed ...\n"},
      {{"get", "ses", "--sort", "owner"},
       "error: --sort: sessions cannot be sorted by owner, which is no single field\n"
       "next: as in --sort -tx or --sort spec.transport,name\n"},
      {{"get", "ev", "--sort", "count"}, "error: --sort: events come oldest first, always\n"},
      {{"get", "fwd", "--closed"}, "error: --closed goes with sessions\nnext: culvertctl get sessions --closed\n"},
      {{"get", "fwd", "--show-filter"},
       "error: --show-filter: neither --filter nor -l says which\nnext: culvertctl get --help\n"},
      {{"get", "fwd", "--output-events"}, "error: --output-events goes with -w\nnext: culvertctl get --help\n"},
      {{"get", "fwd", "--no-reconnect"}, "error: --no-reconnect goes with -w\nnext: culvertctl get --help\n"},
      {{"get", "fwd", "-w", "--sort", "name"},
       "error: --sort: -w shows what it sees in the order of names\nnext: culvertctl top sorts\n"},
      {{"get", "ses", "-w", "--closed"}, "error: --closed: -w shows what is open\nnext: culvertctl get sessions --closed\n"},
      {{"get", "fwd", "--dry-run"}, "error: get takes no --dry-run\nnext: culvertctl get --help\n"},
      {{"describe", "fwd", "-o", "yaml"}, "error: describe does not print -o yaml\nnext: culvertctl describe --help\n"},
      {{"describe", "ses", "-l", "a"}, "error: -l: sessions have no labels\nnext: --filter 'FIELD=VALUE' finds them by what they have\n"},
      {{"describe", "fwd/a", "--filter", "a=1"}, "error: --filter goes with kinds, not with names\n"},
      {{"describe", "frwd"}, "error: unknown kind \"frwd\" (did you mean fwd?)\nnext: culvertctl describe --help\n"},
      {{"describe"},
       "error: a kind is wanted: listeners, dialers, forwards, sessions, streams, udpflows, events\nnext: culvertctl describe --help\n"},
  };
  for (const auto& [words, error] : rows) {
    std::ostringstream out, err;
    std::istringstream in;
    Streams streams{out, err, in};
    std::vector<std::string> arguments = {"--address", "unix:/nonexistent/s"};
    arguments.insert(arguments.end(), words.begin(), words.end());
    EXPECT_EQ(static_cast<int>(RunCulvertctl(arguments, streams, {})), 2) << error;
    EXPECT_EQ(err.str(), error);
    EXPECT_EQ(out.str(), "");
  }
}

}  // namespace
}  // namespace culvert::cli
