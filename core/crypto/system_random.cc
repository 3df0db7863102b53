#include "core/crypto/system_random.h"

#include "core/crypto/boringssl.h"
#include "core/crypto/secret.h"

#include <openssl/rand.h>

namespace culvert {

SystemRandom::~SystemRandom() { SecureErase(block_); }

void SystemRandom::Fill(ByteSpan out) {
  if (out.size() > block_.size() - used_) {
    // RAND_bytes ends the process rather than fail.
    if (out.size() > kBlockSize / 4) {
      RAND_bytes(out.data(), out.size());
      return;
    }
    RAND_bytes(block_.data(), block_.size());
    used_ = 0;
  }
  if (out.empty()) return;
  uint8_t* from = block_.data() + used_;
  std::memcpy(out.data(), from, out.size());
  std::memset(from, 0, out.size());  // handed out: of no use to who reads this memory later
  used_ += out.size();
}

}  // namespace culvert
