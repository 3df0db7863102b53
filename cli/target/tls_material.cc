#include "cli/target/tls_material.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

#include "absl/strings/str_format.h"
#include "cli/process/private_file.h"
#include "cli/text/escape.h"

namespace culvert::cli {
namespace {

constexpr char kSystemRoots[] = "/etc/ssl/certs/ca-certificates.crt";

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

Bio Memory(const std::string& text) { return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free}; }

Certificate FirstCertificate(const std::string& pem) {
  const Bio bio = Memory(pem);
  return {PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free};
}

// An encrypted key has no password here, and nobody is asked for one.
int NoPassword(char*, int, int, void*) { return 0; }

Key FirstKey(const std::string& pem) {
  const Bio bio = Memory(pem);
  return {PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassword, nullptr), EVP_PKEY_free};
}

Outcome WantCertificate(const std::string& flag, const std::string& path, const std::string& pem) {
  if (FirstCertificate(pem)) return std::nullopt;
  ERR_clear_error();
  return Usage(absl::StrFormat("%s: %s: holds no certificate in PEM", flag, Visible(path)));
}

Outcome LoadRoots(const TlsFlags& flags, const Environment& environment, TlsMaterial& material) {
  material.ca_path = flags.ca_file;
  std::string origin = "--ca-file";
  if (material.ca_path.empty()) {
    material.ca_path = environment.get("SSL_CERT_FILE").value_or("");
    origin = "SSL_CERT_FILE";
  }
  if (material.ca_path.empty()) {
    material.ca_path = kSystemRoots;
    origin = "the system's roots";
  }
  Outcome failed = ReadPublicFile(material.ca_path, origin, material.ca_pem);
  if (!failed) failed = WantCertificate(origin, material.ca_path, material.ca_pem);
  if (failed && flags.ca_file.empty()) failed->next = "say whom to trust: --ca-file FILE";
  return failed;
}

}  // namespace

Outcome LoadTls(const TlsFlags& flags, const Environment& environment, TlsMaterial& material) {
  if (Outcome failed = LoadRoots(flags, environment, material)) return failed;
  if (flags.certificate_file.empty()) return std::nullopt;
  if (Outcome failed = ReadPublicFile(flags.certificate_file, "--certificate-file", material.certificate_pem)) return failed;
  if (Outcome failed = WantCertificate("--certificate-file", flags.certificate_file, material.certificate_pem)) return failed;
  if (Outcome failed = ReadKeyFile(flags.key_file, "--key-file", environment.user_id, material.key_pem)) return failed;
  const Key key = FirstKey(material.key_pem);
  if (!key) {
    const bool is_encrypted = material.key_pem.find("ENCRYPTED") != std::string::npos;
    ERR_clear_error();
    return Usage(absl::StrFormat("--key-file: %s: %s", Visible(flags.key_file),
                                 is_encrypted ? "the key is encrypted; one without a password is wanted" : "holds no private key in PEM"));
  }
  const Certificate certificate = FirstCertificate(material.certificate_pem);
  if (X509_check_private_key(certificate.get(), key.get()) == 1) return std::nullopt;
  ERR_clear_error();
  return Usage(absl::StrFormat("--key-file: %s: is not the key of %s", Visible(flags.key_file), Visible(flags.certificate_file)),
               "the first certificate of --certificate-file must be the one that the key was made for");
}

}  // namespace culvert::cli
