// Certificates for tests, made on the spot: no test has files that expire.
//
//   const Certificate ca = MakeCa("test CA");
//   const Certificate server = MakeLeaf(ca, {"far.example", "127.0.0.1"});
//   ... server.certificate_pem, server.private_key_pem; the other side trusts ca.certificate_pem
//
// Errors: a test that asks for what cannot be made ends with a message.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace culvert::testing {

struct Certificate {
  std::string certificate_pem;  // this one alone
  std::string private_key_pem;  // PKCS #8, unencrypted
  std::string pin;              // "sha256/BASE64" of its public key
  // What a server or client shows: this and, after it, its authorities without the root.
  std::string chain_pem;
};

enum class KeyKind : uint8_t { kP256, kP384, kP521, kEd25519, kRsa1024, kRsa2048 };

struct CertificateOptions {
  std::string common_name;  // empty: none
  // Of subjectAltName: DNS names and IP addresses as they are, "URI:spiffe://...", "email:a@b.example".
  std::vector<std::string> names;
  int64_t not_before_unix_seconds = 0;  // 0: an hour ago
  int64_t not_after_unix_seconds = 0;   // 0: in 30 days
  KeyKind key = KeyKind::kP256;
  bool is_authority = false;
  bool is_for_servers = true;  // extended key usage of a leaf; with neither it has none
  bool is_for_clients = true;
  bool is_signed_with_sha1 = false;  // ECDSA or RSA only
};

// Signed by `authority`, or by itself where that is null.
Certificate MakeCertificate(const CertificateOptions& options, const Certificate* authority);

// A root.
Certificate MakeCa(const std::string& common_name);
// An authority below another.
Certificate MakeIntermediate(const Certificate& authority, const std::string& common_name);
// For servers and clients; the first name is the common name too. A time of 0 as in CertificateOptions.
Certificate MakeLeaf(const Certificate& authority, const std::vector<std::string>& names,
                     int64_t not_before_unix_seconds = 0, int64_t not_after_unix_seconds = 0);
Certificate MakeSelfSigned(const std::vector<std::string>& names);

}  // namespace culvert::testing
