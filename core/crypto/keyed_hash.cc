#include "core/crypto/keyed_hash.h"

#include "core/crypto/boringssl.h"

#include <openssl/siphash.h>

namespace culvert {

KeyedHash::KeyedHash(RandomSource& random) {
  for (uint64_t& half : key_) half = random.NextU64();
}

uint64_t KeyedHash::operator()(ByteView bytes) const { return SIPHASH_24(key_.data(), bytes.data(), bytes.size()); }

}  // namespace culvert
