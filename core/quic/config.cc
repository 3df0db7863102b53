#include "core/quic/config.h"

#include "absl/strings/str_format.h"

namespace culvert::quic {
namespace {

constexpr uint32_t kLeastPayload = 1200;           // RFC 9000 section 14
constexpr uint32_t kMostPayload = 1472;            // what an Ethernet frame holds of IPv4
constexpr uint32_t kMostPayloadInWrapper = 1452;   // one byte more ends a v2ray process (quirks Q1)
constexpr uint32_t kMostStreams = 65535;

std::unique_ptr<DatagramSealer> MakeSealer(const QuicOptions& options) {
  switch (options.outer_security) {
    case OuterSecurity::kAes128Gcm:
      return DatagramSealer::QuicAes128Gcm(options.outer_key);
    case OuterSecurity::kChacha20Poly1305:
      return DatagramSealer::QuicChacha20Poly1305(options.outer_key);
    case OuterSecurity::kNone:
      return nullptr;
  }
  return nullptr;
}

absl::Status CheckRange(const char* field, uint64_t value, uint64_t least, uint64_t most, const char* unit = "") {
  if (value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrFormat("quic.%s: %d%s is not in [%d%s, %d%s]", field, value, unit, least, unit, most, unit));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const QuicConfig>> QuicConfig::Create(const QuicOptions& options) {
  if (options.outer_security == OuterSecurity::kNone && !options.outer_key.empty()) {
    return absl::InvalidArgumentError("quic.outer.key: has no effect with security NONE");
  }
  const bool is_wrapped = options.outer_security != OuterSecurity::kNone || options.outer_header != HeaderType::kNone;
  const uint32_t most_payload = is_wrapped ? kMostPayloadInWrapper : kMostPayload;
  absl::Status status = CheckRange("max_streams_per_session", options.max_streams_per_session, 1, kMostStreams);
  status.Update(CheckRange("max_udp_payload_bytes", options.max_udp_payload_bytes, kLeastPayload, most_payload));
  status.Update(CheckRange("idle_timeout", static_cast<uint64_t>(ToMilliseconds(options.idle_timeout)), 5000, 600000, "ms"));
  status.Update(
      CheckRange("keepalive_interval", static_cast<uint64_t>(ToMilliseconds(options.keepalive_interval)), 1000, 300000, "ms"));
  if (!status.ok()) return status;
  if (options.keepalive_interval >= options.idle_timeout) {
    return absl::InvalidArgumentError(absl::StrFormat("quic.keepalive_interval: %dms is not below idle_timeout (%dms)",
                                                      ToMilliseconds(options.keepalive_interval),
                                                      ToMilliseconds(options.idle_timeout)));
  }

  std::shared_ptr<QuicConfig> config(new QuicConfig);
  config->sealer_ = MakeSealer(options);
  config->outer_header_ = options.outer_header;
  config->outer_overhead_bytes_ =
      static_cast<uint32_t>(HeaderSize(options.outer_header) + (config->sealer_ ? config->sealer_->overhead() : 0));
  config->inner_offset_bytes_ =
      static_cast<uint32_t>(HeaderSize(options.outer_header) + (config->sealer_ ? config->sealer_->prefix_size() : 0));
  config->max_streams_per_session_ = options.max_streams_per_session;
  config->max_udp_payload_bytes_ = options.max_udp_payload_bytes;
  config->idle_timeout_ = options.idle_timeout;
  config->keepalive_interval_ = options.keepalive_interval;
  config->congestion_control_ = options.congestion_control;
  config->datagrams_ = options.datagrams;
  config->migration_ = options.migration;
  config->early_data_ = options.early_data;
  return std::shared_ptr<const QuicConfig>(std::move(config));
}

}  // namespace culvert::quic
