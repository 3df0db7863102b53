#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/unit/cli/fake_daemon.h"

namespace culvert::cli {
namespace {

class WhyTest : public testing::Test {
 protected:
  void SetUp() override {
    v1::Session& session = daemon_.sessions.emplace_back();
    session.set_name("sessions/k3f9q2");
    session.set_transport(v1::TRANSPORT_KCP);
    session.set_dialer("site-b");
    session.set_remote_address("203.0.113.7:4000");
    session.set_state(v1::STATE_ACTIVE);
    session.mutable_path()->mutable_smoothed_rtt()->set_nanos(100'000'000);
    session.mutable_path()->mutable_min_rtt()->set_nanos(90'000'000);
    session.mutable_path()->set_congestion_window_bytes(1'000'000);
    session.mutable_path()->set_bytes_in_flight(500'000);
    session.mutable_path()->set_pacing_bytes_per_second(2'500'000);
    session.mutable_counters()->set_tx_segments(1000);
    session.mutable_counters()->set_lost_packets(20);
    v1::Dialer& dialer = daemon_.dialers.emplace_back();
    dialer.mutable_metadata()->set_name("site-b");
    dialer.mutable_spec()->set_transport(v1::TRANSPORT_KCP);
  }

  // Two frames of the session: before, it was `earlier` in the limit of `grows`; since, it was so for two seconds more.
  void Frames(google::protobuf::Duration* (v1::TimeInLimit::*grows)(), int earlier = 0) {
    for (int frame = 0; frame < 2; ++frame) {
      v1::WatchStatsResponse& message = daemon_.stats.emplace_back();
      v1::Session& sample = *message.add_samples();
      sample = daemon_.sessions[0];
      v1::TimeInLimit& time = *sample.mutable_path()->mutable_time_in_limit();
      time.mutable_application()->set_seconds(10);
      (time.*grows)()->set_seconds(earlier + 2 * frame);
      message.set_end_of_frame(true);
    }
  }
  FakeDaemon daemon_;
};

TEST_F(WhyTest, ShowsWhatLimitsNowAndWhatDidAlways) {
  Frames(&v1::TimeInLimit::mutable_peer_window);
  const Answer answer = daemon_.Run({"why", "ses/k3f9q2"});
  EXPECT_EQ(answer.out,
            "session/k3f9q2  to the peer: session/k3f9q2  KCP  dl/site-b  203.0.113.7:4000  ACTIVE\n"
            "  LIMIT         LAST-2s                       ALWAYS\n"
            "  peer window    100.0%  ####################  16.7%\n"
            "  application      0.0%                        83.3%\n"
            "  congestion       0.0%                         0.0%\n"
            "  pacing           0.0%                         0.0%\n"
            "  buffer           0.0%                         0.0%\n"
            "  path down        0.0%                         0.0%\n"
            "\n"
            "The peer allowed no more: its reader is slow, or its window is small for this path.\n"
            "  the peer takes 0B more, 488.3KiB are under way\n"
            "  so much for a round trip of 100ms is 40.0Mb at most, however good the path\n"
            "next: at the far side: a faster reader, or a larger window: kcp.downlink_bytes_per_second=0 of a culvertd, downlinkCapacity of a v2ray\n");
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(daemon_.last_watch.session(), "k3f9q2");
  EXPECT_EQ(daemon_.last_watch.interval().seconds(), 2);
}

TEST_F(WhyTest, AdvisesAnotherControllerWhereLossIsTakenForCongestion) {
  daemon_.dialers[0].mutable_spec()->mutable_kcp()->set_congestion_control(v1::CONGESTION_CONTROL_CUBIC);
  Frames(&v1::TimeInLimit::mutable_congestion);
  const std::string out = daemon_.Run({"why", "ses/k3f9q2"}).out;
  EXPECT_NE(out.find("2.0% lost"), std::string::npos) << out;
  EXPECT_NE(out.find("a window of 976.6KiB and a round trip of 100ms make 80.0Mb at most"), std::string::npos) << out;
  EXPECT_NE(out.find("next: culvertctl set dl/site-b kcp.congestion_control=BBR\n"), std::string::npos) << out;
}

TEST_F(WhyTest, NamesTheCapThatIsReached) {
  daemon_.dialers[0].mutable_spec()->mutable_kcp()->set_uplink_bytes_per_second(2'500'000);
  Frames(&v1::TimeInLimit::mutable_pacing);
  const std::string out = daemon_.Run({"why", "dl/site-b"}).out;
  EXPECT_NE(out.find("the cap uplink_bytes_per_second is 20.0Mb"), std::string::npos) << out;
  EXPECT_NE(out.find("next: culvertctl set dl/site-b kcp.uplink_bytes_per_second=5000000"), std::string::npos) << out;
  EXPECT_EQ(daemon_.last_watch.dialer(), "site-b");
}

TEST_F(WhyTest, HasASentenceForEveryLimit) {
  const std::pair<google::protobuf::Duration* (v1::TimeInLimit::*)(), std::string> rows[] = {
      {&v1::TimeInLimit::mutable_application, "There was nothing to send"},
      {&v1::TimeInLimit::mutable_buffer, "All that fits into our send queue was sent"},
      {&v1::TimeInLimit::mutable_path_down, "Nothing was acknowledged any more"},
  };
  for (const auto& [limit, sentence] : rows) {
    daemon_.stats.clear();
    Frames(limit, 10);
    const std::string out = daemon_.Run({"explain-limit", "ses/k3f9q2"}).out;
    EXPECT_NE(out.find(sentence), std::string::npos) << out;
    EXPECT_NE(out.find("\nnext: "), std::string::npos) << out;
  }
}

TEST_F(WhyTest, TellsTheTwoDirectionsOfAStreamApart) {
  for (int frame = 0; frame < 2; ++frame) {
    v1::WatchStatsResponse& message = daemon_.stats.emplace_back();
    for (const char* number : {"0", "1"}) {
      v1::Stream& stream = *message.add_streams();
      stream.set_name(std::string("sessions/k3f9q2/streams/") + number);
      stream.set_session("sessions/k3f9q2");
      stream.set_far_session("sessions/other");
      stream.mutable_time_in_limit()->mutable_congestion()->set_seconds(5 + 2 * frame);
      stream.mutable_far_time_in_limit()->mutable_peer_window()->set_seconds(*number == '0' ? 2 * frame : 100);
    }
    message.set_end_of_frame(true);
  }
  const Answer answer = daemon_.Run({"why", "str/k3f9q2/0", "-o", "json"});
  const auto legs = nlohmann::json::parse(answer.out)["legs"];
  ASSERT_EQ(legs.size(), 2u) << answer.out;
  EXPECT_EQ(legs[0]["direction"], "to the destination");
  EXPECT_EQ(legs[0]["limitedBy"], "peer window");
  EXPECT_EQ(legs[0]["now"]["peer window"], 1.0);
  EXPECT_EQ(legs[0]["session"], "sessions/other");
  EXPECT_EQ(legs[1]["direction"], "to the source");
  EXPECT_EQ(legs[1]["limitedBy"], "congestion");
}

TEST_F(WhyTest, SaysWhenThereIsNothingToExplain) {
  v1::WatchStatsResponse message;
  message.set_end_of_frame(true);
  daemon_.stats = {message, message};
  const Answer idle = daemon_.Run({"why", "dl/site-b"});
  EXPECT_EQ(idle.code, 1);
  EXPECT_EQ(idle.err, "error: dialer/site-b has nothing that is sent over mKCP or QUIC now\nnext: culvertctl get ses shows which there are\n");
  EXPECT_EQ(daemon_.Run({"why", "dl/nope"}).code, 3);
  EXPECT_EQ(daemon_.Run({"why", "ses/nope"}).code, 3);
}

TEST_F(WhyTest, SaysWhatIsWrong) {
  const std::pair<std::vector<std::string>, std::string> rows[] = {
      {{"why"}, "error: a kind is wanted: "},
      {{"why", "ses"}, "error: one session, stream, forward, dialer or listener is wanted\n"},
      {{"why", "ses/a", "ses/b"}, "error: one session, stream, forward, dialer or listener is wanted\n"},
      {{"why", "udp/3"}, "error: why knows sessions, streams, forwards, dialers and listeners, not udpflows\n"},
      {{"why", "ses/a", "--over", "1ms"}, "error: --over: 100ms to 1h\n"},
      {{"why", "ses/a", "--over", "x"}, "error: --over: "},
  };
  for (const auto& [words, error] : rows) {
    const Answer answer = daemon_.Run(words);
    EXPECT_EQ(answer.err.substr(0, error.size()), error);
    EXPECT_EQ(answer.code, 2) << error;
  }
}

}  // namespace
}  // namespace culvert::cli
