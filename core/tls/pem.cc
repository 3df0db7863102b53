#include "core/tls/pem.h"

#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/pem.h>

#include <climits>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "core/tls/certificate_info.h"

namespace culvert::tls {
namespace {

// Nobody is here to be asked; the error says that the key is encrypted.
int NoPassword(char*, int, int, void*) { return 0; }

bssl::UniquePtr<BIO> Open(ByteView pem) {
  if (pem.size() > INT_MAX) return nullptr;
  return bssl::UniquePtr<BIO>(BIO_new_mem_buf(pem.data(), static_cast<ossl_ssize_t>(pem.size())));
}

// One block of a PEM file.
struct Block {
  char* name = nullptr;
  char* header = nullptr;
  uint8_t* data = nullptr;
  long size = 0;

  Block() = default;
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  ~Block() {
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);  // erases what it frees
  }
};

}  // namespace

absl::StatusOr<CertificateChain> ReadCertificates(std::string_view pem, std::string_view field,
                                                  CRYPTO_BUFFER_POOL* pool) {
  CertificateChain chain;
  const bssl::UniquePtr<BIO> bio = Open(AsBytes(pem));
  const auto error = [field](const std::string& what) {
    return absl::InvalidArgumentError(absl::StrFormat("%s: %s", std::string(field), what));
  };
  while (bio != nullptr) {
    Block block;
    if (!PEM_read_bio(bio.get(), &block.name, &block.header, &block.data, &block.size)) {
      const uint32_t reason = ERR_peek_last_error();
      ERR_clear_error();
      if (ERR_GET_LIB(reason) == ERR_LIB_PEM && ERR_GET_REASON(reason) == PEM_R_NO_START_LINE) break;
      return error(absl::StrFormat("block %d is not well-formed PEM", chain.size() + 1));
    }
    if (std::string_view(block.name) != PEM_STRING_X509 && std::string_view(block.name) != PEM_STRING_X509_OLD)
      continue;
    CertificateBuffer der(CRYPTO_BUFFER_new(block.data, static_cast<size_t>(block.size), pool));
    if (der == nullptr || ParseCertificate(*der) == nullptr) {
      ERR_clear_error();
      return error(absl::StrFormat("certificate %d cannot be parsed", chain.size() + 1));
    }
    chain.push_back(std::move(der));
  }
  if (chain.empty()) return error("holds no certificate in PEM form (BEGIN CERTIFICATE)");
  return chain;
}

absl::StatusOr<bssl::UniquePtr<EVP_PKEY>> ReadPrivateKey(ByteView pem) {
  const bssl::UniquePtr<BIO> bio = Open(pem);
  bssl::UniquePtr<EVP_PKEY> key;
  if (bio != nullptr) key.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassword, nullptr));
  ERR_clear_error();
  if (key != nullptr) return key;
  if (AsText(pem).find("ENCRYPTED") != std::string_view::npos)
    return absl::InvalidArgumentError("private_key_pem: the key is encrypted; give it without a password");
  return absl::InvalidArgumentError("private_key_pem: holds no private key in PEM form that can be read");
}

}  // namespace culvert::tls
