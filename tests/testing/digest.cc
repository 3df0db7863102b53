#include "tests/testing/digest.h"

#include "core/crypto/boringssl.h"

#include <openssl/sha.h>

namespace culvert::testing {

struct StreamDigest::State {
  SHA256_CTX context;
};

StreamDigest::StreamDigest() : state_(std::make_unique<State>()) { SHA256_Init(&state_->context); }
StreamDigest::~StreamDigest() = default;

void StreamDigest::Add(ByteView bytes) { SHA256_Update(&state_->context, bytes.data(), bytes.size()); }

Digest StreamDigest::Finish() {
  Digest digest;
  SHA256_Final(digest.data(), &state_->context);
  return digest;
}

std::string ToHex(ByteView bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace culvert::testing
