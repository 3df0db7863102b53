#include "core/tls/handshake_hooks.h"

#include "core/base/check.h"
#include "core/tls/certificate_info.h"
#include "core/tls/session_cache_impl.h"
#include "core/tls/transport_bio.h"

namespace culvert::tls {
namespace {

HandshakeState& StateOf(const SSL* ssl) { return *static_cast<HandshakeState*>(TransportBio::OwnerOf(ssl)); }

ssl_verify_result_t OnVerify(SSL* ssl, uint8_t* alert) {
  HandshakeState& state = StateOf(ssl);
  *alert = JudgePeer(ssl, state);
  return state.rejection.empty() ? ssl_verify_ok : ssl_verify_invalid;
}

// Calls `visit` with each name of a list in the extension's form, until it returns true.
template <typename Visit>
bool ForEachName(ByteView list, Visit visit) {
  ByteReader reader(list);
  while (reader.remaining() > 0) {
    const ByteView name = reader.ReadBytes(reader.ReadU8());
    if (!reader.ok()) return false;
    if (visit(name)) return true;
  }
  return false;
}

// Ours are in order of preference; the client's order does not count, as with v2ray.
int OnSelectAlpn(SSL* ssl, const uint8_t** out, uint8_t* out_size, const uint8_t* in, unsigned in_size, void*) {
  HandshakeState& state = StateOf(ssl);
  const ByteView offered(in, in_size);
  const bool found = ForEachName(AsBytes(state.context->alpn_wire), [&](ByteView own) {
    return ForEachName(offered, [&](ByteView name) {
      if (AsText(name) != AsText(own)) return false;
      *out = name.data();
      *out_size = static_cast<uint8_t>(name.size());
      return true;
    });
  });
  if (found) return SSL_TLSEXT_ERR_OK;
  state.has_common_alpn = false;
  std::string names;
  ForEachName(offered, [&](ByteView name) {
    names += (names.empty() ? "" : ", ") + Printable(AsText(name), 32);
    return names.size() > 128;
  });
  state.offered_alpn = std::move(names);
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

// Takes `session` over when it returns 1.
int OnNewTicket(SSL* ssl, SSL_SESSION* session) {
  HandshakeState& state = StateOf(ssl);
  if (state.cache == nullptr) return 0;
  state.cache->impl().Put(TicketKey(state), bssl::UniquePtr<SSL_SESSION>(session));
  return 1;
}

}  // namespace

std::string TicketKey(const HandshakeState& state) {
  return std::string(AsText(state.context->fingerprint)) + state.server_name;
}

uint8_t JudgePeer(SSL* ssl, HandshakeState& state) {
  PeerVerdict verdict =
      VerifyPeer(state.context->rules, SSL_get0_peer_certificates(ssl), state.server_name, state.wall_clock());
  CULVERT_CHECK(verdict.accepted == verdict.message.empty());
  state.rejection = std::move(verdict.message);
  return verdict.alert;
}

void InstallHooks(TlsContext::Impl& context) {
  SSL_CTX* ssl = context.ssl.get();
  int mode = SSL_VERIFY_NONE;
  if (context.role == Role::kClient) {
    // Always, so that pins hold even where nothing else is verified.
    mode = SSL_VERIFY_PEER;
    // A certificate may have expired since the ticket was given.
    SSL_CTX_set_reverify_on_resume(ssl, 1);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ssl, OnNewTicket);
    if (!context.alpn_wire.empty()) {
      const ByteView list = AsBytes(context.alpn_wire);
      CULVERT_CHECK(SSL_CTX_set_alpn_protos(ssl, list.data(), static_cast<unsigned>(list.size())) == 0);
    }
  } else {
    if (context.rules.trust != nullptr) mode = SSL_VERIFY_PEER;
    if (context.requires_peer_certificate) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    // Tickets hold all there is to know of a session; nothing is kept here.
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    if (!context.alpn_wire.empty()) SSL_CTX_set_alpn_select_cb(ssl, OnSelectAlpn, nullptr);
  }
  SSL_CTX_set_custom_verify(ssl, mode, OnVerify);
}

}  // namespace culvert::tls
