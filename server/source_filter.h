// SourceFilter: source addresses that a listener does not answer, because it would talk to itself or to everybody, or answers
// only now and then, because the datagram may be what somebody else's request was made to draw here (reflection). Sources that
// are refused always, like the ports of DNS and NTP, are the endpoint's business.
// Thread: confined to one worker. Source: reliability.md T15.
#pragma once

#include <array>
#include <cstdint>

#include "core/base/address.h"
#include "core/base/time.h"

namespace culvert::server {

class SourceFilter {
 public:
  // `local`: the address of the listener's socket.
  explicit SourceFilter(const SocketAddress& local) : local_(local) {}

  // False: drop the datagram (DropReason::kRefusedSource).
  [[nodiscard]] bool Admits(TimePoint now, const SocketAddress& source);

 private:
  // Ports of reflectors that ordinary clients may use as well: ten datagrams a second of each.
  static constexpr std::array<uint16_t, 4> kThrottledPorts = {3702, 5353, 5355, 11211};
  static constexpr uint32_t kThrottledPerSecond = 10;

  struct Throttle {
    TimePoint window_began{};
    uint32_t count = 0;
  };

  const SocketAddress local_;
  std::array<Throttle, kThrottledPorts.size()> throttles_{};
};

}  // namespace culvert::server
