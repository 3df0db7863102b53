// Where a datagram goes, or came from: an address, or a name that somebody else resolves.
#pragma once

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "core/base/address.h"

namespace culvert::dispatch {

// A loan for the call where it has a name. One with neither address nor name is none: what the owner has as its default.
struct Destination {
  SocketAddress address;    // with a name only the port counts
  std::string_view host{};  // empty: the address says it

  [[nodiscard]] bool is_none() const { return host.empty() && address.ip.family() == IpAddress::Family::kNone; }
  [[nodiscard]] uint16_t port() const { return address.port; }
  [[nodiscard]] std::string ToString() const {
    return host.empty() ? address.ToString() : absl::StrCat(std::string(host), ":", address.port);
  }
  friend bool operator==(const Destination&, const Destination&) = default;
};

// The largest UDP payload that IPv4 carries.
inline constexpr size_t kMaxDatagramBytes = 65507;

}  // namespace culvert::dispatch
