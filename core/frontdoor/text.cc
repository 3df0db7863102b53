#include "core/frontdoor/text.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "core/base/address.h"

namespace culvert::frontdoor {
namespace {

// Size of the character at the front of `text` (not empty); 0 when it is malformed or a control character. RFC 3629 section 4: the
// first byte says how many follow, and narrows the second where longer forms, surrogates or numbers above U+10FFFF would begin.
size_t PlainCharacterSize(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  if (first < 0xc2 || first > 0xf4) return 0;
  const size_t size = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (text.size() < size) return 0;
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  switch (first) {
    case 0xc2:  // U+0080 to U+009F are control characters
    case 0xe0:
      return byte(1) >= 0xa0 ? size : 0;
    case 0xed:
      return byte(1) < 0xa0 ? size : 0;
    case 0xf0:
      return byte(1) >= 0x90 ? size : 0;
    case 0xf4:
      return byte(1) < 0x90 ? size : 0;
    default:
      return size;
  }
}

}  // namespace

bool IsPlainText(std::string_view text) {
  while (!text.empty()) {
    const size_t size = PlainCharacterSize(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string PlainText(std::string_view text, size_t max_bytes) {
  std::string plain;
  while (!text.empty()) {
    const size_t size = PlainCharacterSize(text);
    const std::string_view next = size == 0 ? "?" : text.substr(0, size);
    if (plain.size() + next.size() > max_bytes) break;
    plain += next;
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return plain;
}

bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return absl::ascii_tolower(static_cast<unsigned char>(x)) == absl::ascii_tolower(static_cast<unsigned char>(y));
  });
}

bool IsHost(std::string_view host) {
  if (host.empty() || host.size() > kMaxHostBytes || !IsPlainText(host)) return false;
  if (host.find_first_of(" #%/<>?@[\\]^|") != std::string_view::npos) return false;
  return host.find(':') == std::string_view::npos || IpAddress::Parse(host).ok();
}

}  // namespace culvert::frontdoor
