#include "core/tls/handshake_hooks.h"

#include "core/base/check.h"
#include "core/tls/certificate_info.h"
#include "core/tls/session_cache_impl.h"

#include <openssl/err.h>

namespace culvert::tls {
namespace {

// BoringSSL's own place for what belongs to a connection; over QUIC there is no BIO to ask.
int StateIndex() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

HandshakeState& StateOf(const SSL* ssl) { return *static_cast<HandshakeState*>(SSL_get_ex_data(ssl, StateIndex())); }

ssl_select_cert_result_t OnClientHello(const SSL_CLIENT_HELLO* hello) {
  HandshakeState& state = StateOf(hello->ssl);
  if (state.admits_early_data != nullptr &&
      !state.admits_early_data(state.early_data_owner, ByteView(hello->random, hello->random_len))) {
    SSL_set_early_data_enabled(hello->ssl, 0);
  }
  return ssl_select_cert_success;
}

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

void SetHandshakeState(SSL* ssl, HandshakeState& state) { CULVERT_CHECK(SSL_set_ex_data(ssl, StateIndex(), &state) == 1); }

bool PrepareClient(SSL* ssl, HandshakeState& state) {
  // RFC 6066 section 3: no IP addresses in SNI.
  if (!state.server_name.empty() && !IsIpAddress(state.server_name) &&
      !SSL_set_tlsext_host_name(ssl, state.server_name.c_str())) {
    ERR_clear_error();
    return false;
  }
  if (state.cache == nullptr) return true;
  const bssl::UniquePtr<SSL_SESSION> ticket = state.cache->impl().Take(TicketKey(state));
  if (ticket != nullptr) CULVERT_CHECK(SSL_set_session(ssl, ticket.get()));
  return true;
}

uint8_t JudgeResumedClient(SSL* ssl, HandshakeState& state) {
  const TlsContext::Impl& rules = *state.context;
  const bool shows_certificate = SSL_get0_peer_certificates(ssl) != nullptr;
  if (rules.role != Role::kServer || !SSL_session_reused(ssl) || rules.rules.trust == nullptr) return 0;
  if (!shows_certificate && !rules.requires_peer_certificate) return 0;
  const uint8_t alert = JudgePeer(ssl, state);
  return state.rejection.empty() ? 0 : alert;
}

TlsInfo DescribeHandshake(SSL* ssl, const HandshakeState& state) {
  TlsInfo info;
  info.version = SSL_get_version(ssl);
  info.cipher = SSL_CIPHER_standard_name(SSL_get_current_cipher(ssl));
  info.resumed = SSL_session_reused(ssl) != 0;
  const uint8_t* alpn = nullptr;
  unsigned alpn_size = 0;
  SSL_get0_alpn_selected(ssl, &alpn, &alpn_size);
  info.alpn = Printable(AsText(ByteView(alpn, alpn_size)), 255);
  if (state.context->role == Role::kClient) {
    info.server_name = Printable(state.server_name, 255);
  } else if (const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name); name != nullptr) {
    info.server_name = Printable(name, 255);
  }
  const STACK_OF(CRYPTO_BUFFER)* chain = SSL_get0_peer_certificates(ssl);
  if (chain == nullptr || sk_CRYPTO_BUFFER_num(chain) == 0) return info;
  // With verification off it may be anything.
  const bssl::UniquePtr<X509> leaf = ParseCertificate(*sk_CRYPTO_BUFFER_value(chain, 0));
  if (leaf != nullptr) info.peer_name = DescribeCertificate(*leaf).subject;
  ERR_clear_error();
  return info;
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
    SSL_CTX_set_select_certificate_cb(ssl, OnClientHello);
    // Tickets hold all there is to know of a session; nothing is kept here.
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    if (!context.alpn_wire.empty()) SSL_CTX_set_alpn_select_cb(ssl, OnSelectAlpn, nullptr);
  }
  SSL_CTX_set_custom_verify(ssl, mode, OnVerify);
}

}  // namespace culvert::tls
