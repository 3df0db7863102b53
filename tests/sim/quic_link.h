// QuicLink: one direction of the way between the ends of a QuicPair: a link with its faults, and what is beyond a link model: a
// black hole, a path MTU, marks of congestion, and addresses that travel with the datagrams.
// Thread: confined to one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/address.h"
#include "core/transport/datagram.h"
#include "tests/testing/delay_line.h"

namespace culvert::sim {

class QuicLink {
 public:
  QuicLink(const testing::LinkOptions& options, size_t ip_and_udp_bytes)
      : header_bytes_(ip_and_udp_bytes),
        faulty_(options),
        healthy_({.seed = options.seed,
                  .rate_bits_per_second = options.rate_bits_per_second,
                  .queue_bytes = 64 << 20,
                  .delay = options.delay}) {}

  // `address`: the far end's, as it is outside (the source on the way to the server, the destination on the way back).
  void Push(TimePoint now, const SocketAddress& address, ByteView datagram, Ecn ecn) {
    if (black_hole) return;
    if (datagram.size() + header_bytes_ > mtu) {
      ++too_big;
      return;
    }
    if (marks_from_bytes != 0 && ecn != Ecn::kNotEct && faulty_.model().BacklogBytes(now) > marks_from_bytes) ecn = Ecn::kCe;
    if (bleaches_ecn) ecn = Ecn::kNotEct;
    const uint64_t tag = uint64_t{Number(address)} << 8 | static_cast<uint64_t>(ecn);
    (healed_ ? healthy_ : faulty_).Push(now, datagram, header_bytes_, tag);
  }

  struct Arrived {
    ByteView packet;  // good until the next call
    SocketAddress address;
    Ecn ecn = Ecn::kNotEct;
  };
  std::optional<Arrived> Pop(TimePoint now) {
    for (testing::DelayLine* line : {&faulty_, &healthy_}) {
      if (const auto arrived = line->Pop(now)) {
        return Arrived{arrived->packet, addresses_[arrived->tag >> 8], static_cast<Ecn>(arrived->tag & 3)};
      }
    }
    return std::nullopt;
  }
  TimePoint NextDelivery() const {
    return std::min(faulty_.NextDelivery().value_or(kInfiniteFuture), healthy_.NextDelivery().value_or(kInfiniteFuture));
  }
  void Heal() { healed_ = true; }
  const testing::LinkOptions& options() const { return faulty_.model().options(); }
  // Of the link as it was before Heal.
  const testing::LinkCounters& counters() const { return faulty_.counters(); }

  bool black_hole = false;
  size_t mtu = 65535;             // IP bytes
  uint64_t marks_from_bytes = 0;  // datagrams that find so much waiting are marked; 0: none are
  bool bleaches_ecn = false;
  uint64_t too_big = 0;           // dropped for the MTU

 private:
  size_t Number(const SocketAddress& address) {
    const auto found = std::find(addresses_.begin(), addresses_.end(), address);
    if (found != addresses_.end()) return static_cast<size_t>(found - addresses_.begin());
    addresses_.push_back(address);
    return addresses_.size() - 1;
  }

  const size_t header_bytes_;
  testing::DelayLine faulty_;
  testing::DelayLine healthy_;
  std::vector<SocketAddress> addresses_;
  bool healed_ = false;
};

}  // namespace culvert::sim
