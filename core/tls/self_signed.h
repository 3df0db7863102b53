// Makes a certificate that nobody vouches for but its own key, for listeners that were given none: peers trust it by its pin.
// The key is ECDSA P-256. Renewing the certificate with the same key keeps the pin.
// Errors: INTERNAL when the system has no memory or no randomness.
// Thread: any.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/bytes.h"

namespace culvert::tls {

struct SelfSignedOptions {
  std::string name;                   // common name, and the only DNS name of subjectAltName; 1..64 bytes
  int64_t not_before_unix_seconds = 0;
  int64_t not_after_unix_seconds = 0;
  ByteView private_key_pem;           // a loan for the call; empty: a new key is made
};

struct SelfSigned {
  SelfSigned() = default;
  SelfSigned(SelfSigned&&) noexcept = default;
  SelfSigned& operator=(SelfSigned&&) noexcept = delete;  // what it held would not be erased
  ~SelfSigned();                      // erases the key

  std::string certificate_pem;
  std::string private_key_pem;
};

// INVALID_ARGUMENT: no name or one that is too long, a time span that is none, a key that cannot be read or is not on P-256.
absl::StatusOr<SelfSigned> MakeSelfSigned(const SelfSignedOptions& options);

}  // namespace culvert::tls
