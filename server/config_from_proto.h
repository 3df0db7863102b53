// The one place where the API's messages become what workers run (config.h). Specs are validated before they come here.
// Thread: the control thread.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "server/config.h"
#include "server/object_table.h"

namespace culvert::server {

// The KCP settings of a listener or dialer. `file_seed`: the content of seed_file, when that is set.
// Copies of the seed made on the way are erased. Errors: INVALID_ARGUMENT, as KcpConfig::Create.
absl::StatusOr<std::shared_ptr<const kcp::KcpConfig>> ToKcpConfig(const v1::KcpSpec& spec,
                                                                 const std::optional<std::string>& file_seed);
// The QUIC settings of a listener or dialer. `file_key`: the content of outer.key_file, when that is set.
// Copies of the key made on the way are erased. Errors: INVALID_ARGUMENT, as QuicConfig::Create.
absl::StatusOr<std::shared_ptr<const quic::QuicConfig>> ToQuicConfig(const v1::QuicSpec& spec,
                                                                    const std::optional<std::string>& file_key);
HeaderType ToHeaderType(v1::PacketHeader header);
SocketOptions ToSocketOptions(const v1::SocketSpec& spec);

// `bound`: the address with its real port.
std::shared_ptr<const ListenerConfig> ToListenerConfig(const Entry& entry, const SocketAddress& bound);
std::shared_ptr<const DialerConfig> ToDialerConfig(const Entry& entry);
std::shared_ptr<const ForwardConfig> ToForwardConfig(const Entry& entry);

}  // namespace culvert::server
