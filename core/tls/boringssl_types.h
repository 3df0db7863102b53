// Owners of BoringSSL's objects, for .cc files of this folder. Include before any other <openssl/...> header.
#pragma once

#include "core/crypto/boringssl.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <vector>

namespace culvert::tls {

using CertificateBuffer = bssl::UniquePtr<CRYPTO_BUFFER>;  // one certificate's DER
using CertificateChain = std::vector<CertificateBuffer>;   // leaf first

}  // namespace culvert::tls
