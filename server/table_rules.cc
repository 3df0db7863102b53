#include "server/table_rules.h"

#include "server/message_walk.h"
#include "server/validate.h"

namespace culvert::server {
namespace {

bool Covers(const IpAddress& wildcard, const IpAddress& other) {
  return wildcard.is_unspecified() && (wildcard.is_v6() || other.is_v4());
}

// TCP and UDP ports are apart; KCP and QUIC share those of UDP.
TableRules::Protocol ProtocolOf(v1::Transport transport) {
  return transport == v1::TRANSPORT_TCP ? TableRules::Protocol::kTcp : TableRules::Protocol::kUdp;
}

}  // namespace

TableRules::TableRules(const ObjectTable& table) : table_(table) {
  for (const EntryPtr& entry : table.OfKind(Kind::kListener)) {
    const v1::Listener& listener = entry->object.listener();
    const absl::StatusOr<SocketAddress> address = SocketAddress::Parse(listener.spec().bind());
    if (!address.ok()) continue;
    claims_[{ProtocolOf(listener.spec().transport()), address->port}].push_back({listener.metadata().name(), *address});
  }
  for (const EntryPtr& entry : table.OfKind(Kind::kForward)) {
    const v1::Forward& forward = entry->object.forward();
    forwards_[forward.spec().listener()].push_back(forward.metadata().name());
  }
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
  const auto claims = claims_.find({ProtocolOf(spec.transport()), bind->port});
  if (claims == claims_.end()) return;
  for (const Claim& claim : claims->second) {
    if (claim.name == listener.metadata().name() || !AddressesCollide(*bind, claim.address)) continue;
    violations.push_back({JoinPath(prefix, "spec.bind"), QuotedValue(spec.bind()) + " collides with listener/" +
                                                             claim.name + " at " + claim.address.ToString()});
    return;
  }
}

void TableRules::CheckForward(const Entry& entry, const std::string& prefix, Violations& violations) const {
  const v1::Forward& forward = entry.object.forward();
  const v1::ForwardSpec& spec = forward.spec();
  if (table_.Find({Kind::kListener, spec.listener()}) == nullptr) {
    violations.push_back({JoinPath(prefix, "spec.listener"), "there is no listener " + QuotedValue(spec.listener())});
    return;
  }
  if (!spec.dialer().empty() && table_.Find({Kind::kDialer, spec.dialer()}) == nullptr) {
    violations.push_back({JoinPath(prefix, "spec.dialer"), "there is no dialer " + QuotedValue(spec.dialer())});
  }
  const auto others = forwards_.find(spec.listener());
  if (others == forwards_.end()) return;
  for (const std::string& other : others->second) {
    if (other == forward.metadata().name()) continue;
    violations.push_back({JoinPath(prefix, "spec.listener"),
                          "listener/" + spec.listener() + " carries forward/" + other + " already"});
    return;
  }
}

bool AddressesCollide(const SocketAddress& a, const SocketAddress& b) {
  if (a.port != b.port || a.port == 0) return false;
  return a.ip == b.ip || Covers(a.ip, b.ip) || Covers(b.ip, a.ip);
}

}  // namespace culvert::server
