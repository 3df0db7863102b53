// DataPlane: everything one worker runs: listeners, dialers, forwards and the relays between them. The loop in worker.cc
// drives it; it has no thread of its own.
// Thread: confined to one worker.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/dialer_runtime.h"
#include "server/listener_runtime.h"
#include "server/probe.h"
#include "server/relay.h"
#include "server/route_follower.h"
#include "server/session_registry.h"
#include "server/worker.h"
#include "server/worker_context.h"

namespace culvert::server {

class DataPlane final : private ListenerRuntime::Host, private Relay::Host, private RouteFollower::Owner {
 public:
  explicit DataPlane(WorkerContext& context);
  ~DataPlane();
  DataPlane(const DataPlane&) = delete;
  DataPlane& operator=(const DataPlane&) = delete;

  // One turn: hands out events, runs what is ready, sends. True: there is more to do at once.
  [[nodiscard]] bool Settle();

  // What WorkerControl promises (worker.h).
  [[nodiscard]] WorkerReport Update(const Routing& routing, std::vector<ListenerSocket> sockets);
  [[nodiscard]] WorkerReport Report(bool with_sessions);
  [[nodiscard]] bool CloseSession(std::string_view id, bool graceful);
  void Probe(ProbeRequest request, std::function<void(ProbeStep)> on_step);
  // Datagrams that came to another worker and belong to a connection of this one.
  void OnHandedOver(HandoverBatch& batch);

  // Takes nothing new in. What is moving goes on; EndQuietRelays is to be called now and then until all is idle.
  void BeginStop();
  // Ends in order the relays in which nothing moves any more.
  void EndQuietRelays();
  // True once every session has ended and, for a moment at most, the peers have answered that.
  [[nodiscard]] bool is_idle() const;
  // Ends what is left, as an error: no stream that is cut may look complete.
  void Abort();

 private:
  using Listeners = std::map<std::string, std::unique_ptr<ListenerRuntime>>;
  using Dialers = std::map<std::string, std::unique_ptr<DialerRuntime>>;
  using Forwards = std::map<std::string, std::unique_ptr<ForwardRuntime>>;

  // ListenerRuntime::Host and Relay::Host.
  bool WantsStream(const ListenerRuntime& listener) override;
  void OnAccepted(ListenerRuntime& listener, SessionStream accepted) override;
  void Schedule(SlotHandle relay) override;
  // RouteFollower::Owner.
  void OnRoutesChanged() override;

  bool DispatchEvents();
  void RunRelays();
  void EraseDoneRelays();
  void RunProbes();
  void CloseQuicSession(SlotHandle handle, const Session& session, bool graceful);
  void EndRelays(bool in_order, const std::function<bool(const Relay&)>& is_meant);

  ForwardRuntime* ForwardOf(const std::string& listener);
  // Each ends and removes what `routing` no longer has, adding its final counters to `gone`; then adds what is new.
  void UpdateForwards(const Routing& routing, WorkerReport& gone);
  void UpdateDialers(const Routing& routing, WorkerReport& gone);
  void UpdateListeners(const Routing& routing, std::vector<ListenerSocket> sockets, WorkerReport& gone);
  void RemoveForward(ForwardRuntime& forward, WorkerReport& gone);
  void RemoveDialer(DialerRuntime& dialer, WorkerReport& gone);
  void RemoveListener(ListenerRuntime& listener, WorkerReport& gone);

  WorkerContext& context_;
  SessionRegistry sessions_;
  Listeners listeners_;
  Dialers dialers_;
  Forwards forwards_;
  std::map<std::string, ForwardRuntime*> forward_of_listener_;
  ObjectTally direct_;      // far sessions of direct forwards
  ObjectCounters removed_;  // listeners and dialers that are gone
  SlotMap<Relay> relays_;
  std::vector<SlotHandle> ready_relays_;
  std::vector<SlotHandle> running_relays_;  // swapped with the former, so that both keep their memory
  std::vector<SlotHandle> done_relays_;
  std::vector<EndpointDriver*> settling_;   // likewise for the dirty drivers
  std::vector<std::unique_ptr<ProbeRun>> probes_;
  RouteFollower routes_;
  TimePoint farewell_until_ = kInfiniteFuture;
  bool is_stopping_ = false;
};

}  // namespace culvert::server
