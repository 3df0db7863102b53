// The arithmetic of the comparison: percentiles, medians with their spread, and what a link can carry at best.
// Thread: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace culvert::bench {

// The value below or at which `percent` of the samples lie, by nearest rank. NaN when there are none.
// REQUIRES: 0 < percent <= 100.
double Percentile(std::vector<double> samples, double percent);

// Median with least and most; of an even number of samples the mean of the middle two. NaN when there are none.
struct Spread {
  double median = 0;
  double least = 0;
  double most = 0;
};
Spread SpreadOf(std::vector<double> samples);

// How much of one wire packet is the application's: bytes of each, IP and everything above it included.
struct PacketShare {
  double payload_bytes = 0;
  double ip_bytes = 0;
  double share() const { return ip_bytes > 0 ? payload_bytes / ip_bytes : 0; }
};

// What a link delivers at most of a stream whose packets have this payload share, in Mbit/s of application bytes:
// rate (IP bytes) x (1 - loss) x payload share.
double CarriedMbit(double rate_bits_per_second, double loss, double payload_share);

// The mean loss of a Gilbert-Elliott channel that loses every packet of a burst, and the chance to enter a burst that
// gives such a mean when bursts last `mean_burst` packets. Source: stationary state of the two-state chain.
double BurstMeanLoss(double enter, double leave);
double BurstEnterFor(double mean_loss, double mean_burst);

// Seconds that are left when `done` of `planned` seconds of work took `elapsed`; before anything is done, the plan itself.
double SecondsLeft(double planned, double done, double elapsed);

}  // namespace culvert::bench
