#include "server/table_rules.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "server/message_walk.h"
#include "server/validate.h"
#include "server/validate_forward.h"

namespace culvert::server {
namespace {

bool Covers(const IpAddress& wildcard, const IpAddress& other) {
  return wildcard.is_unspecified() && (wildcard.is_v6() || other.is_v4());
}

// TCP and UDP ports are apart; KCP and QUIC share those of UDP.
TableRules::Protocol ProtocolOf(v1::Transport transport) {
  return transport == v1::TRANSPORT_TCP ? TableRules::Protocol::kTcp : TableRules::Protocol::kUdp;
}

// Of both: what it says of itself.
template <typename Spec>
bool IsAddressed(const Spec& spec) {
  return spec.stream_header() == v1::STREAM_HEADER_CULVERT;
}

// nullptr: raw.
const char* NameOf(v1::ListenerProtocol protocol) {
  switch (protocol) {
    case v1::LISTENER_PROTOCOL_SOCKS5: return "protocol SOCKS5";
    case v1::LISTENER_PROTOCOL_HTTP_CONNECT: return "protocol HTTP_CONNECT";
    default: return nullptr;
  }
}

// What makes every stream or datagram of a listener bring its destination along; nullptr: nothing does. (Those of stream_header
// CULVERT may, and need not.)
const char* WhyAlwaysNamed(const v1::ListenerSpec& spec) {
  return spec.udp().original_destination() ? "udp.original_destination" : NameOf(spec.protocol());
}

bool IsSocketDialer(const v1::DialerSpec& dialer) {
  return dialer.transport() == v1::TRANSPORT_TCP || dialer.transport() == v1::TRANSPORT_UDP;
}

// A forward with what it names, of which each may be absent, and where its violations go.
struct Joined {
  const v1::ForwardSpec& forward;
  const v1::ListenerSpec* listener;
  const v1::DialerSpec* dialer;
  const std::string& prefix;
  Violations& violations;

  void Refuse(const char* field, std::string description) const {
    violations.push_back({JoinPath(JoinPath(prefix, "spec"), field), std::move(description)});
  }
};

// Clients name every destination: all of them must be able to go on.
void CheckNamed(const Joined& joined, const char* named) {
  const v1::ForwardSpec& spec = joined.forward;
  const std::string source = absl::StrFormat("%s of listener/%s", named, spec.listener());
  if (!spec.destination().empty()) joined.Refuse("destination", "excludes " + source + ": its clients say where they go");
  if (joined.dialer != nullptr && !IsAddressed(*joined.dialer)) {
    joined.Refuse("dialer", absl::StrFormat("needs stream_header CULVERT: dialer/%s cannot be told the destinations that %s brings",
                                            spec.dialer(), source));
  }
  if (joined.dialer == nullptr && spec.allowed_destinations_size() == 0) {
    joined.Refuse("allowed_destinations",
                  "must be set for " + source + ": an open door to everywhere needs to be said: [\"*:*\"]");
  }
}

// Clients name no destination, or those of stream_header CULVERT may.
void CheckUnnamed(const Joined& joined) {
  const v1::ForwardSpec& spec = joined.forward;
  if (joined.dialer != nullptr && !spec.destination().empty() && !IsAddressed(*joined.dialer)) {
    joined.Refuse("destination", IsSocketDialer(*joined.dialer)
                                     ? "excludes dialer: one of transport TCP or UDP forwards to its own targets"
                                     : "excludes dialer: over raw streams the far side decides where bytes go");
  }
  if (joined.listener == nullptr) return;
  if (spec.allowed_destinations_size() > 0 && !IsAddressed(*joined.listener)) {
    joined.Refuse("allowed_destinations",
                  absl::StrFormat("is of no use: nothing at listener/%s names a destination, which takes a protocol or stream_header CULVERT",
                                  spec.listener()));
  }
  if (joined.dialer == nullptr) return;
  const bool is_udp_in = joined.listener->transport() == v1::TRANSPORT_UDP;
  const bool is_udp_out = joined.dialer->transport() == v1::TRANSPORT_UDP;
  if (is_udp_in && !is_udp_out && !IsAddressed(*joined.dialer)) {
    joined.Refuse("dialer", absl::StrFormat("datagrams of listener/%s have no boundaries on raw streams: both ends need "
                                            "stream_header CULVERT",
                                            spec.listener()));
  } else if (is_udp_out && !is_udp_in && !IsAddressed(*joined.listener)) {
    joined.Refuse("dialer", absl::StrFormat("dialer/%s is of transport UDP, and the raw streams of listener/%s have no datagrams for it",
                                            spec.dialer(), spec.listener()));
  }
}

void CheckReverse(const Joined& joined, const v1::ListenerSpec* reverse_listener) {
  const v1::ForwardSpec& spec = joined.forward;
  if (joined.dialer != nullptr && !IsAddressed(*joined.dialer)) {
    joined.Refuse("dialer", "reverse needs one of stream_header CULVERT, and dialer/" + spec.dialer() + " is none");
  }
  if (joined.listener != nullptr) {
    const v1::Transport transport = joined.listener->transport();
    const bool is_socket = transport == v1::TRANSPORT_TCP || transport == v1::TRANSPORT_UDP;
    if (!is_socket || WhyAlwaysNamed(*joined.listener) != nullptr) {
      joined.Refuse("listener", "the public side of reverse takes one of transport TCP or UDP whose clients name no destination, and "
                                "listener/" + spec.listener() + " is none");
    }
  }
  if (reverse_listener != nullptr && !IsAddressed(*reverse_listener)) {
    joined.Refuse("reverse_listener",
                  "must be of stream_header CULVERT: nobody can offer a name to listener/" + spec.reverse_listener());
  }
}

const v1::ListenerSpec* ListenerIn(const ObjectTable& table, const std::string& name) {
  const EntryPtr entry = table.Find({Kind::kListener, name});
  return entry != nullptr ? &entry->object.listener().spec() : nullptr;  // the table keeps the entry
}

const v1::DialerSpec* DialerIn(const ObjectTable& table, const std::string& name) {
  const EntryPtr entry = table.Find({Kind::kDialer, name});
  return entry != nullptr ? &entry->object.dialer().spec() : nullptr;
}

// The first name of `names` that is not `own`; nullptr: there is none.
const std::string* OtherThan(const std::string& own, const std::map<std::string, std::vector<std::string>>& names,
                             const std::string& key) {
  const auto found = names.find(key);
  if (found == names.end()) return nullptr;
  for (const std::string& name : found->second) {
    if (name != own) return &name;
  }
  return nullptr;
}

}  // namespace

const TableRules::Index& TableRules::index() const {
  if (index_) return *index_;
  Index& index = index_.emplace();
  for (const EntryPtr& entry : table_.OfKind(Kind::kListener)) {
    const v1::Listener& listener = entry->object.listener();
    const absl::StatusOr<SocketAddress> address = SocketAddress::Parse(listener.spec().bind());
    if (!address.ok()) continue;
    index.claims[{ProtocolOf(listener.spec().transport()), address->port}].push_back({listener.metadata().name(), *address});
  }
  for (const EntryPtr& entry : table_.OfKind(Kind::kForward)) {
    const v1::Forward& forward = entry->object.forward();
    if (!forward.spec().listener().empty()) index.forwards[forward.spec().listener()].push_back(forward.metadata().name());
    if (IsReversePublic(forward.spec())) index.public_forwards[forward.spec().reverse()].push_back(forward.metadata().name());
  }
  return index;
}

void TableRules::Check(const Entry& entry, const std::string& prefix, Violations& violations) const {
  if (violations.size() >= kMaxViolations) return;
  if (entry.object.has_listener()) CheckListener(entry, prefix, violations);
  if (entry.object.has_forward()) CheckForward(entry, prefix, violations);
}

void TableRules::CheckListener(const Entry& entry, const std::string& prefix, Violations& violations) const {
  const v1::Listener& listener = entry.object.listener();
  const v1::ListenerSpec& spec = listener.spec();
  const absl::StatusOr<SocketAddress> bind = SocketAddress::Parse(spec.bind());
  if (!bind.ok()) return;
  const auto claims = index().claims.find({ProtocolOf(spec.transport()), bind->port});
  if (claims == index().claims.end()) return;
  for (const Claim& claim : claims->second) {
    if (claim.name == listener.metadata().name() || !AddressesCollide(*bind, claim.address)) continue;
    violations.push_back({JoinPath(prefix, "spec.bind"), QuotedValue(spec.bind()) + " collides with listener/" +
                                                             claim.name + " at " + claim.address.ToString()});
    return;
  }
}

bool TableRules::CheckNames(const v1::ForwardSpec& spec, const std::string& prefix, Violations& violations) const {
  const size_t faults_before = violations.size();
  if (!spec.listener().empty() && ListenerIn(table_, spec.listener()) == nullptr) {
    violations.push_back({JoinPath(prefix, "spec.listener"), "there is no listener " + QuotedValue(spec.listener())});
  }
  if (!spec.dialer().empty() && DialerIn(table_, spec.dialer()) == nullptr) {
    violations.push_back({JoinPath(prefix, "spec.dialer"), "there is no dialer " + QuotedValue(spec.dialer())});
  }
  if (!spec.reverse_listener().empty() && ListenerIn(table_, spec.reverse_listener()) == nullptr) {
    violations.push_back(
        {JoinPath(prefix, "spec.reverse_listener"), "there is no listener " + QuotedValue(spec.reverse_listener())});
  }
  return violations.size() == faults_before;
}

void TableRules::CheckAlone(const v1::Forward& forward, const std::string& prefix, Violations& violations) const {
  const v1::ForwardSpec& spec = forward.spec();
  const std::string& name = forward.metadata().name();
  if (const std::string* other = OtherThan(name, index().forwards, spec.listener())) {
    violations.push_back({JoinPath(prefix, "spec.listener"),
                          "listener/" + spec.listener() + " carries forward/" + *other + " already"});
  }
  if (!IsReversePublic(spec)) return;
  if (const std::string* other = OtherThan(name, index().public_forwards, spec.reverse())) {
    violations.push_back({JoinPath(prefix, "spec.reverse"),
                          "who offers " + QuotedValue(spec.reverse()) + " is taken in by forward/" + *other + " already"});
  }
}

void TableRules::CheckForward(const Entry& entry, const std::string& prefix, Violations& violations) const {
  const v1::Forward& forward = entry.object.forward();
  const v1::ForwardSpec& spec = forward.spec();
  const bool is_complete = CheckNames(spec, prefix, violations);
  CheckAlone(forward, prefix, violations);
  if (!is_complete) return;
  const Joined joined{spec, ListenerIn(table_, spec.listener()), DialerIn(table_, spec.dialer()), prefix, violations};
  if (!spec.reverse().empty()) return CheckReverse(joined, ListenerIn(table_, spec.reverse_listener()));
  const char* named = joined.listener != nullptr ? WhyAlwaysNamed(*joined.listener) : nullptr;
  if (named != nullptr) {
    CheckNamed(joined, named);
  } else {
    CheckUnnamed(joined);
  }
  if (spec.proxy_protocol() && joined.dialer != nullptr && !IsSocketDialer(*joined.dialer)) {
    joined.Refuse("proxy_protocol", "belongs where backends are dialled: dialer/" + spec.dialer() + " leads to another end of a tunnel");
  }
}

bool AddressesCollide(const SocketAddress& a, const SocketAddress& b) {
  if (a.port != b.port || a.port == 0) return false;
  return a.ip == b.ip || Covers(a.ip, b.ip) || Covers(b.ip, a.ip);
}

}  // namespace culvert::server
