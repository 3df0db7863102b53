// UdpDispatcher: who talks to whom in datagrams. A client has one association, whatever it talks to; an association has a flow for each
// destination. The dispatcher says to which flow a datagram belongs, which replies may pass, and when flows end. It moves no bytes.
//
//   client ──┐                       ┌── flow ── destination
//            ├── association ────────┼── flow ── destination
//            │   (one socket)        └── flow ── destination
//
// Idle time counts both directions (RFC 4787 section 4.3, REQ-6), unless the rules say otherwise. When there are too many flows, of a
// client or in all, the one that was silent longest goes. Everything is addressed by handles of index and generation: what ends is that
// flow, never another that took its place.
// Thread: confined to one worker.  Time: `now` never decreases between calls.
// Errors: a stale handle is legal everywhere: nothing happens.
// Source: spec/udp.md; reliability.md T40, T42, T44 to T46; RFC 4787.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "core/base/deadline_heap.h"
#include "core/base/random.h"
#include "core/base/slot_map.h"
#include "core/base/time.h"
#include "core/crypto/keyed_hash.h"
#include "core/dispatch/destination.h"

namespace culvert::dispatch {

using AssociationHandle = SlotHandle;
using FlowHandle = SlotHandle;

enum class EndReason : uint8_t {
  kIdle,     // silent for its idle time
  kEvicted,  // the one that was silent longest, when there were too many
  kClosed,   // by the owner
};

// What holds for the flows of one association.
struct AssociationRules {
  Duration idle_timeout = std::chrono::seconds(120);
  Duration dns_idle_timeout = std::chrono::seconds(15);  // towards port 53
  uint32_t max_flows = 1024;
  // Anyone may answer, not only who was sent to (RFC 4787 section 5).
  bool is_endpoint_independent = false;
  // v2ray's way: looked at once every idle_timeout from the beginning on, a flow ends when no reply came since the look before, and
  // what comes from anyone counts as the destination's where there is only one.
  bool only_replies_refresh = false;
};

struct FlowCounters {
  uint64_t rx_packets = 0, rx_bytes = 0;  // from the client
  uint64_t tx_packets = 0, tx_bytes = 0;  // to it
  uint64_t dropped = 0;                   // of either direction
};

struct Flow {
  AssociationHandle association;
  SocketAddress destination;  // with a name only the port counts
  std::string host;           // empty: the address says it
  TimePoint opened_at{};
  TimePoint active_at{};      // the last datagram that counts
  Duration idle_timeout{};
  FlowCounters counters;
  uint64_t user = 0;          // the owner's

 private:
  friend class UdpDispatcher;
  struct Links {
    FlowHandle before, after;  // silent longer, and less long
  };
  Links in_association;
  Links in_all;
  uint64_t key = 0;
  TimePoint look_at{};  // only_replies_refresh: when it is looked at next
};

class UdpDispatcher {
 public:
  struct Options {
    uint32_t max_associations = 16384;  // that have a client
    uint32_t max_flows = 16384;         // of all associations
  };
  struct Counters {
    uint64_t associations_opened = 0;
    uint64_t flows_opened = 0;
    uint64_t flows_idle = 0;
    uint64_t flows_evicted = 0;
    uint64_t associations_evicted = 0;
    uint64_t filtered = 0;  // replies from who was not sent to
  };
  // What the owner is to act upon.
  struct Event {
    enum class Kind : uint8_t { kFlowEnded, kAssociationEnded };
    Kind kind = Kind::kFlowEnded;
    AssociationHandle association;  // stale when it ended
    FlowHandle flow;                // stale; null with kAssociationEnded
    EndReason reason = EndReason::kIdle;
    uint64_t user = 0;              // the association's
    Flow last;                      // kFlowEnded: as it was
  };

  UdpDispatcher(const Options& options, RandomSource& random) : options_(options), hash_(random) {}

  // What is more than that goes as others come.
  void set_max_associations(uint32_t clients) { options_.max_associations = clients; }

  // ---- Associations.
  // The association of a client; null: none.
  [[nodiscard]] AssociationHandle Find(const SocketAddress& client) const;
  // Opens one. With a client, of which there is none yet: it ends with its last flow, and when there are too many clients one goes: the
  // oldest that never had a flow, or else the one that was silent longest. Without (no address): it lives until Close. `user`: the owner's.
  [[nodiscard]] AssociationHandle Open(TimePoint now, const SocketAddress& client, const AssociationRules& rules, uint64_t user);
  // Ends it with its flows, without events.
  void Close(AssociationHandle association);
  [[nodiscard]] bool IsOpen(AssociationHandle association) const { return associations_.Find(association) != nullptr; }
  [[nodiscard]] uint64_t UserOf(AssociationHandle association) const;
  [[nodiscard]] size_t FlowCountOf(AssociationHandle association) const;

  // ---- Datagrams.
  // One from the client: its flow, which begins now if there was none (`is_new`, if not null, says so). Null: the association is gone.
  [[nodiscard]] FlowHandle OnOutgoing(TimePoint now, AssociationHandle association, const Destination& destination, size_t bytes,
                                      bool* is_new = nullptr);
  // One from outside. The flow it belongs to; with is_endpoint_independent, or `is_judged` (somebody else has judged who may answer), the
  // latest of the association when it is of none. Null: it must not pass, and is counted.
  [[nodiscard]] FlowHandle OnIncoming(TimePoint now, AssociationHandle association, const Destination& source, size_t bytes,
                                      bool is_judged = false);
  // A datagram of a flow was dropped on its way.
  void OnDropped(FlowHandle flow);

  // ---- Flows.
  [[nodiscard]] Flow* FindFlow(FlowHandle flow) { return flows_.Find(flow); }
  // Ends it without an event. An association with a client goes with its last flow, with an event.
  void CloseFlow(FlowHandle flow);
  [[nodiscard]] size_t flow_count() const { return flows_.size(); }
  [[nodiscard]] size_t association_count() const { return associations_.size(); }
  // Calls visit(FlowHandle, Flow&); nothing may be opened or closed meanwhile.
  template <typename Visitor>
  void ForEachFlow(Visitor&& visit) {
    flows_.ForEach(visit);
  }

  // The same of one association, those that were silent longest first.
  template <typename Visitor>
  void ForEachFlowOf(AssociationHandle association, Visitor&& visit) {
    const Association* owner = associations_.Find(association);
    FlowHandle handle = owner != nullptr ? owner->oldest : FlowHandle{};
    while (Flow* flow = flows_.Find(handle)) {
      visit(handle, *flow);
      handle = flow->in_association.after;
    }
  }

  // ---- Time.
  void OnTimeout(TimePoint now);
  [[nodiscard]] std::optional<TimePoint> NextTimeout() const { return deadlines_.Next(); }
  [[nodiscard]] std::optional<Event> PollEvent();

  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  struct Association {
    SocketAddress client;
    AssociationRules rules;
    FlowHandle oldest, newest;  // of its flows, by silence
    uint32_t flow_count = 0;
    uint64_t user = 0;
    bool has_client = false;
  };
  struct ClientHash {
    const KeyedHash* hash;
    size_t operator()(const SocketAddress& client) const;
  };
  struct KeyHash {
    size_t operator()(uint64_t key) const { return static_cast<size_t>(key); }  // it is one
  };

  [[nodiscard]] uint64_t KeyOf(AssociationHandle association, const Destination& destination) const;
  [[nodiscard]] FlowHandle FindFlow(AssociationHandle handle, const Destination& destination, uint64_t key);
  [[nodiscard]] FlowHandle FindNewest(AssociationHandle handle, const Association& association, const Destination& destination);
  FlowHandle Begin(TimePoint now, AssociationHandle handle, Association& association, const Destination& destination, uint64_t key);
  void Touch(TimePoint now, FlowHandle handle, Flow& flow, Association& association, bool is_reply);
  void End(FlowHandle handle, EndReason reason, bool tells);
  void Unlink(FlowHandle handle, Flow& flow, Association& association);
  void Append(FlowHandle handle, Flow& flow, Association& association);
  void EndIfEmpty(AssociationHandle handle, EndReason reason);
  void EvictClient();
  static bool Matches(const Flow& flow, AssociationHandle association, const Destination& destination);

  Options options_;
  const KeyedHash hash_;
  SlotMap<Association> associations_;
  SlotMap<Flow> flows_;
  absl::flat_hash_map<SocketAddress, AssociationHandle, ClientHash> clients_{0, ClientHash{&hash_}};
  absl::flat_hash_map<uint64_t, FlowHandle, KeyHash> by_key_;  // a keyed hash of association and destination; two alike do not both get in
  FlowHandle oldest_, newest_;  // of all flows, by silence
  DeadlineHeap deadlines_;      // by index of the flow; looked at again when due, not moved with every datagram
  std::deque<Event> events_;
  std::deque<AssociationHandle> flowless_;  // of clients, as they were opened; some have flows by now, or are gone
  Counters counters_;
  // The client of the datagram before, which is mostly that of the next.
  mutable SocketAddress last_client_;
  mutable AssociationHandle last_association_;
};

}  // namespace culvert::dispatch
