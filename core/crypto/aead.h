// Authenticated encryption in place, with the key set up once and no allocation per datagram.
// Errors: opening fails as a whole; nothing says why, and no unauthenticated byte is left behind.
// Thread: immutable after construction; seal and open may run on any number of threads at once.
#pragma once

#include <cstddef>
#include <memory>

#include "core/base/bytes.h"

namespace culvert {

class Aead {
 public:
  static constexpr size_t kNonceSize = 12;
  static constexpr size_t kTagSize = 16;
  static constexpr size_t kAes128KeySize = 16;
  static constexpr size_t kChacha20Poly1305KeySize = 32;

  // REQUIRES: key.size() == kAes128KeySize. The key is copied; the copy is erased with the object.
  static Aead Aes128Gcm(ByteView key);
  // As above for ChaCha20-Poly1305 (RFC 8439). REQUIRES: key.size() == kChacha20Poly1305KeySize.
  static Aead Chacha20Poly1305(ByteView key);

  Aead(Aead&&) noexcept;
  Aead& operator=(Aead&&) noexcept;
  ~Aead();

  // Replaces `text` by its ciphertext and writes the tag. A nonce must never be used twice with one key: draw it at
  // random or count. REQUIRES: nonce.size() == kNonceSize, tag.size() == kTagSize, the spans do not overlap.
  void SealInPlace(ByteView nonce, ByteSpan text, ByteSpan tag, ByteView associated_data = {}) const;

  // `sealed` is ciphertext || tag. True: its first sealed.size() - kTagSize bytes are the plaintext now. False: it was
  // not made with this key, nonce and associated data, and its content is unspecified (no plaintext).
  // REQUIRES: nonce.size() == kNonceSize.
  [[nodiscard]] bool OpenInPlace(ByteView nonce, ByteSpan sealed, ByteView associated_data = {}) const;

 private:
  struct Context;
  explicit Aead(std::unique_ptr<Context> context);

  std::unique_ptr<Context> context_;
};

}  // namespace culvert
