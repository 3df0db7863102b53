#include "core/base/address.h"

#include <arpa/inet.h>

#include <charconv>

#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"

namespace culvert {
namespace {

absl::StatusOr<uint16_t> ParsePort(std::string_view text, std::string_view whole) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || port > 65535) {
    return absl::InvalidArgumentError(absl::StrFormat("\"%s\": the port is not a number in [0, 65535]", whole));
  }
  return static_cast<uint16_t>(port);
}

}  // namespace

IpAddress IpAddress::V4(std::array<uint8_t, 4> bytes) {
  IpAddress ip;
  std::memcpy(ip.bytes_.data(), bytes.data(), bytes.size());
  ip.family_ = Family::kV4;
  return ip;
}

IpAddress IpAddress::V6(std::array<uint8_t, 16> bytes) {
  static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::memcmp(bytes.data(), kMapped, sizeof kMapped) == 0) {
    return V4({bytes[12], bytes[13], bytes[14], bytes[15]});
  }
  IpAddress ip;
  ip.bytes_ = bytes;
  ip.family_ = Family::kV6;
  return ip;
}

absl::StatusOr<IpAddress> IpAddress::Parse(std::string_view text) {
  const std::string copy(text);
  if (copy.find('\0') == std::string::npos) {  // inet_pton would stop there and take what stands before
    std::array<uint8_t, 4> v4;
    if (inet_pton(AF_INET, copy.c_str(), v4.data()) == 1) return V4(v4);
    std::array<uint8_t, 16> v6;
    if (inet_pton(AF_INET6, copy.c_str(), v6.data()) == 1) return V6(v6);
  }
  return absl::InvalidArgumentError(absl::StrFormat("\"%s\" is not an IP address", copy));
}

bool IpAddress::is_unspecified() const { return bytes_ == std::array<uint8_t, 16>{}; }

bool IpAddress::is_loopback() const {
  if (is_v4()) return bytes_[0] == 127;
  std::array<uint8_t, 16> one{};
  one[15] = 1;
  return is_v6() && bytes_ == one;
}

bool IpAddress::is_multicast() const {
  return (is_v4() && (bytes_[0] & 0xf0) == 0xe0) || (is_v6() && bytes_[0] == 0xff);
}

IpAddress IpAddress::AccountingPrefix() const {
  IpAddress prefix = *this;
  const size_t kept = is_v4() ? 3 : 7;
  for (size_t i = kept; i < prefix.bytes_.size(); ++i) prefix.bytes_[i] = 0;
  return prefix;
}

std::string IpAddress::ToString() const {
  if (family_ == Family::kNone) return "<none>";
  char text[INET6_ADDRSTRLEN];
  inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes_.data(), text, sizeof text);
  return text;
}

absl::StatusOr<SocketAddress> SocketAddress::Parse(std::string_view text) {
  CULVERT_ASSIGN_OR_RETURN(HostPort parts, HostPort::Parse(text));
  CULVERT_ASSIGN_OR_RETURN(IpAddress ip, IpAddress::Parse(parts.host));
  return SocketAddress{ip, parts.port};
}

std::string SocketAddress::ToString() const {
  return HostPort{ip.ToString(), port}.ToString();
}

absl::StatusOr<HostPort> HostPort::Parse(std::string_view text) {
  std::string_view host;
  std::string_view port;
  if (!text.empty() && text.front() == '[') {
    const size_t close = text.find("]:");
    if (close == std::string_view::npos) {
      return absl::InvalidArgumentError(absl::StrFormat("\"%s\" is not [ADDRESS]:PORT", text));
    }
    host = text.substr(1, close - 1);
    port = text.substr(close + 2);
  } else {
    const size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) {
      return absl::InvalidArgumentError(absl::StrFormat("\"%s\" has no port; write HOST:PORT", text));
    }
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (host.find(':') != std::string_view::npos) {
      return absl::InvalidArgumentError(absl::StrFormat("\"%s\": write an IPv6 address in brackets", text));
    }
  }
  if (host.empty()) return absl::InvalidArgumentError(absl::StrFormat("\"%s\" has no host", text));
  CULVERT_ASSIGN_OR_RETURN(const uint16_t number, ParsePort(port, text));
  return HostPort{std::string(host), number};
}

std::string HostPort::ToString() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  return is_v6 ? absl::StrFormat("[%s]:%d", host, port) : absl::StrFormat("%s:%d", host, port);
}

}  // namespace culvert
