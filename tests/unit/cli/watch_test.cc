// culvertctl get -w, against a daemon that says what a test wants it to. Each ends when the daemon refuses to go on (PERMISSION_DENIED),
// which no view tries again.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <iostream>
#include <sstream>

#include "cli/process/interrupt.h"
#include "cli/watch/known.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/unit/cli/fake_daemon.h"

namespace culvert::cli {
namespace {

constexpr int64_t kNow = 1'800'000'000;

v1::Session MakeSession(const std::string& id, v1::State state) {
  v1::Session session;
  session.set_name("sessions/" + id);
  session.set_transport(v1::TRANSPORT_QUIC);
  session.set_dialer("edge");
  session.set_remote_address("203.0.113.7:4433");
  session.set_state(state);
  session.mutable_open_time()->set_seconds(kNow - 61);
  return session;
}

v1::WatchResponse Change(v1::WatchResponse::Change::Type type, const v1::Session& session) {
  v1::WatchResponse response;
  response.mutable_change()->set_type(type);
  *response.mutable_change()->mutable_session() = session;
  return response;
}
v1::WatchResponse Added(const std::string& id) { return Change(v1::WatchResponse::Change::TYPE_ADDED, MakeSession(id, v1::STATE_ACTIVE)); }
v1::WatchResponse Draining(const std::string& id) {
  return Change(v1::WatchResponse::Change::TYPE_MODIFIED, MakeSession(id, v1::STATE_DRAINING));
}
v1::WatchResponse Deleted(const std::string& id) {
  return Change(v1::WatchResponse::Change::TYPE_DELETED, MakeSession(id, v1::STATE_CLOSED));
}
v1::WatchResponse SnapshotComplete() {
  v1::WatchResponse response;
  response.mutable_bookmark()->set_snapshot_complete(true);
  return response;
}

grpc::Status Enough() { return ErrorWithDetails(grpc::StatusCode::PERMISSION_DENIED, "enough", "ENOUGH"); }
constexpr char kEnough[] = "error: enough (ENOUGH)\n";

class WatchTest : public testing::Test {
 protected:
  WatchTest() {
    daemon_.arrange = [this](Streams& streams) {
      streams.now_seconds = [] { return kNow; };
      streams.out_is_terminal = is_terminal_;
      streams.columns = 80;
      streams.rows = rows_;
    };
  }
  // What each call of Watch is answered with, one after the other; behind the last, that it is enough.
  void Answers(std::vector<std::vector<v1::WatchResponse>> calls, std::vector<grpc::Status> ends) {
    daemon_.on_watch = [this, calls, ends, at = size_t{0}](const v1::WatchRequest& request, FakeDaemon::WatchWriter& writer) mutable {
      request_ = request;
      if (at >= calls.size()) return Enough();
      for (const v1::WatchResponse& one : calls[at]) writer.Write(one);
      return ends[at++];
    };
  }

  FakeDaemon daemon_;
  v1::WatchRequest request_;
  bool is_terminal_ = false;
  int rows_ = 24;
};

TEST_F(WatchTest, AppendsRowsOnAPipe) {
  Answers({{Added("b"), Added("a"), SnapshotComplete(), Draining("a"), Deleted("b"), Added("c")}}, {Enough()});
  const Answer answer = daemon_.Run({"get", "ses", "-w", "--filter", "dialer=edge"});
  EXPECT_EQ(answer.out.find("NAME  TRANSPORT  OWNER    REMOTE            STATE   RTT  RX  TX  AGE\n"
                            "b     QUIC       dl/edge  203.0.113.7:4433  ACTIVE  -    0B  0B  1m\n"
                            "a     QUIC       dl/edge  203.0.113.7:4433  ACTIVE  -    0B  0B  1m\n"),
            0u)
      << answer.out;
  EXPECT_NE(answer.out.find("\na     QUIC       dl/edge  203.0.113.7:4433  DRAINING  -    0B  0B  1m\n"), std::string::npos) << answer.out;
  // One header, and nothing of what went.
  EXPECT_EQ(answer.out.rfind("NAME"), 0u);
  EXPECT_EQ(answer.out.find("CLOSED"), std::string::npos);
  EXPECT_EQ(answer.err, kEnough);
  EXPECT_EQ(answer.code, 4);
  EXPECT_EQ(request_.filter(), "dialer=edge");
  ASSERT_EQ(request_.kinds_size(), 1);
  EXPECT_EQ(request_.kinds(0), v1::WATCH_KIND_SESSION);
}

// Rows of one moment line up; so many that they fill memory are not waited for, nor is a daemon that never says it has told all.
TEST_F(WatchTest, ShowsWhatIsMuchBeforeAllOfItHasCome) {
  v1::Session large = MakeSession("a", v1::STATE_ACTIVE);
  large.set_remote_address("203.0.113.7:1");
  for (int i = 0; i < 30; ++i) {
    large.mutable_tls()->set_peer_name(std::string(100'000, static_cast<char>('a' + i % 26)));
    daemon_.watched.push_back(Change(v1::WatchResponse::Change::TYPE_MODIFIED, large));
  }
  large.set_remote_address("[2001:db8:85a3:8d3:1319:8a2e:370:7348]:4433");
  large.mutable_tls()->set_peer_name("b");
  daemon_.watched.push_back(Change(v1::WatchResponse::Change::TYPE_MODIFIED, large));
  daemon_.on_watch = [](const v1::WatchRequest&, grpc::ServerWriter<v1::WatchResponse>&) { return Enough(); };
  const std::string out = daemon_.Run({"get", "ses", "-w"}).out;
  EXPECT_NE(out.find(" 203.0.113.7:1  ACTIVE "), std::string::npos) << out;
  EXPECT_NE(out.find(" [2001:db8:85a3:8d3:1319:8a2e:370:7348]:4433  ACTIVE "), std::string::npos) << out;
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 32);
}

TEST_F(WatchTest, SaysWhatHappenedInFront) {
  Answers({{Added("a"), SnapshotComplete(), Draining("a"), Deleted("a")}}, {Enough()});
  const std::string out = daemon_.Run({"get", "ses", "-w", "--output-events", "--no-headers", "-o", "custom-columns=NAME:.name,STATE:.state"}).out;
  EXPECT_NE(out.find("ADDED  sessions/a  STATE_ACTIVE\n"), std::string::npos) << out;
  EXPECT_NE(out.find("MODIFIED  sessions/a  STATE_DRAINING\n"), std::string::npos) << out;
  EXPECT_NE(out.find("DELETED   sessions/a  STATE_CLOSED\n"), std::string::npos) << out;
}

TEST_F(WatchTest, PrintsADocumentForEachChange) {
  Answers({{Added("a"), SnapshotComplete(), Draining("a"), Deleted("a")}}, {Enough()});
  const Answer lines = daemon_.Run({"get", "ses", "-w", "-o", "jsonl"});
  std::istringstream stream(lines.out);
  std::string line, states;
  while (std::getline(stream, line)) states += nlohmann::json::parse(line)["state"].get<std::string>() + " ";
  EXPECT_EQ(states, "STATE_ACTIVE STATE_DRAINING ");
  for (const auto& [format, out] : std::vector<std::pair<std::string, std::string>>{
           {"name", "session/a\nsession/a\n"}, {"jsonpath={.state}!", "STATE_ACTIVE!\nSTATE_DRAINING!\n"}, {"jmespath=state", "STATE_ACTIVE\nSTATE_DRAINING\n"}}) {
    Answers({{Added("a"), SnapshotComplete(), Draining("a"), Deleted("a")}}, {Enough()});
    EXPECT_EQ(daemon_.Run({"get", "ses", "-w", "-o", format}).out, out);
  }
  Answers({{Added("a"), SnapshotComplete(), Draining("a")}}, {Enough()});
  const std::string yaml = daemon_.Run({"get", "ses", "-w", "-o", "yaml"}).out;
  EXPECT_NE(yaml.find("state: ACTIVE\n"), std::string::npos) << yaml;
  EXPECT_NE(yaml.find("\n---\napiVersion: culvert/v1\nkind: Session\n"), std::string::npos) << yaml;
  Answers({{Added("a"), SnapshotComplete(), Deleted("a")}}, {Enough()});
  std::istringstream events(daemon_.Run({"get", "ses", "-w", "-o", "json", "--output-events"}).out);
  std::string types;
  while (std::getline(events, line)) {
    const auto json = nlohmann::json::parse(line);
    types += json["type"].get<std::string>() + ":" + json["object"]["state"].get<std::string>() + " ";
  }
  EXPECT_EQ(types, "ADDED:STATE_ACTIVE DELETED:STATE_CLOSED ");
}

TEST_F(WatchTest, ShowsOnlyWhatWasNamed) {
  Answers({{Added("a"), Added("b"), SnapshotComplete(), Draining("b")}}, {Enough()});
  EXPECT_EQ(daemon_.Run({"get", "ses/b", "ses/not-yet", "-w", "-o", "name"}).out, "session/b\nsession/b\n");
}

TEST_F(WatchTest, SurvivesADaemonThatRestarts) {
  const grpc::Status stopping = ErrorWithDetails(grpc::StatusCode::UNAVAILABLE, "culvertd is stopping", "DAEMON_STOPPING");
  // Of the second snapshot only what differs is news, and what is missing has gone.
  Answers({{Added("a"), Added("b"), SnapshotComplete()}, {Added("a"), Added("c"), SnapshotComplete()}}, {stopping, Enough()});
  const Answer answer = daemon_.Run({"get", "ses", "-w", "-o", "name", "--output-events"});
  EXPECT_EQ(answer.out, "ADDED  session/a\nADDED  session/b\nADDED  session/c\nDELETED  session/b\n");
  EXPECT_EQ(answer.err, std::string("culvertd is stopping (DAEMON_STOPPING); trying again\n") + kEnough);
}

TEST_F(WatchTest, BeginsAnewWhenTooMuchWasMissed) {
  const grpc::Status compacted = ErrorWithDetails(grpc::StatusCode::OUT_OF_RANGE, "too old", "REVISION_COMPACTED");
  Answers({{Added("a"), SnapshotComplete()}, {Added("a"), SnapshotComplete(), Deleted("a")}}, {compacted, Enough()});
  EXPECT_EQ(daemon_.Run({"get", "ses", "-w", "-q", "-o", "name", "--output-events"}).out, "ADDED  session/a\nDELETED  session/a\n");
}

TEST_F(WatchTest, EndsWithTheDaemonWhenItIsToldTo) {
  const grpc::Status stopping = ErrorWithDetails(grpc::StatusCode::UNAVAILABLE, "culvertd is stopping", "DAEMON_STOPPING");
  Answers({{Added("a"), SnapshotComplete()}}, {stopping});
  const Answer answer = daemon_.Run({"get", "ses", "-w", "-o", "name", "--no-reconnect"});
  EXPECT_EQ(answer.out, "session/a\n");
  EXPECT_EQ(answer.err, "error: culvertd is stopping (DAEMON_STOPPING)\n");
  EXPECT_EQ(answer.code, 5);
}

TEST_F(WatchTest, AFilterThatIsWrongIsNotTriedAgain) {
  daemon_.on_watch = [](const v1::WatchRequest&, FakeDaemon::WatchWriter&) {
    return ErrorWithDetails(grpc::StatusCode::INVALID_ARGUMENT, "\"x\" is no field of Session", "INVALID_FILTER");
  };
  const Answer answer = daemon_.Run({"get", "ses", "-w", "--filter", "x=1"});
  EXPECT_EQ(answer.err, "error: \"x\" is no field of Session (INVALID_FILTER)\n");
  EXPECT_EQ(answer.code, 2);
}

TEST_F(WatchTest, RedrawsInPlaceOnATerminal) {
  is_terminal_ = true;
  Answers({{Added("b"), Added("a"), SnapshotComplete(), Deleted("b")}}, {Enough()});
  const std::string out = daemon_.Run({"get", "ses,lsn", "-w", "--color", "never"}).out;
  ASSERT_EQ(request_.kinds_size(), 2);
  // The first frame; lines do not wrap, what is below is cleared, rows in the order of names.
  EXPECT_EQ(out.find("\x1b[?7l\r\x1b[J"
                     "NAME       TRANSPORT  OWNER    REMOTE            STATE   RTT  RX  TX  AGE\n"
                     "session/a  QUIC       dl/edge  203.0.113.7:4433  ACTIVE  -    0B  0B  1m\n"
                     "session/b  QUIC       dl/edge  203.0.113.7:4433  ACTIVE  -    0B  0B  1m\n"
                     "\x1b[?7h"),
            0u)
      << out;
  // The last one: back up over the three lines, and without what has gone.
  const size_t last = out.rfind("\x1b[?7l");
  EXPECT_EQ(out.substr(last),
            "\x1b[?7l\x1b[3A\r\x1b[J"
            "NAME       TRANSPORT  OWNER    REMOTE            STATE   RTT  RX  TX  AGE\n"
            "session/a  QUIC       dl/edge  203.0.113.7:4433  ACTIVE  -    0B  0B  1m\n"
            "\x1b[?7h");
}

TEST_F(WatchTest, AFrameFitsTheScreen) {
  is_terminal_ = true;
  rows_ = 6;
  std::vector<v1::WatchResponse> all;
  for (int i = 0; i < 30; ++i) all.push_back(Added("s" + std::to_string(i)));
  all.push_back(SnapshotComplete());
  Answers({all}, {Enough()});
  const std::string out = daemon_.Run({"get", "ses", "-w"}).out;
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 5) << out;
  EXPECT_NE(out.find("... 27 more lines\n"), std::string::npos) << out;
}

TEST_F(WatchTest, SaysThatNothingIsThere) {
  is_terminal_ = true;
  Answers({{SnapshotComplete()}}, {Enough()});
  EXPECT_NE(daemon_.Run({"get", "ses", "-w"}).out.find("nothing there\n"), std::string::npos);
}

TEST_F(WatchTest, LooksAtStreamsAgainAndAgain) {
  daemon_.streams.emplace_back().set_name("sessions/a/streams/0");
  daemon_.streams[0].mutable_counters()->set_rx_bytes(3);
  daemon_.on_list_streams = [this](int lists) {
    if (lists == 1) return grpc::Status::OK;
    if (lists > 2) return Enough();
    daemon_.streams[0].mutable_counters()->set_rx_bytes(7);
    daemon_.streams.emplace_back().set_name("sessions/a/streams/4");
    return grpc::Status::OK;
  };
  const Answer answer = daemon_.Run({"get", "str", "-w", "-o", "jsonpath={.name}:{.counters.rxBytes}"});
  EXPECT_EQ(answer.out, "sessions/a/streams/0:3\nsessions/a/streams/0:7\nsessions/a/streams/4:\n");
  EXPECT_EQ(answer.err, kEnough);
  EXPECT_EQ(answer.code, 4);
}

// Signals are the whole process's: each test of them has one of its own.
TEST(WatchDeathTest, EndsWithAnInterrupt) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        FakeDaemon daemon;
        daemon.streams.emplace_back().set_name("sessions/a/streams/0");
        daemon.on_watch = [](const v1::WatchRequest&, FakeDaemon::WatchWriter& writer) {
          writer.Write(SnapshotComplete());
          ::kill(::getpid(), SIGINT);
          while (writer.Write(Draining("a"))) {
          }
          return grpc::Status::OK;
        };
        InstallInterruptHandlers();
        const Answer answer = daemon.Run({"get", "ses,str", "-w"});
        std::cerr << "came back: " << answer.err << "\n";
        ::_exit(answer.code);
      },
      testing::ExitedWithCode(130), "came back: \n");
}

Resource StreamWith(uint64_t rx_bytes, int64_t idle_seconds) {
  v1::Stream stream;
  stream.set_name("sessions/a/streams/0");
  stream.mutable_counters()->set_rx_bytes(rx_bytes);
  stream.mutable_idle_time()->set_seconds(idle_seconds);
  return stream;
}

Resource EventWith(int64_t revision, uint64_t count) {
  v1::Event event;
  event.set_revision(revision);
  event.set_count(count);
  event.set_reason("DialFailed");
  return event;
}

TEST(Known, BeingIdleIsNoNews) {
  Known known;
  EXPECT_EQ(known.Put(StreamWith(1, 0))->type, Change::Type::kAdded);
  EXPECT_FALSE(known.Put(StreamWith(1, 9)));
  EXPECT_EQ(known.Put(StreamWith(2, 0))->type, Change::Type::kModified);
  // It is shown as it was seen last all the same.
  known.Put(StreamWith(2, 7));
  const std::vector<Group> groups = known.Groups({Kind::kStream}, 10);
  EXPECT_EQ(std::get<v1::Stream>(groups[0].items[0]).idle_time().seconds(), 7);
}

TEST(Known, ALookFindsWhatHasGone) {
  Known known;
  known.Put(StreamWith(1, 0));
  known.Put(MakeSession("s", v1::STATE_ACTIVE));
  known.BeginLook({Kind::kSession});
  EXPECT_EQ(known.EndLook({Kind::kSession}).size(), 1u);
  known.BeginLook({Kind::kStream});
  EXPECT_FALSE(known.Put(StreamWith(1, 3)));
  EXPECT_TRUE(known.EndLook({Kind::kStream}).empty());
  EXPECT_EQ(known.size(), 1u);
  EXPECT_TRUE(known.Remove(StreamWith(1, 3)));
  EXPECT_FALSE(known.Remove(StreamWith(1, 3)));
  EXPECT_EQ(known.size_bytes(), 0u);
}

TEST(Known, AnEventThatRepeatsIsTheSame) {
  Known known;
  known.Put(EventWith(1, 1));
  EXPECT_EQ(known.Put(EventWith(5, 2))->type, Change::Type::kModified);
  EXPECT_EQ(known.size(), 1u);
  // A daemon that restarted has forgotten its events; they happened all the same.
  known.BeginLook({Kind::kEvent});
  EXPECT_TRUE(known.EndLook({Kind::kEvent}).empty());
}

}  // namespace
}  // namespace culvert::cli
