#include "cli/watch/rates.h"

#include "gtest/gtest.h"

namespace culvert::cli {
namespace {

v1::WatchStatsResponse Frame(double seconds, std::vector<std::tuple<std::string, uint64_t, uint64_t>> sessions) {
  v1::WatchStatsResponse message;
  message.mutable_monotonic_time()->set_seconds(static_cast<int64_t>(seconds));
  message.mutable_monotonic_time()->set_nanos(static_cast<int32_t>((seconds - static_cast<int64_t>(seconds)) * 1e9));
  for (const auto& [name, rx, tx] : sessions) {
    v1::Session& session = *message.add_samples();
    session.set_name(name);
    session.mutable_counters()->set_rx_bytes(rx);
    session.mutable_counters()->set_tx_bytes(tx);
  }
  message.set_end_of_frame(true);
  return message;
}

TEST(Rates, DivideByTheDaemonsTime) {
  Rates rates;
  const auto first = rates.Add(Frame(100, {{"a", 1000, 0}}));
  ASSERT_TRUE(first);
  EXPECT_FALSE(first->has_rates);
  EXPECT_FALSE(first->sessions[0].has_rates);
  const auto second = rates.Add(Frame(100.5, {{"a", 2000, 500}, {"new", 7, 7}}));
  ASSERT_TRUE(second);
  EXPECT_TRUE(second->has_rates);
  EXPECT_DOUBLE_EQ(second->sessions[0].rx_bytes_per_second, 2000);
  EXPECT_DOUBLE_EQ(second->sessions[0].tx_bytes_per_second, 1000);
  EXPECT_FALSE(second->sessions[1].has_rates);
  EXPECT_DOUBLE_EQ(second->rx_bytes_per_second, 2000);
}

TEST(Rates, ASkippedFrameOnlyMakesTheIntervalLonger) {
  Rates rates;
  rates.Add(Frame(1, {{"a", 0, 0}}));
  EXPECT_DOUBLE_EQ(rates.Add(Frame(4, {{"a", 3000, 0}}))->sessions[0].rx_bytes_per_second, 1000);
}

TEST(Rates, AreOfStreamsFlowsAndForwardsToo) {
  const auto frame_at = [](int64_t seconds, uint64_t bytes) {
    v1::WatchStatsResponse message;
    message.mutable_monotonic_time()->set_seconds(seconds);
    message.mutable_wall_time()->set_seconds(1000 + seconds);
    for (v1::Counters* counters : {message.add_streams()->mutable_counters(), message.add_udp_flows()->mutable_counters(),
                                   message.add_forwards()->mutable_counters()})
      counters->set_rx_bytes(bytes);
    message.mutable_streams(0)->set_name("s");
    message.mutable_udp_flows(0)->set_name("u");
    message.mutable_forwards(0)->set_name("f");
    message.set_end_of_frame(true);
    return message;
  };
  Rates rates;
  EXPECT_EQ(rates.Add(frame_at(1, 0))->size(), 3u);
  const auto frame = rates.Add(frame_at(3, 2000));
  EXPECT_DOUBLE_EQ(frame->streams[0].rx_bytes_per_second, 1000);
  EXPECT_DOUBLE_EQ(frame->udp_flows[0].rx_bytes_per_second, 1000);
  EXPECT_DOUBLE_EQ(frame->forwards[0].rx_bytes_per_second, 1000);
  EXPECT_DOUBLE_EQ(frame->rx_bytes_per_second, 3000);
  EXPECT_EQ(frame->wall_seconds, 1003);
}

TEST(Rates, AFrameMaySpanMessages) {
  Rates rates;
  v1::WatchStatsResponse part = Frame(1, {{"a", 0, 0}});
  part.set_end_of_frame(false);
  EXPECT_FALSE(rates.Add(part));
  const auto frame = rates.Add(Frame(1, {{"b", 0, 0}}));
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->sessions.size(), 2u);
}

TEST(Rates, CountersThatGoBackAreNoRates) {
  Rates rates;
  rates.Add(Frame(1, {{"a", 1000, 0}}));
  EXPECT_DOUBLE_EQ(rates.Add(Frame(2, {{"a", 10, 0}}))->sessions[0].rx_bytes_per_second, 0);
}

TEST(Rates, TimeThatStandsStillGivesNone) {
  Rates rates;
  rates.Add(Frame(1, {{"a", 1000, 0}}));
  EXPECT_FALSE(rates.Add(Frame(1, {{"a", 2000, 0}}))->has_rates);
}

TEST(Rates, LossIsOfTheInterval) {
  Rates rates;
  v1::WatchStatsResponse frame = Frame(1, {{"a", 0, 0}});
  frame.mutable_samples(0)->mutable_counters()->set_tx_segments(1000);
  frame.mutable_samples(0)->mutable_counters()->set_lost_packets(500);
  rates.Add(frame);
  frame.mutable_monotonic_time()->set_seconds(2);
  EXPECT_FALSE(rates.Add(frame)->sessions[0].loss);  // nothing was sent since
  frame.mutable_monotonic_time()->set_seconds(3);
  frame.mutable_samples(0)->mutable_counters()->set_tx_segments(1100);
  frame.mutable_samples(0)->mutable_counters()->set_lost_packets(501);
  frame.mutable_samples(0)->mutable_counters()->set_retransmitted_packets(2);
  const auto last = rates.Add(frame);
  EXPECT_DOUBLE_EQ(*last->sessions[0].loss, 0.01);
  EXPECT_DOUBLE_EQ(*last->sessions[0].retransmit, 0.02);
}

TEST(Rates, SortIsStableByName) {
  Rates rates;
  rates.Add(Frame(1, {{"c", 0, 0}, {"a", 0, 0}, {"b", 0, 0}}));
  auto frame = rates.Add(Frame(2, {{"c", 0, 5}, {"a", 9, 5}, {"b", 0, 7}}));
  const auto names = [&frame](SortKey key) {
    Sort(*frame, key);
    return frame->sessions[0].subject.name() + frame->sessions[1].subject.name() + frame->sessions[2].subject.name();
  };
  EXPECT_EQ(names(SortKey::kTx), "bac");
  EXPECT_EQ(names(SortKey::kRx), "abc");
  EXPECT_EQ(names(SortKey::kName), "abc");
  EXPECT_EQ(names(SortKey::kLoss), "abc");
}

}  // namespace
}  // namespace culvert::cli
