#include "core/kcp/rtt_estimator.h"

#include <gtest/gtest.h>

namespace culvert::kcp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
constexpr TimePoint kStart{seconds(100)};

TEST(RttEstimator, FirstSampleSetsEverything) {
  RttEstimator rtt(milliseconds(50));
  EXPECT_EQ(rtt.rto(), RttEstimator::kInitialRto);
  rtt.AddSample(kStart, milliseconds(80));
  EXPECT_EQ(rtt.smoothed_rtt(), milliseconds(80));
  EXPECT_EQ(rtt.rttvar(), milliseconds(40));
  EXPECT_EQ(rtt.rto(), milliseconds(240));
}

TEST(RttEstimator, NeverBelowTheFloorHoweverFastThePath) {
  RttEstimator rtt(milliseconds(50));
  for (int i = 0; i < 100; ++i) rtt.AddSample(kStart, std::chrono::microseconds(50));  // K26
  EXPECT_EQ(rtt.rto(), milliseconds(100));
}

TEST(RttEstimator, PeerValueIsClampedAndNeedsThreeSecondsOfSilence) {
  RttEstimator rtt(milliseconds(50));
  rtt.AddSample(kStart, milliseconds(80));
  rtt.AdoptPeerRto(kStart + seconds(2), milliseconds(900));
  EXPECT_EQ(rtt.rto(), milliseconds(240));
  rtt.AdoptPeerRto(kStart + seconds(4), milliseconds(900));
  EXPECT_EQ(rtt.rto(), milliseconds(900));
  rtt.AdoptPeerRto(kStart + seconds(8), milliseconds(0));  // K11
  EXPECT_EQ(rtt.rto(), milliseconds(100));
  rtt.AdoptPeerRto(kStart + seconds(12), milliseconds(4294967295));
  EXPECT_EQ(rtt.rto(), seconds(10));
}

TEST(RttEstimator, ImpossibleSamplesAreIgnored) {
  RttEstimator rtt(milliseconds(50));
  rtt.AddSample(kStart, seconds(11));
  EXPECT_FALSE(rtt.has_sample());
}

}  // namespace
}  // namespace culvert::kcp
