#include "core/egress/destination_policy.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_format.h"
#include "core/egress/address_class.h"
#include "core/egress/entry.h"

namespace culvert::egress {
namespace {

// What a destination's host is: an address or a name.
struct Host {
  std::optional<IpAddress> address;
  std::string_view name;  // without a final dot
};

// None when no resolver should see it.
std::optional<Host> ReadHost(std::string_view text) {
  if (text.size() > kMaxNameBytes) return std::nullopt;
  const std::string_view bare = WithoutFinalDot(text);
  // "127.0.0.1." is no address to all resolvers, but nobody means anything else by it.
  if (const auto address = IpAddress::Parse(bare); address.ok()) return Host{.address = *address};
  if (IsName(bare)) return Host{.name = bare};
  return std::nullopt;
}

bool IsAllowed(const std::vector<Entry>& entries, const Host& host, const SocketAddress& address) {
  const AddressClass found = Classify(address.ip);
  if (found.reach == Reach::kNever) return false;
  return std::any_of(entries.begin(), entries.end(), [&](const Entry& entry) {
    if (!entry.HasPort(address.port)) return false;
    // Both contain the address, so the entry lies inside the range if its prefix is not shorter.
    if (entry.Contains(address.ip)) return found.reach == Reach::kOpen || entry.prefix_bits >= found.range_bits;
    if (found.reach != Reach::kOpen) return false;
    return host.address ? entry.kind == Entry::Kind::kAny : entry.MatchesName(host.name);
  });
}

bool IsOwnAddress(const IpAddress& ip, const IpAddress& own) {
  if (ip == own) return true;
  // A socket on [::] takes IPv4 as well.
  return own.is_unspecified() && ip.is_loopback() && (ip.is_v4() || !own.is_v4());
}

// A NAT64 or a relay may bring a packet back to the address its destination carries, so those count too.
bool IsOwn(const SocketAddress& address, const std::vector<SocketAddress>& own) {
  const EmbeddedAddresses embedded = EmbeddedIn(address.ip);
  return std::any_of(own.begin(), own.end(), [&](const SocketAddress& mine) {
    return mine.port == address.port &&
           (IsOwnAddress(address.ip, mine.ip) || std::any_of(embedded.begin(), embedded.end(), [&](const auto& item) {
              return IsOwnAddress(item.ip, mine.ip);
            }));
  });
}

}  // namespace

DestinationPolicy::DestinationPolicy() = default;
DestinationPolicy::~DestinationPolicy() = default;

absl::StatusOr<std::shared_ptr<const DestinationPolicy>> DestinationPolicy::Create(const std::vector<std::string>& entries,
                                                                                   size_t* index) {
  const auto blame = [index](size_t i, absl::Status status) {
    if (index != nullptr) *index = i;
    return status;
  };
  std::shared_ptr<DestinationPolicy> policy(new DestinationPolicy());
  policy->entries_.reserve(std::min(entries.size(), kMaxEntries));
  policy->texts_ = entries;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i == kMaxEntries) return blame(i, Entry::Wrong(entries[i], absl::StrFormat("there are more than %d entries", kMaxEntries)));
    auto entry = Entry::Parse(entries[i]);
    if (!entry.ok()) return blame(i, entry.status());
    policy->entries_.push_back(*std::move(entry));
  }
  return policy;
}

bool DestinationPolicy::AllowsNamed(const HostPort& destination) const {
  const std::optional<Host> host = ReadHost(destination.host);
  if (!host || destination.port == 0) return false;
  if (host->address) return IsAllowed(entries_, *host, {*host->address, destination.port});
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.HasPort(destination.port) && (entry.kind == Entry::Kind::kAddresses || entry.MatchesName(host->name));
  });
}

bool DestinationPolicy::AllowsAddress(const HostPort& named, const SocketAddress& address,
                                      const std::vector<SocketAddress>& own) const {
  const std::optional<Host> host = ReadHost(named.host);
  if (!host || address.port == 0 || address.port != named.port) return false;
  if (host->address && *host->address != address.ip) return false;
  return !IsOwn(address, own) && IsAllowed(entries_, *host, address);
}

}  // namespace culvert::egress
