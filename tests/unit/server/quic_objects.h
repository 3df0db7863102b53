// Objects of transport QUIC for tests.
#pragma once

#include <string>

#include "tests/unit/server/objects.h"

namespace culvert::server {

inline v1::Object QuicListener(const std::string& name, const std::string& more = "", const std::string& bind = "127.0.0.1:4433") {
  return ParseObject("listener { metadata { name: '" + name + "' } spec { transport: TRANSPORT_QUIC bind: '" + bind + "' " + more + " } }");
}
inline v1::Object QuicDialer(const std::string& name, const std::string& more = "insecure: true",
                             const std::string& target = "far.example:4433") {
  return ParseObject("dialer { metadata { name: '" + name + "' } spec { transport: TRANSPORT_QUIC targets: '" + target + "' " + more +
                     " } }");
}

inline const std::string kQuicPin = "pinned_spki: 'sha256/" + std::string(43, 'A') + "='";
// 28 bytes.
inline const std::string kOuter = "quic { outer { security: OUTER_SECURITY_AES_128_GCM key: 'correct horse battery staple' } }";

}  // namespace culvert::server
