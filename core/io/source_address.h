// Which address of this machine the system would send from.
#pragma once

#include "absl/status/statusor.h"
#include "core/base/address.h"
#include "core/io/socket_options.h"

namespace culvert::io {

// The source that routing chooses now for datagrams to `peer` of a socket with `options`; nothing is sent. Errors: those of
// OpenSocket; UNAVAILABLE (UNREACHABLE) when there is no way to the peer.
absl::StatusOr<IpAddress> SourceAddressTo(const SocketAddress& peer, const SocketOptions& options);

}  // namespace culvert::io
