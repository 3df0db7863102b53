// What the subjects are measured over: a profile is one kind of path, with the durations that suit it.
#pragma once

#include <string>
#include <vector>

#include "core/base/time.h"

namespace culvert::bench {

enum class PathKind { kLoopback, kVeth, kEmulated };

struct Profile {
  std::string name;
  PathKind kind = PathKind::kLoopback;
  double rate_bits_per_second = 0;  // of IP bytes (veth: of Ethernet bytes); 0: unlimited
  Duration one_way_delay{};
  double loss = 0;        // mean, each direction
  double mean_burst = 1;  // packets lost in a row, in the mean; 1: independently
  // Measured in: one bulk stream from its connect call on, start-up included; "steady" is what follows `warm_up`.
  Duration bulk{};
  Duration warm_up{};
  Duration alone{};  // round trips without other load

  bool is_emulated() const { return kind == PathKind::kEmulated; }
  // Only where connections cost little is it interesting, and quick, to open a thousand.
  bool has_crowd() const { return !is_emulated(); }
};

// All of them, in the order of the report. `is_quick`: shorter windows.
std::vector<Profile> Profiles(bool is_quick);

// The waiting room of a link that has a rate, in bytes: one bandwidth-delay product of the round trip on emulated links
// (linkem's default), 10 ms on veth, where that product is nothing.
uint64_t QueueBytes(const Profile& profile);

}  // namespace culvert::bench
