#include "core/crypto/aes_gcm.h"

#include <algorithm>

#include "core/crypto/sha256.h"

namespace culvert {

Aes128Key Aes128KeyFromSeed(std::string_view seed) {
  auto digest = Sha256(AsBytes(seed));
  Aes128Key key;
  std::copy_n(digest.begin(), key.span().size(), key.span().begin());
  SecureErase(digest);
  return key;
}

Aead Aes128GcmFromSeed(std::string_view seed) { return Aead::Aes128Gcm(Aes128KeyFromSeed(seed).view()); }

}  // namespace culvert
