#include <algorithm>

#include "cli/objects/kinds.h"
#include "gtest/gtest.h"
#include "tests/unit/cli/fake_daemon.h"

namespace culvert::cli {
namespace {

v1::WatchStatsResponse Frame(int64_t seconds, uint64_t rx, uint64_t tx) {
  v1::WatchStatsResponse frame;
  frame.mutable_monotonic_time()->set_seconds(seconds);
  for (const char* name : {"sessions/a", "sessions/b"}) {
    v1::Session& session = *frame.add_samples();
    session.set_name(name);
    session.set_dialer("edge");
    session.set_remote_address("203.0.113.7:1");
    session.mutable_path()->mutable_smoothed_rtt()->set_nanos(112'000'000);
    session.mutable_path()->set_waste_ratio(1.02);
    session.mutable_counters()->set_rx_bytes(rx);
    session.mutable_counters()->set_tx_bytes(session.name() == "sessions/b" ? 2 * tx : tx);
    session.mutable_counters()->set_tx_segments(tx);
    session.mutable_counters()->set_lost_packets(tx / 100);
  }
  frame.set_end_of_frame(true);
  return frame;
}

TEST(Top, ShowsFramesWithRatesOnAPipe) {
  FakeDaemon daemon;
  daemon.daemon.mutable_uptime()->set_seconds(3 * 86400 + 7200);
  daemon.stats = {Frame(1, 0, 0), Frame(2, 2'275'000, 1'000'000), Frame(3, 2'275'000, 1'000'000)};
  const Answer answer = daemon.Run({"top", "-n", "1", "--interval", "1s"});
  EXPECT_EQ(answer.out,
            "CULVERTD edge-0  up 3d2h  sessions 2  rx 36.4Mb/s  tx 24.0Mb/s  (every 1s, by tx)\n"
            "SESSION  OWNER    REMOTE         RTT    RX/s    TX/s    LOSS  RETRANSMIT  WASTE\n"
            "b        dl/edge  203.0.113.7:1  112ms  18.2Mb  16.0Mb  1.0%  0.0%        1.02\n"
            "a        dl/edge  203.0.113.7:1  112ms  18.2Mb  8.0Mb   1.0%  0.0%        1.02\n");
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(daemon.last_watch.interval().seconds(), 1);
}

TEST(Top, ShowsStreamsAndMigrationsWhereThereIsQuic) {
  FakeDaemon daemon;
  daemon.stats = {Frame(1, 0, 0), Frame(2, 1, 1)};
  for (v1::WatchStatsResponse& frame : daemon.stats) {
    v1::Session& session = *frame.mutable_samples(0);
    session.set_transport(v1::TRANSPORT_QUIC);
    session.set_open_streams(3);
    session.set_max_streams(100);
    session.mutable_path()->set_migrations(1);
  }
  const std::string out = daemon.Run({"top", "-n", "1"}).out;
  EXPECT_NE(out.find("WASTE  STREAMS  MIGRATIONS\n"), std::string::npos) << out;
  EXPECT_NE(out.find("1.02   3/100    1\n"), std::string::npos) << out;
  EXPECT_NE(out.find("1.02   -        -\n"), std::string::npos) << out;
}

v1::WatchStatsResponse OtherFrame(int64_t seconds, uint64_t bytes) {
  v1::WatchStatsResponse frame;
  frame.mutable_monotonic_time()->set_seconds(seconds);
  frame.mutable_wall_time()->set_seconds(1'700'000'000 + seconds);
  frame.set_end_of_frame(true);
  const auto count = [bytes](v1::Counters& counters, uint64_t times) {
    counters.set_rx_bytes(bytes);
    counters.set_tx_bytes(bytes * times);
  };
  for (const uint64_t number : {1, 2}) {
    v1::Stream& stream = *frame.add_streams();
    stream.set_name("sessions/k3/streams/" + std::to_string(number));
    stream.set_forward("pg");
    stream.set_source("10.0.1.5:40112");
    if (number == 1) stream.set_destination("db:5432\x1b[2J");
    stream.mutable_open_time()->set_seconds(1'700'000'000 + seconds - 61);
    count(*stream.mutable_counters(), number);
    v1::UdpFlow& flow = *frame.add_udp_flows();
    flow.set_name("udpFlows/" + std::to_string(number));
    flow.set_forward("dns");
    flow.set_source("10.0.1.9:5353");
    flow.set_destination("10.9.0.2:53\n");
    flow.mutable_counters()->set_rx_dropped(number);
    count(*flow.mutable_counters(), number);
    v1::ForwardSample& forward = *frame.add_forwards();
    forward.set_name(number == 1 ? "pg" : "dns\x07");
    forward.set_udp_flows(number - 1);
    forward.mutable_counters()->set_active(7);
    forward.mutable_counters()->set_failed(3);
    count(*forward.mutable_counters(), number);
  }
  return frame;
}

// Only what was asked for, as a daemon answers.
std::vector<v1::WatchStatsResponse> Frames(Kind kind) {
  std::vector<v1::WatchStatsResponse> frames = {OtherFrame(1, 0), OtherFrame(2, 1'000'000)};
  for (v1::WatchStatsResponse& frame : frames) {
    if (kind != Kind::kStream) frame.clear_streams();
    if (kind != Kind::kUdpFlow) frame.clear_udp_flows();
    if (kind != Kind::kForward) frame.clear_forwards();
  }
  return frames;
}

TEST(Top, ShowsStreams) {
  FakeDaemon daemon;
  daemon.stats = Frames(Kind::kStream);
  const Answer answer = daemon.Run({"top", "streams", "-n", "1", "--forward", "pg"});
  EXPECT_EQ(answer.out,
            "CULVERTD edge-0  streams 2  rx 16.0Mb/s  tx 24.0Mb/s  (every 1s, by tx)\n"
            "STREAM  FORWARD  SOURCE          DESTINATION     RX/s   TX/s    AGE\n"
            "k3/2    pg       10.0.1.5:40112  <far-side>      8.0Mb  16.0Mb  1m\n"
            "k3/1    pg       10.0.1.5:40112  db:5432\\x1b[2J  8.0Mb  8.0Mb   1m\n");
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(daemon.last_watch.scope(), v1::WatchStatsRequest::SCOPE_STREAMS);
  EXPECT_EQ(daemon.last_watch.forward(), "pg");
}

TEST(Top, ShowsFlows) {
  FakeDaemon daemon;
  daemon.stats = Frames(Kind::kUdpFlow);
  EXPECT_EQ(daemon.Run({"top", "udp", "-n", "1", "--sort", "name"}).out,
            "CULVERTD edge-0  udpflows 2  rx 16.0Mb/s  tx 24.0Mb/s  (every 1s, by name)\n"
            "FLOW  FORWARD  SOURCE         DESTINATION    RX/s   TX/s    DROPPED\n"
            "1     dns      10.0.1.9:5353  10.9.0.2:53\\n  8.0Mb  8.0Mb   1\n"
            "2     dns      10.0.1.9:5353  10.9.0.2:53\\n  8.0Mb  16.0Mb  2\n");
  EXPECT_EQ(daemon.last_watch.scope(), v1::WatchStatsRequest::SCOPE_UDP_FLOWS);
}

TEST(Top, ShowsForwards) {
  FakeDaemon daemon;
  daemon.stats = Frames(Kind::kForward);
  EXPECT_EQ(daemon.Run({"top", "fwd", "-n", "1"}).out,
            "CULVERTD edge-0  forwards 2  rx 16.0Mb/s  tx 24.0Mb/s  (every 1s, by tx)\n"
            "FORWARD  RX/s   TX/s    OPEN  FLOWS  FAILED\n"
            "dns\\x07  8.0Mb  16.0Mb  7     1      3\n"
            "pg       8.0Mb  8.0Mb   7     0      3\n");
  EXPECT_EQ(daemon.last_watch.scope(), v1::WatchStatsRequest::SCOPE_FORWARDS);
}

TEST(Top, SortsAndFilters) {
  FakeDaemon daemon;
  daemon.stats = {Frame(1, 0, 0), Frame(2, 1, 1)};
  const Answer answer = daemon.Run({"top", "ses", "-n", "1", "--sort", "name", "--dialer", "edge", "--no-headers"});
  EXPECT_LT(answer.out.find("\na "), answer.out.find("\nb ")) << answer.out;
  EXPECT_EQ(daemon.last_watch.dialer(), "edge");
}

TEST(Top, EndsWithTheDaemon) {
  FakeDaemon daemon;
  daemon.stats = {Frame(1, 0, 0)};
  const Answer answer = daemon.Run({"top"});
  EXPECT_EQ(answer.err, "error: culvertd is stopping (DAEMON_STOPPING)\n");
  EXPECT_EQ(answer.code, 5);
}

TEST(Top, PrintsMessagesAsJsonLines) {
  FakeDaemon daemon;
  daemon.stats = {Frame(1, 0, 0), Frame(2, 1, 1)};
  const Answer answer = daemon.Run({"top", "-n", "2", "-o", "json"});
  EXPECT_EQ(std::count(answer.out.begin(), answer.out.end(), '\n'), 2);
  EXPECT_EQ(answer.code, 0);
}

TEST(Top, RefusesBadSettings) {
  FakeDaemon daemon;
  EXPECT_EQ(daemon.Run({"top", "--interval", "10ms"}).err, "error: --interval: 100ms to 1h\n");
  EXPECT_EQ(daemon.Run({"top", "--sort", "los"}).err,
            "error: --sort: one of tx, rx, rtt, loss, name (did you mean loss?)\n");
  EXPECT_EQ(daemon.Run({"top", "listeners"}).err,
            "error: top shows sessions, streams, udpflows or forwards\nnext: culvertctl top --help\n");
  EXPECT_EQ(daemon.Run({"top", "ses", "str"}).code, 2);
  EXPECT_EQ(daemon.Run({"top", "steams"}).err,
            "error: unknown kind \"steams\" (did you mean streams?)\nnext: culvertctl top --help\n");
  EXPECT_EQ(daemon.Run({"top", "str", "--sort", "rtt"}).err, "error: --sort: one of tx, rx, name\n");
}

}  // namespace
}  // namespace culvert::cli
