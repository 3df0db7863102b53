// What kind of address an address is, as far as the policy is concerned: the table behind ReachOf.
// Thread: pure functions.
#pragma once

#include <array>
#include <cstddef>

#include "core/base/address.h"
#include "core/egress/destination_policy.h"

namespace culvert::egress {

struct AddressClass {
  Reach reach = Reach::kOpen;
  // Prefix length of the listed range the address lies in: a longer or equal prefix around the same address lies inside that range.
  int range_bits = 0;
};
AddressClass Classify(const IpAddress& address);

// The IPv4 addresses an IPv6 address carries.
struct EmbeddedAddresses {
  struct Item {
    IpAddress ip;
    bool is_apparent = true;  // false: there only if the operator of a NAT64 chose another prefix length than it looks like
  };
  static constexpr size_t kMax = 5;  // four layouts of NAT64 in front of an ISATAP interface identifier
  std::array<Item, kMax> items;
  size_t count = 0;

  const Item* begin() const { return items.data(); }
  const Item* end() const { return items.data() + count; }
};
EmbeddedAddresses EmbeddedIn(const IpAddress& address);

// Whether both are of one family and agree in the first `bits` bits.
bool IsInPrefix(const IpAddress& address, const IpAddress& base, int bits);

}  // namespace culvert::egress
