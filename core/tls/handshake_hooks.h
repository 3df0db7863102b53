// What BoringSSL asks us during a handshake, and the state of one connection that answers need.
#pragma once

#include <cstdint>
#include <string>

#include "core/tls/peer_verification.h"
#include "core/tls/session_cache.h"
#include "core/tls/tls_connection.h"
#include "core/tls/tls_context_impl.h"

namespace culvert::tls {

// Of one connection. The pointers outlive it.
struct HandshakeState {
  const TlsContext::Impl* context = nullptr;
  SessionCache* cache = nullptr;
  int64_t (*wall_clock)() = nullptr;
  std::string server_name;      // client: whom it means to reach
  std::string rejection;        // why the peer was rejected; empty: it was not
  std::string offered_alpn;     // server: what the client offered, when nothing of it is ours
  bool has_common_alpn = true;  // server
  // Server with early data: whether a ClientHello with this random, which each one draws anew, may bring some. nullptr: none may.
  bool (*admits_early_data)(void* owner, ByteView random) = nullptr;
  void* early_data_owner = nullptr;
};

// Ties `state` to `ssl` for the hooks; it must outlive it.
void SetHandshakeState(SSL* ssl, HandshakeState& state);

// Asks for the server's name and offers a ticket of the cache, if there is one. False: the name cannot be sent.
bool PrepareClient(SSL* ssl, HandshakeState& state);
// For a server once the handshake is done: a ticket proves who the client was. Whether it is still welcome (its certificate may have
// expired) BoringSSL does not ask. 0: it is, or need not be judged again; else the alert, and `state.rejection` says why.
[[nodiscard]] uint8_t JudgeResumedClient(SSL* ssl, HandshakeState& state);
// What is known of a finished handshake.
TlsInfo DescribeHandshake(SSL* ssl, const HandshakeState& state);

// Under which a connection's tickets are cached: equal for connections that trust and verify alike.
std::string TicketKey(const HandshakeState& state);

// Judges the peer's certificates by the context's rules. Empty `rejection` afterwards: accepted. Otherwise it returns
// the alert to send.
uint8_t JudgePeer(SSL* ssl, HandshakeState& state);

// Installs verification, ALPN and tickets in the context's SSL_CTX. The context must not move afterwards.
void InstallHooks(TlsContext::Impl& context);

}  // namespace culvert::tls
