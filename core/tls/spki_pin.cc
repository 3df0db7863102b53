#include "core/crypto/boringssl.h"

#include <openssl/base64.h>

#include <algorithm>

#include "absl/status/status.h"
#include "core/tls/tls_context.h"

namespace culvert::tls {
namespace {

constexpr std::string_view kPrefix = "sha256/";
constexpr size_t kBase64Size = 44;

}  // namespace

absl::StatusOr<SpkiPin> ParseSpkiPin(std::string_view text) {
  const auto error = [] {
    return absl::InvalidArgumentError("a pin is \"sha256/\" and 44 characters of base64: SHA-256 of a public key");
  };
  if (!text.starts_with(kPrefix) || text.size() != kPrefix.size() + kBase64Size) return error();
  const ByteView encoded = AsBytes(text.substr(kPrefix.size()));
  std::array<uint8_t, kBase64Size / 4 * 3> decoded;
  size_t size = 0;
  if (!EVP_DecodeBase64(decoded.data(), &size, decoded.size(), encoded.data(), encoded.size())) return error();
  SpkiPin pin;
  if (size != pin.size()) return error();
  std::copy_n(decoded.begin(), pin.size(), pin.begin());
  // Bits that stand for nothing must be zero, or two texts would mean one pin.
  if (FormatSpkiPin(pin) != text) return error();
  return pin;
}

std::string FormatSpkiPin(const SpkiPin& pin) {
  std::array<uint8_t, kBase64Size + 1> encoded;  // and a zero at the end
  const size_t size = EVP_EncodeBlock(encoded.data(), pin.data(), pin.size());
  return std::string(kPrefix) + std::string(AsText(ByteView(encoded).first(size)));
}

}  // namespace culvert::tls
