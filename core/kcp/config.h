// KcpOptions is what a user may set about mKCP; KcpConfig is what an endpoint needs. A KcpConfig that exists is valid.
// Source: spec/mkcp.md sections 1.3, 5 and 6; spec/quirks.md K9, K28, K29.
// Thread: immutable, shared between workers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/time.h"
#include "core/camouflage/packet_header.h"
#include "core/camouflage/sealed_datagram.h"
#include "core/congestion/congestion_controller.h"

namespace culvert::kcp {

enum class Profile : uint8_t { kV2ray, kXray };  // kXray: no authenticator at all
using CongestionControl = congestion::CongestionControl;

struct KcpOptions {
  Profile profile = Profile::kV2ray;
  HeaderType header = HeaderType::kNone;
  std::optional<std::string> seed;              // present, even if empty: AES-128-GCM; absent: v2ray's unkeyed check
  uint32_t mtu_bytes = 1232;                    // UDP payload, 576..1460
  Duration tick_interval = std::chrono::milliseconds(50);  // 10..100 ms
  uint64_t uplink_bytes_per_second = 0;         // 0: no cap of ours
  uint64_t downlink_bytes_per_second = 0;       // 0: no cap of ours
  CongestionControl congestion_control = CongestionControl::kBbr;  // kFixedRate: uplink_bytes_per_second is the rate
};

class KcpConfig {
 public:
  // Errors: INVALID_ARGUMENT, message "kcp.mtu_bytes: 100 is not in [576, 1460]".
  static absl::StatusOr<std::shared_ptr<const KcpConfig>> Create(const KcpOptions& options);

  const DatagramSealer& sealer() const { return *sealer_; }
  HeaderType header() const { return header_; }
  uint32_t mtu_bytes() const { return mtu_bytes_; }
  // Largest payload of one data segment: mtu - header - nonce - tag - 18 (K28: the nonce counts).
  uint32_t max_segment_payload_bytes() const { return max_segment_payload_bytes_; }
  Duration tick_interval() const { return tick_interval_; }
  uint64_t uplink_bytes_per_second() const { return uplink_bytes_per_second_; }
  CongestionControl congestion_control() const { return congestion_control_; }
  // Bounds of what we announce to the peer, in segments. The window starts at the first and grows to the second while the
  // application keeps up.
  uint32_t initial_receive_window_segments() const { return initial_receive_window_segments_; }
  uint32_t max_receive_window_segments() const { return max_receive_window_segments_; }
  // Unsent and unacknowledged data segments of one connection.
  uint32_t send_queue_segments() const { return send_queue_segments_; }
  // True when the peer cannot be told from an attacker: no seed, or an empty one.
  bool is_unkeyed() const { return is_unkeyed_; }

 private:
  KcpConfig() = default;

  std::unique_ptr<DatagramSealer> sealer_;
  HeaderType header_ = HeaderType::kNone;
  uint32_t mtu_bytes_ = 0;
  uint32_t max_segment_payload_bytes_ = 0;
  Duration tick_interval_{};
  uint64_t uplink_bytes_per_second_ = 0;
  CongestionControl congestion_control_ = CongestionControl::kBbr;
  uint32_t initial_receive_window_segments_ = 0;
  uint32_t max_receive_window_segments_ = 0;
  uint32_t send_queue_segments_ = 0;
  bool is_unkeyed_ = false;
};

}  // namespace culvert::kcp
