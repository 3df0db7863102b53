#include "core/kcp/config.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "core/kcp/segment.h"

namespace culvert::kcp {
namespace {

// What one connection may hold unsent and unacknowledged: about 20 MiB at the default MTU, reached only by paths that need it.
constexpr uint32_t kSendQueueSegments = 16384;
// v2ray sends up to 1554 segments without regard to the window; what does not fit costs it a timeout.
constexpr uint32_t kInitialReceiveWindow = 2048;
constexpr uint32_t kMaxReceiveWindow = 16384;

std::unique_ptr<DatagramSealer> MakeSealer(const KcpOptions& options) {
  if (options.profile == Profile::kXray) return DatagramSealer::Plain();
  if (options.seed.has_value()) return DatagramSealer::Aes128Gcm(*options.seed);
  return DatagramSealer::Simple();
}

// Window of spec section 6: what arrives at `rate` within one tick, at least 8. 0: no cap.
uint32_t WindowForRate(uint64_t bytes_per_second, uint32_t mtu, Duration tick) {
  const uint64_t ticks_per_second = 1000 / static_cast<uint64_t>(ToMilliseconds(tick));
  return static_cast<uint32_t>(
      std::clamp<uint64_t>(bytes_per_second / mtu / ticks_per_second, 8, kMaxReceiveWindow));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const KcpConfig>> KcpConfig::Create(const KcpOptions& options) {
  if (options.mtu_bytes < 576 || options.mtu_bytes > 1460) {
    return absl::InvalidArgumentError(absl::StrFormat("kcp.mtu_bytes: %d is not in [576, 1460]", options.mtu_bytes));
  }
  if (options.tick_interval < std::chrono::milliseconds(10) || options.tick_interval > std::chrono::milliseconds(100)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("kcp.tick_interval: %dms is not in [10ms, 100ms]", ToMilliseconds(options.tick_interval)));
  }
  if (options.profile == Profile::kXray && options.seed.has_value()) {
    return absl::InvalidArgumentError("kcp.seed: profile XRAY has no authenticator and takes no seed");
  }
  if (options.congestion_control == CongestionControl::kFixedRate && options.uplink_bytes_per_second == 0) {
    return absl::InvalidArgumentError("kcp.uplink_bytes_per_second: FIXED_RATE needs the rate to send at");
  }

  std::shared_ptr<KcpConfig> config(new KcpConfig);
  config->sealer_ = MakeSealer(options);
  config->header_ = options.header;
  config->mtu_bytes_ = options.mtu_bytes;
  // K28: the nonce counts. At most 13 + 28 + 18 bytes of 576, so this cannot underflow (K29).
  config->max_segment_payload_bytes_ = static_cast<uint32_t>(
      std::min(options.mtu_bytes - HeaderSize(options.header) - config->sealer_->overhead() - kDataHeadSize,
               kMaxSegmentPayload));
  config->tick_interval_ = options.tick_interval;
  config->uplink_bytes_per_second_ = options.uplink_bytes_per_second;
  config->congestion_control_ = options.congestion_control;
  config->max_receive_window_segments_ =
      options.downlink_bytes_per_second == 0
          ? kMaxReceiveWindow
          : WindowForRate(options.downlink_bytes_per_second, options.mtu_bytes, options.tick_interval);
  config->initial_receive_window_segments_ = std::min(kInitialReceiveWindow, config->max_receive_window_segments_);
  config->send_queue_segments_ = kSendQueueSegments;
  config->is_unkeyed_ = !options.seed.has_value() || options.seed->empty();
  return std::shared_ptr<const KcpConfig>(std::move(config));
}

}  // namespace culvert::kcp
