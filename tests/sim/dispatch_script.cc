// Layout of a script: limits (4 bytes), then steps of kDispatchStepBytes: what, and three numbers for it. Few clients, destinations and
// places, so that opening, ending and opening again often meet in the same ones.
#include "tests/sim/dispatch_script.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/dispatch/udp_dispatcher.h"

namespace culvert::sim {
namespace {

using dispatch::AssociationHandle;
using dispatch::AssociationRules;
using dispatch::Destination;
using dispatch::EndReason;
using dispatch::Flow;
using dispatch::FlowCounters;
using dispatch::FlowHandle;
using dispatch::UdpDispatcher;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kRemembered = 64;  // handles that a script may use again when they are stale
constexpr std::array<std::string_view, 3> kNames = {"one.example", "two.example", "two.exampl"};

SocketAddress Client(uint8_t number) {
  return {IpAddress::V4({192, 0, 2, static_cast<uint8_t>(number % 8)}), static_cast<uint16_t>(4000 + number / 8 % 2)};
}

// Addresses that differ in one place, names, ports with a time of their own.
Destination Place(uint8_t number) {
  const uint16_t port = (number & 16) != 0 ? 53 : static_cast<uint16_t>(7000 + (number >> 5 & 1));
  const uint8_t which = number & 15;
  if (which < kNames.size()) return {{{}, port}, kNames[which]};
  if (which < 6) return {{IpAddress::V6({0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, which}), port}};
  return {{IpAddress::V4({198, 51, 100, which}), port}};
}

struct ModelFlow {
  uint64_t id = 0, association = 0, spoke = 0;  // `spoke`: counts up; who has the least was silent longest
  std::string destination;
  FlowCounters counters;
  TimePoint active_at, look_at;
  Duration idle{};
};

struct ModelAssociation {
  uint64_t id = 0, user = 0;
  std::optional<SocketAddress> client;
  AssociationRules rules;
};

// What happened, in the terms of both.
using Happening = std::tuple<UdpDispatcher::Event::Kind, uint64_t /*association*/, uint64_t /*flow*/, EndReason, uint64_t /*user*/,
                             uint64_t /*datagrams*/>;

uint64_t Datagrams(const FlowCounters& counters) {
  return counters.rx_packets * 1'000'003 + counters.tx_packets * 1009 + counters.rx_bytes * 31 + counters.tx_bytes * 7 + counters.dropped;
}

class Model {
 public:
  explicit Model(const UdpDispatcher::Options& options) : options_(options) {}

  std::vector<ModelAssociation> associations;  // as they were opened
  std::vector<ModelFlow> flows;
  std::vector<Happening> happenings;
  UdpDispatcher::Counters counters;

  ModelAssociation* FindAssociation(uint64_t id) {
    const auto found = std::ranges::find(associations, id, &ModelAssociation::id);
    return found == associations.end() ? nullptr : &*found;
  }
  ModelFlow* FindFlow(uint64_t id) {
    const auto found = std::ranges::find(flows, id, &ModelFlow::id);
    return found == flows.end() ? nullptr : &*found;
  }
  ModelAssociation* FindClient(const SocketAddress& client) {
    const auto found = std::ranges::find(associations, std::optional(client), &ModelAssociation::client);
    return found == associations.end() ? nullptr : &*found;
  }
  size_t FlowCountOf(uint64_t association) const {
    return static_cast<size_t>(std::ranges::count(flows, association, &ModelFlow::association));
  }

  uint64_t Open(const std::optional<SocketAddress>& client, const AssociationRules& rules, uint64_t user) {
    if (client && CountClients() >= options_.max_associations) EvictClient();
    associations.push_back({.id = ++last_id_, .user = user, .client = client, .rules = rules});
    ++counters.associations_opened;
    return last_id_;
  }

  void Close(uint64_t id) {
    std::erase_if(flows, [id](const ModelFlow& flow) { return flow.association == id; });
    std::erase_if(associations, [id](const ModelAssociation& one) { return one.id == id; });
  }

  // 0: refused.
  uint64_t Outgoing(TimePoint now, uint64_t id, const Destination& destination, size_t bytes, bool& is_new) {
    const ModelAssociation* association = FindAssociation(id);
    is_new = false;
    if (association == nullptr) return 0;
    ModelFlow* flow = Of(id, destination.ToString());
    if (flow == nullptr) {
      is_new = true;
      if (FlowCountOf(id) >= association->rules.max_flows) Evict(Silent(id), id);
      if (flows.size() >= options_.max_flows) Evict(Silent(0), id);
      association = FindAssociation(id);
      const Duration idle = destination.port() == 53 ? association->rules.dns_idle_timeout : association->rules.idle_timeout;
      flows.push_back({.id = ++last_id_, .association = id, .spoke = ++speech_, .destination = destination.ToString(), .counters = {},
                       .active_at = now, .look_at = now + idle, .idle = idle});
      flow = &flows.back();
      ++counters.flows_opened;
    } else if (!association->rules.only_replies_refresh) {
      Speak(now, *flow);
    }
    ++flow->counters.rx_packets;
    flow->counters.rx_bytes += bytes;
    return flow->id;
  }

  uint64_t Incoming(TimePoint now, uint64_t id, const Destination& source, size_t bytes, bool is_judged) {
    const ModelAssociation* association = FindAssociation(id);
    if (association == nullptr) return 0;
    ModelFlow* flow = Of(id, source.ToString());
    if (flow == nullptr && (is_judged || association->rules.is_endpoint_independent)) {
      for (ModelFlow& one : flows) {
        if (one.association == id && (flow == nullptr || one.spoke > flow->spoke)) flow = &one;
      }
    }
    if (flow == nullptr) {
      ++counters.filtered;
      return 0;
    }
    Speak(now, *flow);
    ++flow->counters.tx_packets;
    flow->counters.tx_bytes += bytes;
    return flow->id;
  }

  void CloseFlow(uint64_t id) {
    const ModelFlow* flow = FindFlow(id);
    if (flow == nullptr) return;
    const uint64_t owner = flow->association;
    std::erase_if(flows, [id](const ModelFlow& one) { return one.id == id; });
    EndIfEmpty(owner, EndReason::kClosed);
  }

  void Pass(TimePoint now) {
    std::vector<uint64_t> due;
    for (ModelFlow& flow : flows) {
      if (FindAssociation(flow.association)->rules.only_replies_refresh) {
        while (flow.look_at <= now && flow.active_at > flow.look_at - flow.idle) flow.look_at += flow.idle;
        if (flow.look_at <= now) due.push_back(flow.id);
      } else if (flow.active_at + flow.idle <= now) {
        due.push_back(flow.id);
      }
    }
    for (const uint64_t id : due) {
      ++counters.flows_idle;
      End(id, EndReason::kIdle, /*keeps=*/0);
    }
  }

 private:
  size_t CountClients() const {
    return static_cast<size_t>(std::ranges::count_if(associations, [](const ModelAssociation& one) { return one.client.has_value(); }));
  }
  ModelFlow* Of(uint64_t association, const std::string& destination) {
    for (ModelFlow& flow : flows) {
      if (flow.association == association && flow.destination == destination) return &flow;
    }
    return nullptr;
  }
  void Speak(TimePoint now, ModelFlow& flow) {
    flow.active_at = now;
    flow.spoke = ++speech_;
  }
  // The flow that was silent longest, of an association or (0) of all.
  uint64_t Silent(uint64_t association) const {
    const ModelFlow* silent = nullptr;
    for (const ModelFlow& flow : flows) {
      if (association != 0 && flow.association != association) continue;
      if (silent == nullptr || flow.spoke < silent->spoke) silent = &flow;
    }
    return silent == nullptr ? 0 : silent->id;
  }
  void Evict(uint64_t id, uint64_t keeps) {
    ++counters.flows_evicted;
    End(id, EndReason::kEvicted, keeps);
  }
  void EvictClient() {
    ++counters.associations_evicted;
    for (const ModelAssociation& one : associations) {
      if (!one.client || FlowCountOf(one.id) > 0) continue;
      return EndIfEmpty(one.id, EndReason::kEvicted);
    }
    std::vector<ModelFlow> by_silence = flows;
    std::ranges::sort(by_silence, {}, &ModelFlow::spoke);
    for (const ModelFlow& flow : by_silence) {
      if (!FindAssociation(flow.association)->client) continue;
      while (const uint64_t id = Silent(flow.association)) {
        if (FlowCountOf(flow.association) == 0) break;
        Evict(id, 0);
      }
      return;
    }
  }
  // `keeps`: an association that stays although it is empty.
  void End(uint64_t id, EndReason reason, uint64_t keeps) {
    const ModelFlow flow = *FindFlow(id);
    std::erase_if(flows, [id](const ModelFlow& one) { return one.id == id; });
    happenings.emplace_back(UdpDispatcher::Event::Kind::kFlowEnded, flow.association, id, reason, FindAssociation(flow.association)->user,
                            Datagrams(flow.counters));
    if (flow.association != keeps) EndIfEmpty(flow.association, reason);
  }
  void EndIfEmpty(uint64_t id, EndReason reason) {
    const ModelAssociation* association = FindAssociation(id);
    if (association == nullptr || !association->client || FlowCountOf(id) > 0) return;
    happenings.emplace_back(UdpDispatcher::Event::Kind::kAssociationEnded, id, 0, reason, association->user, 0);
    std::erase_if(associations, [id](const ModelAssociation& one) { return one.id == id; });
  }

  const UdpDispatcher::Options options_;
  uint64_t last_id_ = 0;
  uint64_t speech_ = 0;
};

class Run {
 public:
  Run(const UdpDispatcher::Options& options, uint8_t rules) : random_(rules), dispatcher_(options, random_), model_(options), rules_(rules) {}

  // What did not hold.
  std::string Step(uint8_t what, uint8_t a, uint8_t b, uint8_t c) {
    switch (what % 16) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
      case 5: return Outgoing(a, b, c);
      case 6:
      case 7:
      case 8: return Incoming(a, b, c);
      case 9: now_ += milliseconds(int64_t{a} * b); break;  // until here without a look at the time
      case 10:
      case 11:
        now_ += what % 16 == 10 ? milliseconds(int64_t{a} * b) : milliseconds(a);
        dispatcher_.OnTimeout(now_);
        model_.Pass(now_);
        break;
      case 12: CloseFlow(a); break;
      case 13: CloseAssociation(a); break;
      case 14: OpenWithoutClient(a); break;
      default: Dropped(a); break;
    }
    return "";
  }

  // Whether both agree, after a step.
  std::string Compare(bool thoroughly) {
    std::vector<Happening> ours;
    while (const auto event = dispatcher_.PollEvent()) {
      const uint64_t flow = event->flow.is_null() ? 0 : flow_ids_[event->flow.packed()];
      ours.emplace_back(event->kind, association_ids_[event->association.packed()], flow, event->reason, event->user,
                        Datagrams(event->last.counters));
      if (!event->flow.is_null() && dispatcher_.FindFlow(event->flow) != nullptr) return "a flow ended that is there";
    }
    auto expected = std::exchange(model_.happenings, {});
    std::ranges::sort(ours);
    std::ranges::sort(expected);
    if (ours != expected) return absl::StrFormat("%d events instead of %d, or others", ours.size(), expected.size());
    for (const Happening& one : ours) Mix(std::get<2>(one) + std::get<1>(one));
    const auto& a = dispatcher_.counters();
    const auto& b = model_.counters;
    if (std::tie(a.associations_opened, a.flows_opened, a.flows_idle, a.flows_evicted, a.associations_evicted, a.filtered) !=
        std::tie(b.associations_opened, b.flows_opened, b.flows_idle, b.flows_evicted, b.associations_evicted, b.filtered)) {
      return "the counters differ";
    }
    if (dispatcher_.flow_count() != model_.flows.size()) {
      return absl::StrFormat("%d flows instead of %d", dispatcher_.flow_count(), model_.flows.size());
    }
    if (dispatcher_.association_count() != model_.associations.size()) return "not as many associations";
    const auto next = dispatcher_.NextTimeout();
    if (next.has_value() != !model_.flows.empty()) return "a timeout without flows, or none with them";
    for (const ModelFlow& flow : model_.flows) {
      const bool only_replies = model_.FindAssociation(flow.association)->rules.only_replies_refresh;
      if (*next > (only_replies ? flow.look_at : flow.active_at + flow.idle)) return "the next timeout is after the end of a flow";
    }
    return thoroughly ? CompareAll() : "";
  }

  uint64_t hash() const { return hash_; }

 private:
  std::string CompareAll() {
    std::string wrong;
    dispatcher_.ForEachFlow([&](FlowHandle handle, const Flow& flow) {
      const ModelFlow* expected = model_.FindFlow(flow_ids_[handle.packed()]);
      if (expected == nullptr) {
        wrong = "a flow that should have ended";
      } else if (association_ids_[flow.association.packed()] != expected->association || flow.active_at != expected->active_at ||
                 Datagrams(flow.counters) != Datagrams(expected->counters) ||
                 Destination{flow.destination, flow.host}.ToString() != expected->destination) {
        wrong = "a flow differs: " + expected->destination;
      }
    });
    for (const auto& [handle, id] : handles_) {
      const ModelAssociation* expected = model_.FindAssociation(id);
      if (dispatcher_.IsOpen(handle) != (expected != nullptr)) return "an association is open, or is not";
      if (expected == nullptr) continue;
      if (dispatcher_.FlowCountOf(handle) != model_.FlowCountOf(id)) return "an association has another number of flows";
      if (dispatcher_.UserOf(handle) != expected->user) return "the association of somebody else";
      if (expected->client && dispatcher_.Find(*expected->client) != handle) return "a client has not its association";
    }
    for (uint8_t number = 0; number < 16; ++number) {
      if (dispatcher_.Find(Client(number)).is_null() != (model_.FindClient(Client(number)) == nullptr)) return "a client is known, or is not";
    }
    return wrong;
  }

  AssociationRules Rules(uint8_t number) const {
    AssociationRules rules{.idle_timeout = seconds(1 + rules_ % 40), .dns_idle_timeout = seconds(1 + rules_ % 7), .max_flows = 1 + rules_ % 9u};
    rules.is_endpoint_independent = (number & 1) != 0 && (rules_ & 0x40) != 0;
    rules.only_replies_refresh = (number & 2) != 0 && (rules_ & 0x80) != 0;
    return rules;
  }

  // An association that a script names: that of a client, or one of those remembered, which may be gone.
  std::pair<AssociationHandle, uint64_t> Pick(uint8_t number, bool opens) {
    if ((number & 0x80) != 0 && !handles_.empty()) return handles_[number % handles_.size()];
    const SocketAddress client = Client(number);
    if (const AssociationHandle handle = dispatcher_.Find(client); !handle.is_null()) return {handle, association_ids_[handle.packed()]};
    if (!opens) return {};
    return Remember(client, number);
  }
  std::pair<AssociationHandle, uint64_t> Remember(const std::optional<SocketAddress>& client, uint8_t number) {
    const uint64_t user = ++users_;
    const AssociationHandle handle = dispatcher_.Open(now_, client.value_or(SocketAddress{}), Rules(number), user);
    const uint64_t id = model_.Open(client, Rules(number), user);
    association_ids_[handle.packed()] = id;
    if (handles_.size() < kRemembered) {
      handles_.emplace_back(handle, id);
    } else {
      handles_[user % kRemembered] = {handle, id};
    }
    return {handle, id};
  }

  std::string Outgoing(uint8_t a, uint8_t b, uint8_t c) {
    const auto [handle, id] = Pick(a, /*opens=*/true);
    bool ours_is_new = false, is_new = false;
    const FlowHandle flow = dispatcher_.OnOutgoing(now_, handle, Place(b), c, &ours_is_new);
    const uint64_t expected = model_.Outgoing(now_, id, Place(b), c, is_new);
    if (flow.is_null() != (expected == 0)) return "a datagram has a flow, or has none";
    if (ours_is_new != is_new) return "a flow is new, or is not";
    if (is_new) {
      if (flow_ids_.contains(flow.packed())) return "the handle of a flow is used again";
      flow_ids_[flow.packed()] = expected;
      if (flows_.size() < kRemembered) {
        flows_.emplace_back(flow);
      } else {
        flows_[expected % kRemembered] = flow;
      }
    }
    return expected != 0 && flow_ids_[flow.packed()] != expected ? "a datagram goes to another flow" : "";
  }

  std::string Incoming(uint8_t a, uint8_t b, uint8_t c) {
    const auto [handle, id] = Pick(a, /*opens=*/false);
    const bool is_judged = c % 8 == 0;
    const FlowHandle flow = dispatcher_.OnIncoming(now_, handle, Place(b), c, is_judged);
    const uint64_t expected = model_.Incoming(now_, id, Place(b), c, is_judged);
    if (flow.is_null() != (expected == 0)) return expected == 0 ? "a reply passed that must not" : "a reply did not pass";
    return expected != 0 && flow_ids_[flow.packed()] != expected ? "a reply belongs to another flow" : "";
  }

  void CloseFlow(uint8_t a) {
    if (flows_.empty()) return;
    const FlowHandle flow = flows_[a % flows_.size()];
    dispatcher_.CloseFlow(flow);
    model_.CloseFlow(flow_ids_[flow.packed()]);
  }
  void CloseAssociation(uint8_t a) {
    const auto [handle, id] = Pick(a, /*opens=*/false);
    dispatcher_.Close(handle);
    model_.Close(id);
  }
  void OpenWithoutClient(uint8_t a) { Remember(std::nullopt, a); }
  void Dropped(uint8_t a) {
    if (flows_.empty()) return;
    const FlowHandle flow = flows_[a % flows_.size()];
    dispatcher_.OnDropped(flow);
    if (ModelFlow* expected = model_.FindFlow(flow_ids_[flow.packed()])) ++expected->counters.dropped;
  }
  void Mix(uint64_t value) { hash_ = (hash_ ^ value) * 0x9e3779b97f4a7c15; }

  SeededRandom random_;
  UdpDispatcher dispatcher_;
  Model model_;
  const uint8_t rules_;
  TimePoint now_{seconds(1000)};
  std::map<uint64_t, uint64_t> association_ids_, flow_ids_;  // of handles, in the model
  std::vector<std::pair<AssociationHandle, uint64_t>> handles_;
  std::vector<FlowHandle> flows_;
  uint64_t users_ = 0;
  uint64_t hash_ = 1;
};

}  // namespace

std::string RunDispatchScript(ByteView script, uint64_t* hash) {
  ByteReader reader(script);
  UdpDispatcher::Options options;
  options.max_associations = 1 + reader.ReadU8() % 8u;
  options.max_flows = 1 + reader.ReadU8() % 24u;
  Run run(options, reader.ReadU8());
  reader.ReadU8();
  for (size_t step = 0; reader.remaining() >= kDispatchStepBytes; ++step) {
    const ByteView bytes = reader.ReadBytes(kDispatchStepBytes);
    std::string wrong = run.Step(bytes[0], bytes[1], bytes[2], bytes[3]);
    if (wrong.empty()) wrong = run.Compare(step % 16 == 0 || reader.remaining() < kDispatchStepBytes);
    if (!wrong.empty()) return absl::StrFormat("step %d (%d %d %d %d): %s", step, bytes[0], bytes[1], bytes[2], bytes[3], wrong);
  }
  if (hash != nullptr) *hash = run.hash();
  return "";
}

}  // namespace culvert::sim
