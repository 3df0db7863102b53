// In this order: the table of ranges, the forms of IPv6 that carry IPv4, and how the two make a class.
#include "core/egress/address_class.h"

#include <algorithm>
#include <span>

#include "core/base/bytes.h"

namespace culvert::egress {
namespace {

using Bytes = std::array<uint8_t, 16>;

struct Range {
  Bytes base;
  int bits;
  Reach reach;
};

// IANA IPv4 Special-Purpose Address Registry, as far as T41 asks for it.
constexpr Range kV4Ranges[] = {
    {{0}, 8, Reach::kNever},              // "this network", RFC 791; connecting to 0.0.0.0 reaches this host
    {{127}, 8, Reach::kOnlyNamed},        // loopback, RFC 1122 §3.2.1.3
    {{169, 254}, 16, Reach::kOnlyNamed},  // link-local, RFC 3927; most clouds have their metadata at 169.254.169.254
    {{224}, 4, Reach::kNever},            // multicast, RFC 5771
    {{240}, 4, Reach::kNever},            // reserved, RFC 1112 §4, and the limited broadcast at its end
    // Where a cloud answers its virtual machines with metadata and credentials, and which are not link-local.
    {{100, 100, 100, 200}, 32, Reach::kOnlyNamed},  // Alibaba Cloud
    {{192, 0, 0, 192}, 32, Reach::kOnlyNamed},      // Oracle Cloud Classic
    {{168, 63, 129, 16}, 32, Reach::kOnlyNamed},    // Azure: host agent, and name server
};

// IANA IPv6 Special-Purpose Address Registry, likewise.
constexpr Range kV6Ranges[] = {
    {{}, 128, Reach::kNever},  // ::, unspecified
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, Reach::kOnlyNamed},  // ::1, loopback
    {{0x01, 0x00}, 64, Reach::kNever},  // discard, RFC 6666
    {{0x20, 0x01, 0x0d, 0xb8}, 32, Reach::kNever},  // documentation, RFC 3849
    {{0x3f, 0xff}, 20, Reach::kNever},  // documentation, RFC 9637
    {{0xfe, 0x80}, 10, Reach::kOnlyNamed},  // link-local, RFC 4291
    {{0xfe, 0xc0}, 10, Reach::kOnlyNamed},  // site-local, RFC 3879
    {{0xff}, 8, Reach::kNever},  // multicast, RFC 4291
    // Metadata and credentials again.
    {{0xfd, 0x00, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54}, 128, Reach::kOnlyNamed},  // AWS
    {{0xfd, 0x00, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x00, 0x23}, 128, Reach::kOnlyNamed},  // AWS EKS Pod Identity
    {{0xfd, 0x20, 0x00, 0xce, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54}, 128, Reach::kOnlyNamed},  // Google Cloud
    {{0xfd, 0x00, 0x00, 0xc1, 0, 0, 0, 0, 0, 0, 0, 0, 0xa9, 0xfe, 0xa9, 0xfe}, 128, Reach::kOnlyNamed},  // Oracle Cloud
    {{0xfd, 0x00, 0x00, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x00, 0x42}, 128, Reach::kOnlyNamed},  // Scaleway
    {{0xfd, 0x00, 0xa9, 0xfe, 0xa9, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0, 0x00, 0x01}, 128, Reach::kOnlyNamed},  // Linode
    {{0xfd, 0x00, 0x01, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0x00, 0x02, 0x00}, 128, Reach::kOnlyNamed},  // Alibaba Cloud
};

bool SameBits(const Bytes& left, const Bytes& right, int bits) {
  const size_t whole = static_cast<size_t>(bits) / 8;
  if (!std::equal(left.begin(), left.begin() + whole, right.begin())) return false;
  const int rest = bits % 8;
  return rest == 0 || ((left[whole] ^ right[whole]) >> (8 - rest)) == 0;
}

// The entry of the tables for the address as it stands, whatever it carries.
AddressClass FindListed(const IpAddress& address) {
  const std::span<const Range> ranges = address.is_v4() ? std::span<const Range>(kV4Ranges) : kV6Ranges;
  for (const Range& range : ranges) {
    if (SameBits(address.bytes(), range.base, range.bits)) return {.reach = range.reach, .range_bits = range.bits};
  }
  return {};
}

constexpr Bytes kCompatible = {};  // ::/96, RFC 4291 §2.5.5.1
constexpr Bytes kTranslated = {0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};  // ::ffff:0:0:0/96, RFC 2765 §2.1
constexpr Bytes kNat64 = {0x00, 0x64, 0xff, 0x9b};  // 64:ff9b::/96, RFC 6052 §2.1
constexpr Bytes kLocalNat64 = {0x00, 0x64, 0xff, 0x9b, 0x00, 0x01};  // 64:ff9b:1::/48, RFC 8215
constexpr Bytes k6to4 = {0x20, 0x02};  // 2002::/16, RFC 3056 §2
constexpr Bytes kTeredo = {0x20, 0x01};  // 2001::/32, RFC 4380 §4

class Collector {
 public:
  explicit Collector(const Bytes& bytes) : bytes_(bytes) {}

  void Take(size_t a, size_t b, size_t c, size_t d, uint8_t flip = 0, bool is_apparent = true) {
    const auto at = [&](size_t i) { return static_cast<uint8_t>(bytes_[i] ^ flip); };
    found_.items[found_.count++] = {IpAddress::V4({at(a), at(b), at(c), at(d)}), is_apparent};
  }
  const EmbeddedAddresses& found() const { return found_; }

 private:
  const Bytes& bytes_;
  EmbeddedAddresses found_;
};

// RFC 6052 §2.2; u is an octet of zeros that belongs to no address.
//
//   byte         6    7    8    9   10   11   12   13   14   15
//   /48         [v4  v4]   u  [v4  v4]   suffix
//   /56              [v4]  u  [v4  v4   v4]  suffix
//   /64                    u  [v4  v4   v4   v4]  suffix
//   /96                    u                 [v4   v4   v4   v4]
//
// Nobody but the operator knows which of the four is used. What an address looks like is the shortest prefix whose suffix is
// zeros. The other readings count too, but not for all that is denied: 64:ff9b:1:fffe::/96, a usual choice, would read as
// 255.254.0.0 with a prefix of 48 bits.
void TakeLocalNat64(const Bytes& bytes, Collector& out) {
  const auto zero_from = [&](size_t first) {
    return std::all_of(bytes.begin() + static_cast<ptrdiff_t>(first), bytes.end(), [](uint8_t byte) { return byte == 0; });
  };
  const int apparent = zero_from(11) ? 48 : zero_from(12) ? 56 : zero_from(13) ? 64 : 96;
  out.Take(6, 7, 9, 10, 0, apparent == 48);
  out.Take(7, 9, 10, 11, 0, apparent == 56);
  out.Take(9, 10, 11, 12, 0, apparent == 64);
  out.Take(12, 13, 14, 15, 0, apparent == 96);
}

}  // namespace

bool IsInPrefix(const IpAddress& address, const IpAddress& base, int bits) {
  return address.family() == base.family() && SameBits(address.bytes(), base.bytes(), bits);
}

EmbeddedAddresses EmbeddedIn(const IpAddress& address) {
  if (!address.is_v6()) return {};
  const Bytes& bytes = address.bytes();
  Collector out(bytes);
  if (SameBits(bytes, kCompatible, 96)) {
    // :: and ::1 have meanings of their own.
    if (LoadBigEndian32(&bytes[12]) > 1) out.Take(12, 13, 14, 15);
  } else if (SameBits(bytes, kTranslated, 96) || SameBits(bytes, kNat64, 96)) {
    out.Take(12, 13, 14, 15);
  } else if (SameBits(bytes, kLocalNat64, 48)) {
    TakeLocalNat64(bytes, out);
  } else if (SameBits(bytes, k6to4, 16)) {
    out.Take(2, 3, 4, 5);
  } else if (SameBits(bytes, kTeredo, 32)) {
    out.Take(4, 5, 6, 7);            // the server
    out.Take(12, 13, 14, 15, 0xff);  // the client, inverted
  }
  // An ISATAP interface identifier, under any prefix: 0000:5efe or, with its u and g bits in any state, 0200:5efe (RFC 5214 §6.1).
  if ((bytes[8] & 0xfc) == 0 && bytes[9] == 0 && bytes[10] == 0x5e && bytes[11] == 0xfe) out.Take(12, 13, 14, 15);
  return out.found();
}

AddressClass Classify(const IpAddress& address) {
  if (address.family() == IpAddress::Family::kNone) return {.reach = Reach::kNever};
  const AddressClass listed = FindListed(address);
  if (listed.reach == Reach::kNever) return listed;
  for (const EmbeddedAddresses::Item& item : EmbeddedIn(address)) {
    const Reach carried = FindListed(item.ip).reach;
    if (carried == Reach::kOnlyNamed || (carried == Reach::kNever && item.is_apparent)) {
      return {.reach = Reach::kNever, .range_bits = 128};
    }
  }
  return listed;
}

Reach ReachOf(const IpAddress& address) { return Classify(address).reach; }

}  // namespace culvert::egress
