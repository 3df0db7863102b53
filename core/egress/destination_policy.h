// DestinationPolicy: which destinations a stream or flow may name (Forward.allowed_destinations), and which none may reach by a name,
// a wildcard or a wide range: the default deny list of reliability.md T41.
//
// A destination is judged twice: as it was named, before anything is resolved, and once for every address that would be contacted,
// after. Only both together allow it, so that a name cannot lead where its address may not.
// Thread: immutable; may be shared.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/address.h"

namespace culvert::egress {

// Whether an address lies in a range that is never reached unasked. IPv6 forms that carry an IPv4 address (compatible, translated,
// NAT64 of RFC 6052 and RFC 8215, 6to4, Teredo, ISATAP; mapped ones are IPv4 to us) are kNever unless what they carry is kOpen.
enum class Reach : uint8_t {
  kOpen,        // reachable where an entry matches
  kOnlyNamed,   // loopback, link-local, site-local, cloud metadata: needs an entry that is an address or a range inside that range
  kNever,       // unspecified, "this network", multicast, broadcast, reserved, for documentation, discarded: no entry helps
};
[[nodiscard]] Reach ReachOf(const IpAddress& address);

struct Entry;  // entry.h

class DestinationPolicy {
 public:
  static constexpr size_t kMaxEntries = 1024;

  // One entry each as allowed_destinations has it: HOST:PORTS. HOST: a DNS name, *.NAME (any depth below, not NAME itself), an IP
  // address, a CIDR (IPv6 in brackets: "[fd00::]/8:443", and "[fd00::1]:443"), or *. PORTS: a port, FIRST-LAST, or *.
  // Errors: INVALID_ARGUMENT, one for the first wrong entry: `"10.0.0.0/33:80": a prefix of IPv4 has 0 to 32 bits`; `index` (if not
  // null) says which.
  static absl::StatusOr<std::shared_ptr<const DestinationPolicy>> Create(const std::vector<std::string>& entries,
                                                                         size_t* index = nullptr);

  // Judges what was named. A host that is the text of an IP address is judged as that address. For a name: true when a name entry
  // or * matches it, or an entry of addresses has the port: then its addresses decide. Names are compared without regard to case
  // and to one final dot. False for what is no host: empty, port 0, longer than 253 bytes, or anything but letters, digits, - and _
  // between dots (a name in another script comes as xn--...).
  [[nodiscard]] bool AllowsNamed(const HostPort& destination) const;
  // Judges an address that `named` stands for, right before it is contacted; its port must be the one named, and an address that was
  // named stands for itself only. `own`: what this daemon listens on, never reached, not even where an entry names it; an unspecified
  // address in it stands for loopback only (of both families for [::]), so the caller adds the addresses of this host.
  [[nodiscard]] bool AllowsAddress(const HostPort& named, const SocketAddress& address, const std::vector<SocketAddress>& own) const;

  // Made of the same entries in the same order.
  [[nodiscard]] bool IsSameAs(const DestinationPolicy& other) const { return texts_ == other.texts_; }

  DestinationPolicy(const DestinationPolicy&) = delete;
  DestinationPolicy& operator=(const DestinationPolicy&) = delete;
  ~DestinationPolicy();

 private:
  DestinationPolicy();
  std::vector<Entry> entries_;
  std::vector<std::string> texts_;  // of the entries
};

}  // namespace culvert::egress
