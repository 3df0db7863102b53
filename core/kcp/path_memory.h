// PathMemory: what conversations learned about the way to a host, for those that begin there next. A new one then knows from its
// first datagram when an answer is overdue and whether the way loses much, instead of assuming (RFC 9040 shares the same state
// among TCP connections).
//
// A fixed number of places, found by a keyed hash of the address; a host that falls on another's place takes it over. Only
// conversations whose peer proved its address write here.
// Thread: owned by one worker.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/base/address.h"
#include "core/base/time.h"
#include "core/crypto/keyed_hash.h"

namespace culvert::kcp {

class PathMemory {
 public:
  static constexpr size_t kPlaces = 256;
  static constexpr Duration kLifetime = std::chrono::minutes(10);

  struct Path {
    Duration smoothed_rtt{};  // zero: unknown
    Duration rttvar{};
    double loss_rate = 0;     // of data segments, in [0, 1]; a first loss makes it high, those that follow show what it is
  };

  explicit PathMemory(const KeyedHash& hash) : hash_(hash) {}

  Path Find(TimePoint now, const IpAddress& host) const {
    if (places_.empty()) return {};
    const Place& place = places_[Index(host)];
    if (place.host != host || now - place.noted_at > kLifetime) return {};
    Path path{place.smoothed_rtt, place.rttvar, 0};
    if (place.lost > 0) path.loss_rate = static_cast<double>(place.lost) / static_cast<double>(std::max(place.segments, place.lost));
    return path;
  }

  // `segments` were sent since the last note of the same conversation, copies not counted, and `lost` of them lost.
  void Note(TimePoint now, const IpAddress& host, Duration smoothed_rtt, Duration rttvar, uint32_t segments, uint32_t lost) {
    if (places_.empty()) places_.resize(kPlaces);
    Place& place = places_[Index(host)];
    if (place.host != host || now - place.noted_at > kLifetime) place = {.host = host};
    place.smoothed_rtt = smoothed_rtt;
    place.rttvar = rttvar;
    place.noted_at = now;
    place.segments += segments;
    place.lost += lost;
    // What was long ago counts less.
    while (place.segments > kMostSegments) {
      place.segments /= 2;
      place.lost /= 2;
    }
  }

 private:
  static constexpr uint64_t kMostSegments = 4000;

  struct Place {
    IpAddress host;
    TimePoint noted_at{};
    Duration smoothed_rtt{};
    Duration rttvar{};
    uint64_t segments = 0;
    uint64_t lost = 0;
  };
  size_t Index(const IpAddress& host) const { return hash_(host.bytes()) % kPlaces; }

  const KeyedHash& hash_;
  std::vector<Place> places_;  // made with the first note
};

}  // namespace culvert::kcp
