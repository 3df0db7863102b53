// QuicOptions is what a user may set about QUIC; QuicConfig is what an endpoint needs. A QuicConfig that exists is valid.
// Source: spec/quic.md sections 1, 3 and 7; reliability.md T25 and section 5.
// Thread: immutable, shared between workers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/time.h"
#include "core/camouflage/packet_header.h"
#include "core/camouflage/sealed_datagram.h"

namespace culvert::quic {

enum class OuterSecurity : uint8_t { kNone, kAes128Gcm, kChacha20Poly1305 };
enum class CongestionControl : uint8_t {
  kBbr,        // our own model, the one that serves mKCP
  kCubic,      // ngtcp2's, RFC 9438
  kNgtcp2Bbr,  // for comparison only; not to be had through the API
};

struct QuicOptions {
  // v2ray's datagram wrapper. With kNone and no header there is none.
  OuterSecurity outer_security = OuterSecurity::kNone;
  std::string outer_key;                          // any bytes; an empty key is a key (quirks K9). Only with an outer_security
  HeaderType outer_header = HeaderType::kNone;

  uint32_t max_streams_per_session = 256;         // 1..65535: that a peer may have open at once
  uint32_t max_udp_payload_bytes = 1452;          // 1200..1472: QUIC's own datagram, without the wrapper. Inside a wrapper at most 1452
  Duration idle_timeout = std::chrono::seconds(30);        // 5 s..10 min
  Duration keepalive_interval = std::chrono::seconds(10);  // while streams are open; 1 s..5 min, below idle_timeout
  CongestionControl congestion_control = CongestionControl::kBbr;
  bool datagrams = true;                          // RFC 9221
  bool migration = true;                          // live through changes of our own address; a peer's are always lived through
  bool early_data = false;                        // 0-RTT (RFC 9001 section 4.6): can be replayed within its limits
};

class QuicConfig {
 public:
  // Errors: INVALID_ARGUMENT, message "quic.max_udp_payload_bytes: 100 is not in [1200, 1472]". The text holds no byte of the key.
  static absl::StatusOr<std::shared_ptr<const QuicConfig>> Create(const QuicOptions& options);

  // nullptr: no AEAD around the datagrams.
  const DatagramSealer* sealer() const { return sealer_.get(); }
  HeaderType outer_header() const { return outer_header_; }
  // Bytes that the wrapper adds: header, nonce and tag.
  uint32_t outer_overhead_bytes() const { return outer_overhead_bytes_; }
  // Of which so many stand in front of QUIC's bytes.
  uint32_t inner_offset_bytes() const { return inner_offset_bytes_; }
  uint32_t max_streams_per_session() const { return max_streams_per_session_; }
  uint32_t max_udp_payload_bytes() const { return max_udp_payload_bytes_; }
  Duration idle_timeout() const { return idle_timeout_; }
  Duration keepalive_interval() const { return keepalive_interval_; }
  CongestionControl congestion_control() const { return congestion_control_; }
  bool datagrams() const { return datagrams_; }
  bool migration() const { return migration_; }
  bool early_data() const { return early_data_; }

 private:
  QuicConfig() = default;

  std::unique_ptr<DatagramSealer> sealer_;
  HeaderType outer_header_ = HeaderType::kNone;
  uint32_t outer_overhead_bytes_ = 0;
  uint32_t inner_offset_bytes_ = 0;
  uint32_t max_streams_per_session_ = 0;
  uint32_t max_udp_payload_bytes_ = 0;
  Duration idle_timeout_{};
  Duration keepalive_interval_{};
  CongestionControl congestion_control_ = CongestionControl::kBbr;
  bool datagrams_ = true;
  bool migration_ = true;
  bool early_data_ = false;
};

}  // namespace culvert::quic
