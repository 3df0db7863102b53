#include "core/crypto/secret.h"

#include "core/crypto/boringssl.h"

#include <openssl/mem.h>

namespace culvert {

void SecureErase(ByteSpan bytes) { OPENSSL_cleanse(bytes.data(), bytes.size()); }

bool ConstantTimeEqual(ByteView a, ByteView b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace culvert
