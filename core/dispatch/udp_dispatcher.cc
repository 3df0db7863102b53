// Flow of a datagram: OnOutgoing or OnIncoming looks its flow up, begins one (making room first), and puts it last in the order of
// silence (Touch). Flows end in End alone.
#include "core/dispatch/udp_dispatcher.h"

#include <array>
#include <cstring>
#include <utility>

#include "core/base/check.h"

namespace culvert::dispatch {
namespace {

constexpr uint16_t kDnsPort = 53;
constexpr size_t kAddressBytes = 16 + 1 + 2;
constexpr size_t kMostHostBytes = 255;

void PutAddress(const SocketAddress& address, uint8_t* to) {
  std::memcpy(to, address.ip.bytes().data(), 16);
  to[16] = static_cast<uint8_t>(address.ip.family());
  StoreBigEndian16(to + 17, address.port);
}

}  // namespace

size_t UdpDispatcher::ClientHash::operator()(const SocketAddress& client) const {
  std::array<uint8_t, kAddressBytes> bytes;
  PutAddress(client, bytes.data());
  return static_cast<size_t>((*hash)(bytes));
}

uint64_t UdpDispatcher::KeyOf(AssociationHandle association, const Destination& destination) const {
  std::array<uint8_t, 8 + kAddressBytes + kMostHostBytes> bytes;
  const uint64_t packed = association.packed();
  std::memcpy(bytes.data(), &packed, sizeof packed);
  PutAddress(destination.host.empty() ? destination.address : SocketAddress{{}, destination.port()}, bytes.data() + 8);
  const size_t host = std::min(destination.host.size(), kMostHostBytes);
  if (host > 0) std::memcpy(bytes.data() + 8 + kAddressBytes, destination.host.data(), host);
  return hash_(ByteView(bytes).first(8 + kAddressBytes + host));
}

bool UdpDispatcher::Matches(const Flow& flow, AssociationHandle association, const Destination& destination) {
  if (flow.association != association || flow.host != destination.host) return false;
  return destination.host.empty() ? flow.destination == destination.address : flow.destination.port == destination.port();
}

FlowHandle UdpDispatcher::FindFlow(AssociationHandle handle, const Destination& destination, uint64_t key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return {};
  const Flow* flow = flows_.Find(found->second);
  CULVERT_DCHECK(flow != nullptr);
  return flow != nullptr && Matches(*flow, handle, destination) ? found->second : FlowHandle{};
}

// Datagrams mostly follow one another in one flow, and comparing is cheaper than a keyed hash.
FlowHandle UdpDispatcher::FindNewest(AssociationHandle handle, const Association& association, const Destination& destination) {
  const Flow* flow = flows_.Find(association.newest);
  return flow != nullptr && Matches(*flow, handle, destination) ? association.newest : FlowHandle{};
}

// ---- Associations.

AssociationHandle UdpDispatcher::Find(const SocketAddress& client) const {
  if (client == last_client_ && associations_.Find(last_association_) != nullptr) return last_association_;
  const auto found = clients_.find(client);
  if (found == clients_.end()) return {};
  last_client_ = client;
  last_association_ = found->second;
  return found->second;
}

AssociationHandle UdpDispatcher::Open(TimePoint /*now*/, const SocketAddress& client, const AssociationRules& rules, uint64_t user) {
  const bool has_client = client.ip.family() != IpAddress::Family::kNone;
  CULVERT_CHECK(!has_client || !clients_.contains(client));
  if (has_client && clients_.size() >= options_.max_associations) EvictClient();
  const AssociationHandle handle =
      associations_.Emplace(Association{.client = client, .rules = rules, .user = user, .has_client = has_client});
  if (has_client) {
    clients_[client] = handle;
    flowless_.push_back(handle);
    if (flowless_.size() > 2 * size_t{options_.max_associations}) {
      std::erase_if(flowless_, [this](AssociationHandle one) {
        const Association* association = associations_.Find(one);
        return association == nullptr || association->flow_count > 0;
      });
    }
  }
  ++counters_.associations_opened;
  return handle;
}

void UdpDispatcher::EvictClient() {
  ++counters_.associations_evicted;
  while (!flowless_.empty()) {
    const AssociationHandle handle = flowless_.front();
    flowless_.pop_front();
    const Association* association = associations_.Find(handle);
    if (association != nullptr && association->flow_count == 0) return EndIfEmpty(handle, EndReason::kEvicted);
  }
  for (FlowHandle victim = oldest_; const Flow* flow = flows_.Find(victim); victim = flow->in_all.after) {
    const AssociationHandle owner = flow->association;
    if (!associations_.Find(owner)->has_client) continue;
    while (const Association* association = associations_.Find(owner)) End(association->oldest, EndReason::kEvicted, /*tells=*/true);
    return;
  }
}

void UdpDispatcher::Close(AssociationHandle handle) {
  Association* association = associations_.Find(handle);
  if (association == nullptr) return;
  while (association->flow_count > 0) {
    // Not through End, which would end the association with the last and tell of it.
    const FlowHandle flow_handle = association->oldest;
    Flow& flow = *flows_.Find(flow_handle);
    Unlink(flow_handle, flow, *association);
    by_key_.erase(flow.key);
    deadlines_.Cancel(flow_handle.index);
    flows_.Erase(flow_handle);
  }
  if (association->has_client) clients_.erase(association->client);
  associations_.Erase(handle);
}

uint64_t UdpDispatcher::UserOf(AssociationHandle handle) const {
  const Association* association = associations_.Find(handle);
  return association != nullptr ? association->user : 0;
}

size_t UdpDispatcher::FlowCountOf(AssociationHandle handle) const {
  const Association* association = associations_.Find(handle);
  return association != nullptr ? association->flow_count : 0;
}

// ---- Datagrams.

FlowHandle UdpDispatcher::OnOutgoing(TimePoint now, AssociationHandle handle, const Destination& destination, size_t bytes,
                                     bool* is_new) {
  if (is_new != nullptr) *is_new = false;
  Association* association = associations_.Find(handle);
  if (association == nullptr || destination.host.size() > kMostHostBytes) return {};
  FlowHandle flow_handle = FindNewest(handle, *association, destination);
  if (flow_handle.is_null()) {
    const uint64_t key = KeyOf(handle, destination);
    flow_handle = FindFlow(handle, destination, key);
    if (flow_handle.is_null()) {
      if (by_key_.contains(key)) return {};  // a collision of 64 secret bits
      flow_handle = Begin(now, handle, *association, destination, key);
      if (is_new != nullptr) *is_new = true;
    }
  }
  Flow& flow = *flows_.Find(flow_handle);
  Touch(now, flow_handle, flow, *association, /*is_reply=*/false);
  ++flow.counters.rx_packets;
  flow.counters.rx_bytes += bytes;
  return flow_handle;
}

FlowHandle UdpDispatcher::OnIncoming(TimePoint now, AssociationHandle handle, const Destination& source, size_t bytes, bool is_judged) {
  Association* association = associations_.Find(handle);
  if (association == nullptr) return {};
  FlowHandle flow_handle = FindNewest(handle, *association, source);
  if (flow_handle.is_null()) flow_handle = FindFlow(handle, source, KeyOf(handle, source));
  if (flow_handle.is_null() && (is_judged || association->rules.is_endpoint_independent)) flow_handle = association->newest;
  Flow* flow = flows_.Find(flow_handle);
  if (flow == nullptr) {
    ++counters_.filtered;
    return {};
  }
  Touch(now, flow_handle, *flow, *association, /*is_reply=*/true);
  ++flow->counters.tx_packets;
  flow->counters.tx_bytes += bytes;
  return flow_handle;
}

void UdpDispatcher::OnDropped(FlowHandle handle) {
  if (Flow* flow = flows_.Find(handle)) ++flow->counters.dropped;
}

// ---- Flows.

FlowHandle UdpDispatcher::Begin(TimePoint now, AssociationHandle handle, Association& association, const Destination& destination,
                                uint64_t key) {
  // Room first. The association itself stays: it is about to have another flow.
  const uint32_t most = std::max(association.rules.max_flows, 1u);
  if (association.flow_count >= most) {
    const bool had_client = std::exchange(association.has_client, false);
    End(association.oldest, EndReason::kEvicted, /*tells=*/true);
    association.has_client = had_client;
  }
  if (flows_.size() >= options_.max_flows) {
    const bool had_client = std::exchange(association.has_client, false);
    End(oldest_, EndReason::kEvicted, /*tells=*/true);
    association.has_client = had_client;
  }
  const FlowHandle flow_handle = flows_.Emplace();
  Flow& flow = *flows_.Find(flow_handle);
  flow.association = handle;
  flow.destination = destination.host.empty() ? destination.address : SocketAddress{{}, destination.port()};
  flow.host = std::string(destination.host);
  flow.opened_at = flow.active_at = now;
  flow.idle_timeout = destination.port() == kDnsPort ? association.rules.dns_idle_timeout : association.rules.idle_timeout;
  flow.key = key;
  by_key_[key] = flow_handle;
  Append(flow_handle, flow, association);
  flow.look_at = now + flow.idle_timeout;
  deadlines_.Set(flow_handle.index, flow.look_at);
  ++counters_.flows_opened;
  return flow_handle;
}

void UdpDispatcher::Touch(TimePoint now, FlowHandle handle, Flow& flow, Association& association, bool is_reply) {
  if (association.rules.only_replies_refresh && !is_reply) return;
  flow.active_at = now;
  if (association.newest == handle && newest_ == handle) return;
  Unlink(handle, flow, association);
  Append(handle, flow, association);
}

namespace {

// The two orders are lists of the same kind; `links` picks the one.
template <typename Links, typename Find>
void Remove(FlowHandle handle, Links links, Find find, FlowHandle& oldest, FlowHandle& newest) {
  auto& own = links(*find(handle));
  if (Flow* before = find(own.before)) {
    links(*before).after = own.after;
  } else {
    oldest = own.after;
  }
  if (Flow* after = find(own.after)) {
    links(*after).before = own.before;
  } else {
    newest = own.before;
  }
  own = {};
}

template <typename Links, typename Find>
void PutLast(FlowHandle handle, Links links, Find find, FlowHandle& oldest, FlowHandle& newest) {
  auto& own = links(*find(handle));
  own.before = newest;
  own.after = {};
  if (Flow* before = find(newest)) {
    links(*before).after = handle;
  } else {
    oldest = handle;
  }
  newest = handle;
}

}  // namespace

void UdpDispatcher::Unlink(FlowHandle handle, Flow& /*flow*/, Association& association) {
  const auto find = [this](FlowHandle other) { return flows_.Find(other); };
  Remove(handle, [](Flow& one) -> Flow::Links& { return one.in_association; }, find, association.oldest, association.newest);
  Remove(handle, [](Flow& one) -> Flow::Links& { return one.in_all; }, find, oldest_, newest_);
  --association.flow_count;
}

void UdpDispatcher::Append(FlowHandle handle, Flow& /*flow*/, Association& association) {
  const auto find = [this](FlowHandle other) { return flows_.Find(other); };
  PutLast(handle, [](Flow& one) -> Flow::Links& { return one.in_association; }, find, association.oldest, association.newest);
  PutLast(handle, [](Flow& one) -> Flow::Links& { return one.in_all; }, find, oldest_, newest_);
  ++association.flow_count;
}

void UdpDispatcher::End(FlowHandle handle, EndReason reason, bool tells) {
  Flow* flow = flows_.Find(handle);
  if (flow == nullptr) return;
  const AssociationHandle owner = flow->association;
  Association& association = *associations_.Find(owner);
  Unlink(handle, *flow, association);
  by_key_.erase(flow->key);
  deadlines_.Cancel(handle.index);
  if (reason == EndReason::kIdle) ++counters_.flows_idle;
  if (reason == EndReason::kEvicted) ++counters_.flows_evicted;
  if (tells) events_.push_back({Event::Kind::kFlowEnded, owner, handle, reason, association.user, std::move(*flow)});
  flows_.Erase(handle);
  EndIfEmpty(owner, reason);
}

void UdpDispatcher::EndIfEmpty(AssociationHandle handle, EndReason reason) {
  Association* association = associations_.Find(handle);
  if (association == nullptr || !association->has_client || association->flow_count > 0) return;
  events_.push_back({Event::Kind::kAssociationEnded, handle, {}, reason, association->user, {}});
  clients_.erase(association->client);
  associations_.Erase(handle);
}

void UdpDispatcher::CloseFlow(FlowHandle handle) { End(handle, EndReason::kClosed, /*tells=*/false); }

// ---- Time.

void UdpDispatcher::OnTimeout(TimePoint now) {
  while (const std::optional<uint32_t> index = deadlines_.PopDue(now)) {
    Flow* flow = flows_.At(*index);
    if (flow == nullptr) continue;
    const Association& association = *associations_.Find(flow->association);
    if (association.rules.only_replies_refresh) {
      if (flow->active_at > flow->look_at - flow->idle_timeout) {
        flow->look_at += flow->idle_timeout;
        deadlines_.Set(*index, flow->look_at);
        continue;
      }
    } else if (now - flow->active_at < flow->idle_timeout) {
      deadlines_.Set(*index, flow->active_at + flow->idle_timeout);
      continue;
    }
    // Its own handle: of the slot as it is now.
    End(by_key_.find(flow->key)->second, EndReason::kIdle, /*tells=*/true);
  }
}

std::optional<UdpDispatcher::Event> UdpDispatcher::PollEvent() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

}  // namespace culvert::dispatch
