// The rules of a tls block that no single field can state, and how they depend on what it stands in. What files hold is
// judged where they are read (tls_files.h).
// Thread: any.
#pragma once

#include <string>
#include <vector>

#include "culvert/v1/config.pb.h"
#include "server/violation.h"

namespace culvert::server {

// `path`: of the block, "spec.tls". The transport is KCP or QUIC. Warnings: XTLS_WITHOUT_DIRECT_COPY, INSECURE.
void CheckListenerTls(const v1::TlsSpec& tls, const std::string& path, Violations& violations,
                      std::vector<v1::Warning>& warnings);
void CheckDialerTls(const v1::TlsSpec& tls, bool insecure, const std::string& path, Violations& violations,
                    std::vector<v1::Warning>& warnings);

// What every reader of an object with mode XTLS is told.
inline constexpr char kNoDirectCopy[] =
    "XTLS is taken as TLS 1.3 with session tickets, the same bytes on a raw stream; no direct-copy mode exists";
// And of a listener that nobody needs anything to get in at.
inline constexpr char kAnyoneMayConnect[] =
    "neither a secret seed nor require_peer_certificate: anyone who reaches the port can use it";
inline constexpr char kAnyoneMayConnectQuic[] =
    "neither a secret outer key nor tls with require_peer_certificate: anyone who reaches the port can use it";

}  // namespace culvert::server
