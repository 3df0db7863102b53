// Text that came from a peer: what is taken as it is, and what is made fit for a log line or a reply.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace culvert::frontdoor {

inline constexpr size_t kMaxHostBytes = 255;

// Whether `text` is valid UTF-8 (RFC 3629) without control characters: U+0000 to U+001F and U+007F to U+009F.
[[nodiscard]] bool IsPlainText(std::string_view text);
// `text` with a question mark for every byte that keeps it from being plain, cut to at most `max_bytes` between two characters.
[[nodiscard]] std::string PlainText(std::string_view text, size_t max_bytes);

// Whether both are the same but for the case of ASCII letters.
[[nodiscard]] bool EqualsIgnoreCase(std::string_view a, std::string_view b);

// Whether `host` may stand for a host: 1 to 255 bytes of plain text without the characters that the URL standard forbids in one
// (white space and #%/<>?@[\]^|). With a colon it must be an IPv6 address. Whether it exists is not asked.
// Allocates at most for a host with a colon.
[[nodiscard]] bool IsHost(std::string_view host);

}  // namespace culvert::frontdoor
