// What is told to people about certificates. All of it comes from a file or a peer, so text is made printable and
// bounded.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/tls/boringssl_types.h"
#include "core/tls/tls_context.h"

namespace culvert::tls {

// `text` with everything but printable ASCII (and backslashes and quotation marks) written as \xNN, and cut after
// `limit` characters.
std::string Printable(std::string_view text, size_t limit = 80);

// "2026-11-17T08:30:00Z". Years outside 0..9999 are written as seconds.
std::string FormatTime(int64_t unix_seconds);
// "3 days", "1 hour", "20 seconds": the largest unit that is at least one, rounded down. The sign does not count.
std::string FormatAge(int64_t seconds);

// Subject or issuer as "CN=...", or as "O=...", or the whole name where both are missing; "an empty name".
std::string DescribeName(const X509_NAME* name);
// REQUIRES: the certificate was parsed. Times that make no sense are 0.
CertificateInfo DescribeCertificate(X509& certificate);
SpkiPin PinOf(X509& certificate);

// nullptr: these bytes are no certificate.
bssl::UniquePtr<X509> ParseCertificate(const CRYPTO_BUFFER& der);

// Empty: the certificate's key is one we accept: RSA of 2048 bits or more, P-256, P-384, Ed25519; for an authority,
// which only signs certificates, anything but short RSA. Otherwise what it is: "RSA with 1024 bits, fewer than 2048".
enum class KeyUse : uint8_t { kLeaf, kAuthority };
std::string WeaknessOfKey(X509& certificate, KeyUse use);
// Whether the certificate's own signature uses a hash that is broken (MD5, SHA-1).
bool HasWeakSignature(const X509& certificate);

}  // namespace culvert::tls
