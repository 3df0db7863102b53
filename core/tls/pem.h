// Reading of PEM: certificates and private keys as files hold them.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "core/base/bytes.h"
#include "core/tls/boringssl_types.h"

namespace culvert::tls {

// Every CERTIFICATE block of `pem`, in order; other blocks are passed over. `pool` shares equal certificates, or is
// null. Errors: INVALID_ARGUMENT "FIELD: ..." when there is none, or one is broken.
absl::StatusOr<CertificateChain> ReadCertificates(std::string_view pem, std::string_view field,
                                                  CRYPTO_BUFFER_POOL* pool);

// The first private key of `pem` (PKCS #8, or the older forms of RSA and EC), which must not be encrypted.
// Errors: INVALID_ARGUMENT "private_key_pem: ...", without a byte of it.
absl::StatusOr<bssl::UniquePtr<EVP_PKEY>> ReadPrivateKey(ByteView pem);

}  // namespace culvert::tls
