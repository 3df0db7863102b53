#include "core/quic/handshake.h"

#include <ctime>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/check.h"
#include "core/tls/certificate_info.h"
#include "core/tls/failure_text.h"
#include "core/tls/session_cache_impl.h"

#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_boringssl.h>
#include <openssl/err.h>

namespace culvert::quic {
namespace {

int64_t SystemWallClock() { return std::time(nullptr); }

ngtcp2_conn* ConnOf(SSL* ssl) { return static_cast<ngtcp2_conn*>(SSL_get_app_data(ssl)); }

int OnReadSecret(SSL* ssl, ssl_encryption_level_t level, const SSL_CIPHER*, const uint8_t* secret, size_t size) {
  return ngtcp2_crypto_derive_and_install_rx_key(ConnOf(ssl), nullptr, nullptr, nullptr,
                                                 ngtcp2_crypto_boringssl_from_ssl_encryption_level(level), secret,
                                                 size) == 0;
}

int OnWriteSecret(SSL* ssl, ssl_encryption_level_t level, const SSL_CIPHER*, const uint8_t* secret, size_t size) {
  return ngtcp2_crypto_derive_and_install_tx_key(ConnOf(ssl), nullptr, nullptr, nullptr,
                                                 ngtcp2_crypto_boringssl_from_ssl_encryption_level(level), secret,
                                                 size) == 0;
}

int OnHandshakeData(SSL* ssl, ssl_encryption_level_t level, const uint8_t* data, size_t size) {
  const int result = ngtcp2_conn_submit_crypto_data(
      ConnOf(ssl), ngtcp2_crypto_boringssl_from_ssl_encryption_level(level), data, size);
  if (result != 0) ngtcp2_conn_set_tls_error(ConnOf(ssl), result);
  return result == 0;
}

int OnFlight(SSL*) { return 1; }

int OnAlert(SSL* ssl, ssl_encryption_level_t, uint8_t alert) {
  ngtcp2_conn_set_tls_alert(ConnOf(ssl), alert);
  return 1;
}

constexpr SSL_QUIC_METHOD kMethod = {OnReadSecret, OnWriteSecret, OnHandshakeData, OnFlight, OnAlert};

}  // namespace

Handshake::Handshake(const Options& options) : context_(options.context) {
  state_.context = &context_->impl();
  state_.cache = options.tickets;
  state_.wall_clock = options.wall_clock != nullptr ? options.wall_clock : SystemWallClock;
  state_.server_name = std::string(tls::BareName(options.server_name));
  ssl_.reset(SSL_new(state_.context->ssl.get()));
  CULVERT_CHECK(ssl_ != nullptr);
  SSL* ssl = ssl_.get();
  SSL_set_shed_handshake_config(ssl, 1);  // not needed afterwards
  tls::SetHandshakeState(ssl, state_);
  CULVERT_CHECK(SSL_set_quic_method(ssl, &kMethod) == 1);
  SSL_set_quic_use_legacy_codepoint(ssl, 0);
  if (context_->role() == tls::Role::kServer) {
    SSL_set_accept_state(ssl);
    if (options.early_data && !state_.context->requires_peer_certificate) {
      // Who must show a certificate is not heard before it was judged.
      SSL_set_early_data_enabled(ssl, 1);
      CULVERT_CHECK(SSL_set_quic_early_data_context(ssl, options.early_data_terms.data(), options.early_data_terms.size()) == 1);
      state_.admits_early_data = options.admits_early_data;
      state_.early_data_owner = options.early_data_owner;
    }
    return;
  }
  SSL_set_connect_state(ssl);
  // A name that cannot be sent is not sent; verification will say what is wrong with it.
  static_cast<void>(tls::PrepareClient(ssl, state_));
  const SSL_SESSION* ticket = SSL_get_session(ssl);
  if (options.early_data && ticket != nullptr && SSL_SESSION_early_data_capable(ticket)) {
    SSL_set_early_data_enabled(ssl, 1);
    offers_early_data_ = true;
  }
}

void Handshake::AttachTo(ngtcp2_conn* conn) {
  SSL_set_app_data(ssl_.get(), conn);
  ngtcp2_conn_set_tls_native_handle(conn, ssl_.get());
}

Handshake::Failure Handshake::TakeLocalFailure() {
  if (!state_.rejection.empty()) {
    ERR_clear_error();
    return {std::string(tls::TlsFailureName(tls::TlsFailure::kPeerRejected)), std::exchange(state_.rejection, {})};
  }
  if (!state_.has_common_alpn) {
    ERR_clear_error();
    return {std::string(tls::TlsFailureName(tls::TlsFailure::kProtocol)),
            absl::StrFormat("no common application protocol (ALPN): the peer offers %s; ours: %s", state_.offered_alpn,
                            state_.context->alpn)};
  }
  tls::Failure failure = tls::TakeFailure(state_.context->alpn, SSL_in_init(ssl_.get()) == 0);
  return {std::string(tls::TlsFailureName(failure.kind)), std::move(failure.message)};
}

Handshake::Failure Handshake::FailureFromAlert(uint8_t alert) {
  return {std::string(tls::TlsFailureName(tls::TlsFailure::kAlert)),
          absl::StrCat("the peer refused: alert ", tls::AlertName(alert))};
}

}  // namespace culvert::quic
