// BoringSSL's side of a TlsContext, for .cc files of this folder.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "core/tls/boringssl_types.h"
#include "core/tls/peer_verification.h"
#include "core/tls/tls_context.h"

namespace culvert::tls {

struct TlsContext::Impl {
  Role role = Role::kClient;
  bssl::UniquePtr<SSL_CTX> ssl;
  std::optional<CertificateInfo> own_certificate;
  PeerRules rules;
  bool requires_peer_certificate = false;  // server
  std::string alpn;                        // for people: "h2, http/1.1"
  std::string alpn_wire;                   // as in the extension: each with its length in front
  // Of everything that decides whom these connections trust and who they are. Tickets are for connections of the same
  // one.
  std::array<uint8_t, 32> fingerprint{};
};

}  // namespace culvert::tls
