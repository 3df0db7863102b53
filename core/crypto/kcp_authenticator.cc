#include "core/crypto/kcp_authenticator.h"

#include "core/base/check.h"

namespace culvert {
namespace {

constexpr uint32_t kFnvOffset = 0x811c9dc5;
constexpr uint32_t kFnvPrime = 0x01000193;

inline uint32_t AddToHash(uint32_t hash, uint8_t byte) { return (hash ^ byte) * kFnvPrime; }

// The word's bytes in memory order. Each step waits for the one before, so the hash alone sets the pace: whatever else
// a loop around it does is free.
inline uint32_t AddWordToHash(uint32_t hash, uint32_t word) {
  uint8_t bytes[4];
  std::memcpy(bytes, &word, sizeof word);
  for (uint8_t byte : bytes) hash = AddToHash(hash, byte);
  return hash;
}

inline uint32_t LoadWord(const uint8_t* from) {
  uint32_t word;
  std::memcpy(&word, from, sizeof word);
  return word;
}
inline void StoreWord(uint8_t* to, uint32_t word) { std::memcpy(to, &word, sizeof word); }

}  // namespace

void SealKcpAuthenticated(ByteSpan buffer) {
  const size_t size = buffer.size();
  CULVERT_CHECK(size >= kKcpAuthenticatorSize && size - kKcpAuthenticatorSize <= UINT16_MAX);
  uint8_t* const bytes = buffer.data();
  StoreBigEndian16(bytes + 4, static_cast<uint16_t>(size - kKcpAuthenticatorSize));

  uint32_t hash = kFnvOffset;
  size_t i = 4;
  for (; i + 4 <= size; i += 4) hash = AddWordToHash(hash, LoadWord(bytes + i));
  for (; i < size; ++i) hash = AddToHash(hash, bytes[i]);
  StoreBigEndian32(bytes, hash);

  // Four bytes at a time: XOR does not care about byte order, and each byte needs only the one four before it.
  uint32_t previous = LoadWord(bytes);
  for (i = 4; i + 4 <= size; i += 4) {
    previous ^= LoadWord(bytes + i);
    StoreWord(bytes + i, previous);
  }
  for (; i < size; ++i) bytes[i] ^= bytes[i - 4];
}

bool OpenKcpAuthenticated(ByteSpan buffer) {
  const size_t size = buffer.size();
  if (size < kKcpAuthenticatorSize) return false;
  uint8_t* const bytes = buffer.data();
  // Most of what is not ours ends here, before the expensive part.
  const size_t length = static_cast<size_t>((bytes[4] ^ bytes[0]) << 8 | (bytes[5] ^ bytes[1]));
  if (length != size - kKcpAuthenticatorSize) return false;

  uint32_t hash = kFnvOffset;
  uint32_t previous = LoadWord(bytes);
  size_t i = 4;
  for (; i + 4 <= size; i += 4) {
    const uint32_t sealed = LoadWord(bytes + i);
    const uint32_t plain = sealed ^ previous;
    StoreWord(bytes + i, plain);
    hash = AddWordToHash(hash, plain);
    previous = sealed;
  }
  uint8_t tail[4];
  StoreWord(tail, previous);
  for (size_t k = 0; i < size; ++i, ++k) {
    bytes[i] ^= tail[k];
    hash = AddToHash(hash, bytes[i]);
  }
  return hash == LoadBigEndian32(bytes);
}

}  // namespace culvert
