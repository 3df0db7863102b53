// What BoringSSL asks us during a handshake, and the state of one connection that answers need.
#pragma once

#include <cstdint>
#include <string>

#include "core/tls/peer_verification.h"
#include "core/tls/session_cache.h"
#include "core/tls/tls_context_impl.h"

namespace culvert::tls {

// Of one connection; the owner that TransportBio gives back. The pointers outlive it.
struct HandshakeState {
  const TlsContext::Impl* context = nullptr;
  SessionCache* cache = nullptr;
  int64_t (*wall_clock)() = nullptr;
  std::string server_name;      // client: whom it means to reach
  std::string rejection;        // why the peer was rejected; empty: it was not
  std::string offered_alpn;     // server: what the client offered, when nothing of it is ours
  bool has_common_alpn = true;  // server
};

// Under which a connection's tickets are cached: equal for connections that trust and verify alike.
std::string TicketKey(const HandshakeState& state);

// Judges the peer's certificates by the context's rules. Empty `rejection` afterwards: accepted. Otherwise it returns
// the alert to send.
uint8_t JudgePeer(SSL* ssl, HandshakeState& state);

// Installs verification, ALPN and tickets in the context's SSL_CTX. The context must not move afterwards.
void InstallHooks(TlsContext::Impl& context);

}  // namespace culvert::tls
