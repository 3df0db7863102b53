// Key bytes that erase themselves, and comparison that takes the same time whatever it finds.
// Thread: values; as safe as the bytes they hold.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/base/bytes.h"

namespace culvert {

// Overwrites `bytes` with zeros in a way the optimiser must keep.
void SecureErase(ByteSpan bytes);

// Whether `a` and `b` hold the same bytes. The time depends on the sizes only, which are no secret.
[[nodiscard]] bool ConstantTimeEqual(ByteView a, ByteView b);

// A fixed number of secret bytes, zero at first. Not copyable, so that there is one place to erase; moving erases the
// source.
template <size_t kSize>
class SecretBytes {
 public:
  SecretBytes() = default;
  SecretBytes(SecretBytes&& other) noexcept : bytes_(other.bytes_) { SecureErase(other.bytes_); }
  SecretBytes& operator=(SecretBytes&& other) noexcept {
    if (this != &other) {
      bytes_ = other.bytes_;
      SecureErase(other.bytes_);
    }
    return *this;
  }
  ~SecretBytes() { SecureErase(bytes_); }

  // Loans, good as long as this object stays where it is.
  ByteView view() const { return bytes_; }
  ByteSpan span() { return bytes_; }

 private:
  std::array<uint8_t, kSize> bytes_{};
};

}  // namespace culvert
