// In this order: names, ports, addresses, and the entry that is made of them.
#include "core/egress/entry.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"
#include "core/egress/address_class.h"

namespace culvert::egress {
namespace {

constexpr size_t kMaxLabelBytes = 63;  // RFC 1035 §2.3.4
constexpr size_t kMaxShownBytes = 300;  // the longest entry that can be right fits

bool IsLabel(std::string_view label) {
  return !label.empty() && label.size() <= kMaxLabelBytes &&
         std::all_of(label.begin(), label.end(), [](char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_'; });
}

// Whether resolvers would take the name for a number: no top-level domain is one (RFC 3696 §2), so it is a mistyped address.
bool EndsInNumber(std::string_view name) {
  std::string_view last = name.substr(name.rfind('.') + 1);  // npos + 1 is 0
  const bool is_hex = last.size() >= 2 && last[0] == '0' && absl::ascii_tolower(last[1]) == 'x';
  if (is_hex) last.remove_prefix(2);
  return std::all_of(last.begin(), last.end(),
                     [=](char c) { return is_hex ? absl::ascii_isxdigit(c) : absl::ascii_isdigit(c); });
}

bool Has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

std::string InLowerCase(std::string_view text) {
  std::string lower(text);
  absl::AsciiStrToLower(&lower);
  return lower;
}

bool EqualsIgnoringCase(std::string_view left, std::string_view right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](char a, char b) { return absl::ascii_tolower(a) == absl::ascii_tolower(b); });
}

constexpr auto Wrong = &Entry::Wrong;

std::optional<int> ParseNumber(std::string_view text, int low, int high) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || text.front() == '-' || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (value < low || value > high) return std::nullopt;
  return value;
}

absl::Status ParsePorts(std::string_view text, std::string_view ports, Entry& entry) {
  if (ports == "*") return absl::OkStatus();
  if (ports.empty()) return Wrong(text, "no ports stand behind the colon; * stands for all of them");
  if (Has(ports, ",")) return Wrong(text, "an entry has one port or one range; write an entry for each");
  const size_t dash = ports.find('-');
  const auto first = ParseNumber(ports.substr(0, dash), 1, 65535);
  const auto last = dash == std::string_view::npos ? first : ParseNumber(ports.substr(dash + 1), 1, 65535);
  if (!first || !last) return Wrong(text, "ports are a number from 1 to 65535, two of them as FIRST-LAST, or *");
  if (*first > *last) return Wrong(text, absl::StrFormat("the range of ports ends before it begins; write %d-%d", *last, *first));
  entry.first_port = static_cast<uint16_t>(*first);
  entry.last_port = static_cast<uint16_t>(*last);
  return absl::OkStatus();
}

IpAddress Masked(const IpAddress& address, int bits) {
  std::array<uint8_t, 16> bytes = address.bytes();
  for (int i = 0; i < 16; ++i) {
    const int kept = std::clamp(bits - 8 * i, 0, 8);
    bytes[static_cast<size_t>(i)] &= static_cast<uint8_t>(0xff00 >> kept);
  }
  return address.is_v4() ? IpAddress::V4({bytes[0], bytes[1], bytes[2], bytes[3]}) : IpAddress::V6(bytes);
}

// `prefix`: the number behind the slash; null when there is none.
absl::Status SetAddresses(std::string_view text, const IpAddress& address, const std::string_view* prefix, Entry& entry) {
  const int all = address.is_v4() ? 32 : 128;
  const auto bits = prefix == nullptr ? all : ParseNumber(*prefix, 0, all);
  if (!bits) return Wrong(text, absl::StrFormat("a prefix of IPv%d has 0 to %d bits", address.is_v4() ? 4 : 6, all));
  entry.kind = Entry::Kind::kAddresses;
  entry.prefix_bits = *bits;
  entry.base = Masked(address, *bits);
  if (entry.base != address) {
    const std::string base = entry.base.ToString();
    return Wrong(text, absl::StrFormat("bits are set behind the prefix; write %s/%d",
                                       address.is_v4() ? base : "[" + base + "]", *bits));
  }
  const AddressClass found = Classify(entry.base);
  if (found.reach == Reach::kNever && entry.prefix_bits >= found.range_bits) {
    return Wrong(text, "this is never reached, whatever is allowed: it is unspecified, multicast, reserved, or IPv6 that carries "
                       "a protected IPv4 address");
  }
  return absl::OkStatus();
}

// "[ADDRESS]:PORTS", "[ADDRESS]/BITS:PORTS"
absl::StatusOr<Entry> ParseBracketed(std::string_view text) {
  const size_t close = text.find(']');
  if (close == std::string_view::npos) return Wrong(text, "the bracket is not closed; write [ADDRESS]:PORTS");
  const std::string_view host = text.substr(1, close - 1);
  const std::string_view rest = text.substr(close + 1);
  if (Has(host, "/")) return Wrong(text, "the prefix stands behind the bracket: [fd00::]/8:443");
  if (Has(host, "%")) return Wrong(text, "an address with a zone cannot be a destination");
  const size_t colon = rest.find(':');
  if (colon == std::string_view::npos) {
    return Wrong(text, "no ports are given; write [ADDRESS]:PORTS, or [ADDRESS]:* for all of them");
  }
  const bool has_prefix = colon > 0 && rest.front() == '/';
  if (colon > 0 && !has_prefix) return Wrong(text, "behind the bracket stands :PORTS or /BITS:PORTS");

  const auto address = IpAddress::Parse(host);
  if (!address.ok()) return Wrong(text, "what stands in brackets is not an IPv6 address");
  if (address->is_v4()) {
    return Wrong(text, absl::StrFormat("write an IPv4 address as such and without brackets: %s", address->ToString()));
  }
  Entry entry;
  CULVERT_RETURN_IF_ERROR(ParsePorts(text, rest.substr(colon + 1), entry));
  const std::string_view prefix = has_prefix ? rest.substr(1, colon - 1) : std::string_view();
  CULVERT_RETURN_IF_ERROR(SetAddresses(text, *address, has_prefix ? &prefix : nullptr, entry));
  return entry;
}

absl::Status SetName(std::string_view text, std::string_view host, Entry& entry) {
  const bool is_below = host.starts_with("*.");
  if (is_below) host.remove_prefix(2);
  const std::string_view name = WithoutFinalDot(host);
  if (Has(name, "*")) return Wrong(text, "a * stands alone or as the whole first label, as in *.example.com");
  if (IpAddress::Parse(name).ok()) {
    return Wrong(text, is_below ? "there are no names below an address; write a range as 10.0.0.0/8" : "an address has no final dot");
  }
  if (name.size() > kMaxNameBytes) return Wrong(text, absl::StrFormat("a name has at most %d bytes", kMaxNameBytes));
  if (std::any_of(name.begin(), name.end(), [](char c) { return !absl::ascii_isascii(c); })) {
    return Wrong(text, "write a name in other scripts in its ASCII form, which begins with xn--");
  }
  if (!IsName(name)) return Wrong(text, "a name has labels of 1 to 63 letters, digits, - and _, with dots between them");
  if (EndsInNumber(name)) {
    return Wrong(text, "this is neither an IP address nor a name; an IPv4 address has four numbers from 0 to 255");
  }
  entry.kind = is_below ? Entry::Kind::kNamesBelow : Entry::Kind::kName;
  entry.name = (is_below ? "." : "") + InLowerCase(name);
  return absl::OkStatus();
}

}  // namespace

std::string_view WithoutFinalDot(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  return text;
}

bool IsName(std::string_view text) {
  if (text.size() > kMaxNameBytes) return false;
  for (;;) {
    const size_t dot = text.find('.');
    if (!IsLabel(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

absl::Status Entry::Wrong(std::string_view text, std::string_view what) {
  std::string_view shown = text;
  if (shown.size() > kMaxShownBytes) {
    size_t end = kMaxShownBytes;
    while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80) --end;  // not within a character
    shown = text.substr(0, end);
  }
  return absl::InvalidArgumentError(
      absl::StrFormat("\"%s%s\": %s", absl::Utf8SafeCEscape(std::string(shown)), shown.size() < text.size() ? "..." : "", what));
}

absl::StatusOr<Entry> Entry::Parse(std::string_view text) {
  if (text.empty()) return Wrong(text, "an entry is HOST:PORTS, such as db.internal:5432, 10.0.0.0/8:1-1023 or *:443");
  if (Has(text, "://")) return Wrong(text, "an entry is HOST:PORTS, without a scheme");
  if (text.front() == '[') return ParseBracketed(text);

  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return Wrong(text, "no ports are given; write HOST:PORTS, or HOST:* for all of them");
  const std::string_view host = text.substr(0, colon);
  if (host.empty()) return Wrong(text, "no host stands before the colon; * stands for all of them");
  if (Has(host, ":")) {
    const bool is_address = IpAddress::Parse(text).ok() || IpAddress::Parse(host.substr(0, host.find('/'))).ok();
    return Wrong(text, is_address ? "write an IPv6 address in brackets: [fd00::1]:443"
                                  : "there is more than one colon; write HOST:PORTS");
  }
  Entry entry;
  CULVERT_RETURN_IF_ERROR(ParsePorts(text, text.substr(colon + 1), entry));
  if (host == "*") return entry;
  const size_t slash = host.find('/');
  const std::string_view prefix = slash == std::string_view::npos ? std::string_view() : host.substr(slash + 1);
  if (const auto address = IpAddress::Parse(host.substr(0, slash)); address.ok()) {
    CULVERT_RETURN_IF_ERROR(SetAddresses(text, *address, slash == std::string_view::npos ? nullptr : &prefix, entry));
    return entry;
  }
  if (slash != std::string_view::npos) return Wrong(text, "only an IP address has a prefix, and no path stands behind a name");
  CULVERT_RETURN_IF_ERROR(SetName(text, host, entry));
  return entry;
}

bool Entry::MatchesName(std::string_view host) const {
  switch (kind) {
    case Kind::kAny:
      return true;
    case Kind::kName:
      return EqualsIgnoringCase(host, name);
    case Kind::kNamesBelow:
      return host.size() > name.size() && EqualsIgnoringCase(host.substr(host.size() - name.size()), name);
    case Kind::kAddresses:
      break;
  }
  return false;
}

bool Entry::Contains(const IpAddress& address) const {
  return kind == Kind::kAddresses && IsInPrefix(address, base, prefix_bits);
}

}  // namespace culvert::egress
