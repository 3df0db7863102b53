// The rules of a quic block, and of a spec of transport QUIC, that no single field can state.
// Thread: any.
#pragma once

#include <string>
#include <vector>

#include "culvert/v1/config.pb.h"
#include "server/violation.h"

namespace culvert::server {

// A key below this length is warned about: it is hashed once, so a short one can be guessed offline.
inline constexpr size_t kShortKeyBytes = 12;

// `prefix`: of the spec. The transport is QUIC. Warnings: OUTER_KEY_PUBLIC, OUTER_KEY_SHORT, EARLY_DATA_REPLAY, ANYONE_MAY_CONNECT,
// INSECURE.
void CheckQuicListener(const v1::ListenerSpec& spec, const std::string& prefix, Violations& violations,
                       std::vector<v1::Warning>& warnings);
void CheckQuicDialer(const v1::DialerSpec& spec, const std::string& prefix, Violations& violations,
                     std::vector<v1::Warning>& warnings);
// What only QUIC has must not stand in the spec of another transport.
void CheckNoQuic(const v1::DialerSpec& spec, const std::string& prefix, Violations& violations);

// Whether the wrapper keeps out who does not have the key.
bool HasSecretOuterKey(const v1::QuicSpec& spec);
void WarnOfShortKey(size_t key_bytes, const std::string& path, std::vector<v1::Warning>& warnings);

}  // namespace culvert::server
