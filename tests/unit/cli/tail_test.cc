// tap and logs.
#include <cstdlib>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/unit/cli/fake_daemon.h"

namespace culvert::cli {
namespace {

class Tails : public testing::Test {
 protected:
  void SetUp() override { ::setenv("TZ", "UTC", 1); }

  v1::TapRecord& Ended(const std::string& forward) {
    v1::TapRecord& record = *daemon_.taps.emplace_back().mutable_record();
    record.mutable_time()->set_seconds(12 * 3600 + 67);
    record.mutable_time()->set_nanos(114'000'000);
    record.set_kind(v1::TapRecord::KIND_STREAM);
    record.set_verdict(v1::TapRecord::VERDICT_CLOSED);
    record.set_reason("FINISHED");
    record.set_forward(forward);
    record.set_session("sessions/k3f9q2");
    record.set_source("10.0.1.5:40112");
    record.set_destination("db.internal:5432");
    record.mutable_duration()->set_seconds(4);
    record.mutable_counters()->set_rx_bytes(12 << 10);
    return record;
  }
  FakeDaemon daemon_;
};

TEST_F(Tails, TapShowsWhatEndedAndWhatWasLostInItsPlace) {
  Ended("pg");
  v1::LostRecords& lost = *daemon_.taps.emplace_back().mutable_lost();
  lost.set_records(214);
  lost.set_cause(v1::LostRecords::CAUSE_RATE_LIMIT);
  v1::TapRecord& refused = Ended("dns");
  refused.set_kind(v1::TapRecord::KIND_UDP_FLOW);
  refused.set_verdict(v1::TapRecord::VERDICT_REFUSED);
  refused.set_reason("DIAL_FAILED");
  refused.set_message("no \x1b[31manswer");
  const Answer answer = daemon_.Run({"tap"});
  EXPECT_EQ(answer.out,
            "TIME          VERDICT  KIND  SOURCE          DESTINATION       FORWARD  SESSION  RX     TX  FOR   REASON\n"
            "12:01:07.114  CLOSED   tcp   10.0.1.5:40112  db.internal:5432  pg       k3f9q2   12KiB  0B  4.0s  FINISHED\n"
            "-- 214 records lost (rate limit: --rate) --\n"
            "12:01:07.114  REFUSED  udp   10.0.1.5:40112  db.internal:5432  dns      k3f9q2   12KiB  0B  4.0s  "
            "DIAL_FAILED: no \\x1b[31manswer\n");
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_FALSE(daemon_.last_tap.has_last());
  EXPECT_FALSE(daemon_.last_tap.follow());
}

TEST_F(Tails, TapAsksForWhatTheFlagsSay) {
  const Answer answer =
      daemon_.Run({"tap", "-f", "--last", "20", "--since", "10m", "--rate", "5", "--forward", "pg", "--filter", "verdict!=CLOSED"});
  EXPECT_EQ(answer.code, 5) << "the daemon stopped";
  EXPECT_TRUE(daemon_.last_tap.follow());
  EXPECT_EQ(daemon_.last_tap.last(), 20);
  EXPECT_EQ(daemon_.last_tap.since().seconds(), 600);
  EXPECT_EQ(daemon_.last_tap.max_per_second(), 5);
  EXPECT_EQ(daemon_.last_tap.filter(), "forward=pg AND (verdict!=CLOSED)");
}

TEST_F(Tails, TapPrintsMessagesAsJsonLines) {
  Ended("pg");
  Ended("dns");
  for (const char* format : {"json", "jsonl"}) {
    const Answer answer = daemon_.Run({"tap", "-o", format});
    const size_t end = answer.out.find('\n');
    ASSERT_NE(end, std::string::npos);
    EXPECT_EQ(nlohmann::json::parse(answer.out.substr(0, end))["record"]["forward"], "pg");
    EXPECT_EQ(nlohmann::json::parse(answer.out.substr(end + 1))["record"]["forward"], "dns");
  }
}

TEST_F(Tails, TapSaysThatNothingEnded) {
  const Answer answer = daemon_.Run({"tap"});
  EXPECT_EQ(answer.out, "");
  EXPECT_EQ(answer.err, "nothing has ended\n");
  EXPECT_EQ(answer.code, 0);
}

TEST_F(Tails, LogsShowsLinesAsTheDaemonWritesThem) {
  v1::LogRecord& line = *daemon_.logs.emplace_back().mutable_record();
  line.mutable_time()->set_seconds(1);
  line.set_level(v1::LOG_LEVEL_WARNING);
  line.set_component("dial");
  line.set_message("no answer\r");
  (*line.mutable_fields())["peer"] = "10.0.0.1:4";
  (*line.mutable_fields())["dialer"] = "edge";
  EXPECT_EQ(daemon_.Run({"logs"}).out, "1970-01-01T00:00:01Z warning dial: no answer\\x0d dialer=edge peer=10.0.0.1:4\n");
  EXPECT_NE(daemon_.Run({"logs", "--color", "always"}).out.find("\x1b[33mwarning\x1b[0m"), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(daemon_.Run({"logs", "-o", "jsonl"}).out)["record"]["fields"]["dialer"], "edge");
}

TEST_F(Tails, LogsAsksForWhatTheFlagsSay) {
  daemon_.Run({"logs", "--level", "warn", "--component", "dial", "--filter", "message:refused", "--last", "3"});
  EXPECT_EQ(daemon_.last_logs.least_level(), v1::LOG_LEVEL_WARNING);
  EXPECT_EQ(daemon_.last_logs.filter(), "component=dial AND (message:refused)");
  EXPECT_EQ(daemon_.last_logs.last(), 3);
}

TEST_F(Tails, SayWhatIsWrong) {
  const std::pair<std::vector<std::string>, std::string> rows[] = {
      {{"tap", "--last", "-1"}, "error: --last: at least 0\n"},
      {{"tap", "--rate", "0"}, "error: --rate: 1 to 10000\n"},
      {{"tap", "--since", "soon"}, "error: --since: "},
      {{"tap", "--since", "-3s"}, "error: --since: "},
      {{"tap", "--forward", "a b"}, "error: --forward: \"a b\" is no name of a forward\n"},
      {{"tap", "-o", "yaml"}, "error: tap does not print -o yaml\nnext: culvertctl tap --help\n"},
      {{"tap", "-l", "a=b"}, "error: tap takes no -l\nnext: culvertctl tap --help\n"},
      {{"tap", "--dry-run"}, "error: tap takes no --dry-run\nnext: culvertctl tap --help\n"},
      {{"logs", "--level", "warnin"}, "error: --level: \"warnin\" is not one of error, warning, info, debug (did you mean warning?)\n"},
      {{"logs", "--component", "di al"}, "error: --component: \"di al\" is no component\n"},
  };
  for (const auto& [words, error] : rows) {
    const Answer answer = daemon_.Run(words);
    EXPECT_EQ(answer.err.substr(0, error.size()), error);
    EXPECT_EQ(answer.code, 2) << error;
    EXPECT_EQ(answer.out, "");
  }
}

}  // namespace
}  // namespace culvert::cli
