// AES-128-GCM keyed from a seed, as v2ray's mKCP does it.
// Source: spec/mkcp.md section 3.
#pragma once

#include <string_view>

#include "core/crypto/aead.h"
#include "core/crypto/secret.h"

namespace culvert {

using Aes128Key = SecretBytes<Aead::kAes128KeySize>;

// The first 16 bytes of SHA-256(seed). The empty seed is a seed, with a key everybody knows. A seed is no password:
// there is no stretching, so its own entropy is all there is.
Aes128Key Aes128KeyFromSeed(std::string_view seed);

Aead Aes128GcmFromSeed(std::string_view seed);

}  // namespace culvert
