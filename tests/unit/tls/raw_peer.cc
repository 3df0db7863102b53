#include "tests/unit/tls/raw_peer.h"

#include "core/tls/boringssl_types.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "core/base/check.h"
#include "core/tls/transport_bio.h"

namespace culvert::tls {

struct RawPeer::Impl {
  explicit Impl(Transport& transport) : bio(transport) {}
  TransportBio bio;
  bssl::UniquePtr<SSL_CTX> context;
  bssl::UniquePtr<SSL> ssl;
  std::string error;
};

RawPeer::RawPeer(const Options& options, Transport& transport) : impl_(std::make_unique<Impl>(transport)) {
  impl_->context.reset(SSL_CTX_new(TLS_method()));
  SSL_CTX* context = impl_->context.get();
  CULVERT_CHECK(SSL_CTX_set_max_proto_version(context, options.max_version));
  if (options.certificate != nullptr) {
    const auto bio_of = [](const std::string& text) {
      return bssl::UniquePtr<BIO>(BIO_new_mem_buf(text.data(), static_cast<ossl_ssize_t>(text.size())));
    };
    const bssl::UniquePtr<X509> leaf(
        PEM_read_bio_X509(bio_of(options.certificate->certificate_pem).get(), nullptr, nullptr, nullptr));
    const bssl::UniquePtr<EVP_PKEY> key(
        PEM_read_bio_PrivateKey(bio_of(options.certificate->private_key_pem).get(), nullptr, nullptr, nullptr));
    CULVERT_CHECK(SSL_CTX_use_certificate(context, leaf.get()) && SSL_CTX_use_PrivateKey(context, key.get()));
  }
  impl_->ssl.reset(SSL_new(context));
  impl_->bio.AttachTo(impl_->ssl.get());
  if (options.role == Role::kClient) {
    SSL_set_connect_state(impl_->ssl.get());
  } else {
    SSL_set_accept_state(impl_->ssl.get());
  }
}

RawPeer::~RawPeer() = default;

bool RawPeer::Advance() {
  if (SSL_do_handshake(impl_->ssl.get()) == 1) return true;
  if (const char* reason = ERR_reason_error_string(ERR_get_error()); reason != nullptr) impl_->error = reason;
  ERR_clear_error();
  return false;
}

bool RawPeer::Write(const std::string& bytes) {
  return SSL_write(impl_->ssl.get(), bytes.data(), static_cast<int>(bytes.size())) == static_cast<int>(bytes.size());
}

void RawPeer::SendKeyUpdate() {
  CULVERT_CHECK(SSL_key_update(impl_->ssl.get(), SSL_KEY_UPDATE_NOT_REQUESTED));
  SSL_write(impl_->ssl.get(), "", 0);
}

void RawPeer::SendAlert(uint8_t alert) { SSL_send_fatal_alert(impl_->ssl.get(), alert); }

std::string RawPeer::error() const { return impl_->error; }

}  // namespace culvert::tls
