#include "core/frontdoor/basic_credentials.h"

#include <algorithm>

#include "core/base/bytes.h"
#include "core/crypto/secret.h"
#include "core/frontdoor/text.h"

namespace culvert::frontdoor {
namespace {

constexpr size_t kMaxDecodedBytes = UserTable::kMaxNameBytes + 1 + UserTable::kMaxNameBytes;
constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Bytes decoded; 0: not base64, nothing in it, or more than `out` takes. Written here because the decoders at hand take spaces or
// leave copies behind.
size_t DecodeBase64(std::string_view text, ByteSpan out) {
  if (text.size() % 4 != 0) return 0;
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  text.remove_suffix(padding);
  const size_t size = text.size() * 3 / 4;
  if (size > out.size()) return 0;
  uint32_t bits = 0;
  int bit_count = 0;
  size_t written = 0;
  for (const char c : text) {
    const size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) return 0;
    bits = (bits << 6 | static_cast<uint32_t>(value)) & 0xffff;
    bit_count += 6;
    if (bit_count < 8) continue;
    bit_count -= 8;
    out[written++] = static_cast<uint8_t>(bits >> bit_count);
  }
  return (bits & ((1u << bit_count) - 1)) == 0 ? written : 0;
}

}  // namespace

bool AdmitsBasic(const UserTable& users, std::string_view value) {
  constexpr std::string_view kScheme = "Basic ";
  if (!EqualsIgnoreCase(value.substr(0, kScheme.size()), kScheme)) return false;
  value.remove_prefix(kScheme.size());
  value.remove_prefix(std::min(value.size(), value.find_first_not_of(' ')));
  SecretBytes<kMaxDecodedBytes> decoded;
  const std::string_view credentials = AsText(decoded.view().first(DecodeBase64(value, decoded.span())));
  const size_t colon = credentials.find(':');
  return colon != std::string_view::npos && users.Admits(credentials.substr(0, colon), credentials.substr(colon + 1));
}

}  // namespace culvert::frontdoor
