// Why a datagram of a UDP flow was dropped. Each reason is one counter; none is ever logged per datagram.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace culvert::server {

enum class UdpDrop : uint8_t {
  kNone,
  kFiltered,        // a reply from who was not sent to
  kQueueFull,       // too many of this client wait
  kHubFull,         // too many of this listener wait
  kTunnelFull,      // too many wait for room in the tunnel
  kTooLong,         // more than can be carried whole
  kTruncated,       // the socket cut it
  kDenied,          // the destination may not be reached
  kResolveFailed,   // its name has no address
  kNoDestination,   // it has none, and the forward neither
  kNoForward,       // nothing takes flows there: no forward, or a paused one
  kNoWay,           // the way on could not be opened, or is gone
  kMalformed,       // its header cannot be understood
  kFragmented,      // SOCKS5: a part of one
  kForeignClient,   // SOCKS5: not from the client the port is for
  kLimit,           // no more sockets, names or flows
  kRefusedSource,   // a source address or port that is never answered
  kReceiveBuffer,   // the kernel's: we were too slow
  kSendFailed,      // the kernel did not take it
};
inline constexpr size_t kUdpDropCount = static_cast<size_t>(UdpDrop::kSendFailed) + 1;

// "queue_full"; kNone: empty. Static storage.
constexpr std::string_view UdpDropName(size_t drop) {
  constexpr std::string_view kNames[kUdpDropCount] = {
      "",        "filtered",       "queue_full",     "hub_full",   "tunnel_full", "too_long",  "truncated",  "denied",
      "resolve_failed", "no_destination", "no_forward", "no_way", "malformed",   "fragmented", "foreign_client", "limit",
      "refused_source", "receive_buffer", "send_failed"};
  return drop < kUdpDropCount ? kNames[drop] : std::string_view();
}

}  // namespace culvert::server
