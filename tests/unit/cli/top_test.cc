#include <algorithm>

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
  EXPECT_EQ(daemon.Run({"top", "listeners"}).code, 2);
}

}  // namespace
}  // namespace culvert::cli
