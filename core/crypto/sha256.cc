#include "core/crypto/sha256.h"

#include "core/crypto/boringssl.h"

#include <openssl/sha.h>

namespace culvert {

std::array<uint8_t, kSha256Size> Sha256(ByteView bytes) {
  static_assert(kSha256Size == SHA256_DIGEST_LENGTH);
  std::array<uint8_t, kSha256Size> digest;
  SHA256(bytes.data(), bytes.size(), digest.data());
  return digest;
}

}  // namespace culvert
