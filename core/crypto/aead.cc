#include "core/crypto/aead.h"

#include <utility>

#include "core/base/check.h"
#include "core/crypto/boringssl.h"

#include <openssl/aead.h>
#include <openssl/err.h>
#include <openssl/mem.h>

namespace culvert {

// BoringSSL's context: the expanded key and the tables made from it.
struct Aead::Context {
  Context(const EVP_AEAD* algorithm, ByteView key) {
    CULVERT_CHECK(EVP_AEAD_CTX_init(&evp, algorithm, key.data(), key.size(), kTagSize, nullptr) == 1);
  }
  ~Context() {
    EVP_AEAD_CTX_cleanup(&evp);
    OPENSSL_cleanse(&evp, sizeof evp);  // cleaning up frees, but leaves the key schedule where it was
  }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  EVP_AEAD_CTX evp;
};

Aead::Aead(std::unique_ptr<Context> context) : context_(std::move(context)) {}
Aead::Aead(Aead&&) noexcept = default;
Aead& Aead::operator=(Aead&&) noexcept = default;
Aead::~Aead() = default;

Aead Aead::Aes128Gcm(ByteView key) {
  CULVERT_CHECK(key.size() == kAes128KeySize);
  return Aead(std::make_unique<Context>(EVP_aead_aes_128_gcm(), key));
}

Aead Aead::Chacha20Poly1305(ByteView key) {
  CULVERT_CHECK(key.size() == kChacha20Poly1305KeySize);
  return Aead(std::make_unique<Context>(EVP_aead_chacha20_poly1305(), key));
}

void Aead::SealInPlace(ByteView nonce, ByteSpan text, ByteSpan tag, ByteView associated_data) const {
  CULVERT_CHECK(nonce.size() == kNonceSize && tag.size() == kTagSize);
  size_t tag_size = 0;
  const int sealed = EVP_AEAD_CTX_seal_scatter(&context_->evp, text.data(), tag.data(), &tag_size, tag.size(),
                                               nonce.data(), nonce.size(), text.data(), text.size(), nullptr, 0,
                                               associated_data.data(), associated_data.size());
  // Only sizes can make it fail, and those are ours.
  CULVERT_CHECK(sealed == 1 && tag_size == kTagSize);
}

bool Aead::OpenInPlace(ByteView nonce, ByteSpan sealed, ByteView associated_data) const {
  CULVERT_CHECK(nonce.size() == kNonceSize);
  size_t size = 0;
  if (EVP_AEAD_CTX_open(&context_->evp, sealed.data(), &size, sealed.size(), nonce.data(), nonce.size(), sealed.data(),
                        sealed.size(), associated_data.data(), associated_data.size()) == 1) {
    return true;
  }
  // A failure leaves a note in this thread's error queue, where the next user of the library would take it for its own.
  ERR_clear_error();
  return false;
}

}  // namespace culvert
