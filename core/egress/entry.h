// One line of allowed_destinations: HOST:PORTS. Its grammar is told in destination_policy.h.
// Thread: immutable once parsed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/base/address.h"

namespace culvert::egress {

// RFC 1035 §2.3.4, as text and without the final dot.
inline constexpr size_t kMaxNameBytes = 253;

// Whether `text`, without a final dot, can be the name of a host: labels of 1 to 63 letters, digits, - and _, at most 253 bytes.
// Numbers in place of labels may be: whether they are an address to somebody is not seen here.
[[nodiscard]] bool IsName(std::string_view text);
// `text` without one final dot.
[[nodiscard]] std::string_view WithoutFinalDot(std::string_view text);

struct Entry {
  enum class Kind : uint8_t { kAny, kName, kNamesBelow, kAddresses };

  Kind kind = Kind::kAny;
  uint16_t first_port = 1;
  uint16_t last_port = 65535;
  std::string name;     // kName: "db.internal"; kNamesBelow: ".example.com"
  IpAddress base;       // kAddresses: all that agree with it in the first `prefix_bits`
  int prefix_bits = 0;

  // Errors: INVALID_ARGUMENT `"<text>": <what is wrong with it>`.
  static absl::StatusOr<Entry> Parse(std::string_view text);
  // That error; control characters are escaped and a long entry is cut.
  static absl::Status Wrong(std::string_view text, std::string_view what);

  [[nodiscard]] bool HasPort(uint16_t port) const { return first_port <= port && port <= last_port; }
  // `host` is a name without a final dot. kAny matches every name; kAddresses none.
  [[nodiscard]] bool MatchesName(std::string_view host) const;
  [[nodiscard]] bool Contains(const IpAddress& address) const;
};

}  // namespace culvert::egress
