// SystemRandom: unpredictable bytes for keys, nonces and identities, from BoringSSL's generator, which the operating
// system seeds. Bytes are drawn ahead in blocks, so that the 12 bytes of a nonce cost a copy.
// Thread: one instance per thread. Not across fork(): both processes would hand out the same buffered bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/base/random.h"

namespace culvert {

class SystemRandom final : public RandomSource {
 public:
  SystemRandom() = default;
  ~SystemRandom() override;
  SystemRandom(const SystemRandom&) = delete;  // a copy would hand out the same bytes again
  SystemRandom& operator=(const SystemRandom&) = delete;

  void Fill(ByteSpan out) override;

 private:
  static constexpr size_t kBlockSize = 4096;

  std::array<uint8_t, kBlockSize> block_;
  size_t used_ = kBlockSize;  // bytes at the front that were handed out, and erased
};

}  // namespace culvert
