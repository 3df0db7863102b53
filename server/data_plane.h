// DataPlane: everything one worker runs: listeners, dialers, forwards and the relays between them. The loop in worker.cc
// drives it; it has no thread of its own.
// Thread: confined to one worker.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/connect_run.h"
#include "server/dialer_runtime.h"
#include "server/listener_runtime.h"
#include "server/probe.h"
#include "server/relay.h"
#include "server/reverse_board.h"
#include "server/reverse_offers.h"
#include "server/route_follower.h"
#include "server/routing_difference.h"
#include "server/session_registry.h"
#include "server/worker.h"
#include "server/worker_context.h"

namespace culvert::server {

class DataPlane final : private ListenerRuntime::Host,
                        private Relay::Host,
                        private UdpRelay::Host,
                        private UdpHub::Host,
                        private ReverseOffers::Host,
                        private ConnectRun::Host,
                        private RouteFollower::Owner,
                        private TimerHandler {
 public:
  explicit DataPlane(WorkerContext& context);
  ~DataPlane();
  DataPlane(const DataPlane&) = delete;
  DataPlane& operator=(const DataPlane&) = delete;

  // One turn: hands out events, runs what is ready, sends. True: there is more to do at once.
  [[nodiscard]] bool Settle();

  // What WorkerControl promises (worker.h).
  [[nodiscard]] WorkerReport Update(std::shared_ptr<const Routing> routing, std::vector<ListenerSocket> sockets);
  [[nodiscard]] WorkerReport Report(const ReportWants& wants);
  [[nodiscard]] std::vector<SessionSnapshot> ClosedSessions() const { return {sessions_.closed().begin(), sessions_.closed().end()}; }
  [[nodiscard]] bool CloseSession(std::string_view id, bool graceful);
  [[nodiscard]] bool CloseStream(std::string_view id, bool graceful);
  [[nodiscard]] bool CloseUdpFlow(std::string_view id);
  void Connect(const ConnectRequest& request, const std::shared_ptr<ConnectChannel>& channel);
  void Probe(ProbeRequest request, std::function<void(ProbeStep)> on_step);
  // Datagrams that came to another worker and belong to a connection of this one.
  void OnHandedOver(HandoverBatch& batch);
  // A TCP connection that another worker accepted and this one has somebody for.
  void OnHandedOver(const ObjectId& listener, io::TcpSocket connection, const SocketAddress& peer);

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

  // ListenerRuntime::Host.
  bool WantsStream(const ListenerRuntime& listener) override;
  bool AdmitsSessions(const ListenerRuntime& listener) override;
  void OnAccepted(ListenerRuntime& listener, SessionStream accepted) override;
  bool Divert(ListenerRuntime& listener, io::TcpSocket& connection, const SocketAddress& peer) override;
  UdpHub::Host& hub_host() override { return *this; }
  // Relay::Host and UdpRelay::Host.
  void Schedule(SlotHandle relay) override;
  void ScheduleUdp(SlotHandle relay) override;
  Way FindWay(ForwardRuntime& forward, const frontdoor::Request& request, bool is_remote) override;
  ReverseBoard& reverse_board() override { return board_; }
  bool IsOfferedElsewhere(const std::string& reverse) override;
  void OnUdpRequest(const RelayParties& parties, SessionStream near) override;
  void OnOffer(const RelayParties& parties, SessionStream near) override;
  // UdpHub::Host.
  UdpRelay* FindUdpRelay(uint64_t user) override { return udp_relays_.Find(SlotHandle::FromPacked(user)); }
  UdpRelay* OnNewClient(UdpHub& hub, const SocketAddress& client, UdpDrop& drop) override;
  std::optional<uint32_t> WorkerFor(const UdpHub& hub) override;
  // ReverseOffers::Host.
  DialerRuntime* DialerOf(ForwardRuntime& forward) override;
  void OnTaken(ForwardRuntime& forward, SessionStream near) override;
  void ScheduleOffers() override { offers_are_scheduled_ = true; }
  // ConnectRun::Host.
  void ScheduleConnect(SlotHandle run) override;
  // RouteFollower::Owner.
  void OnRoutesChanged() override;
  // TimerHandler: the dispatcher of associations that no hub has, and connections that are held.
  void OnTimer(TimePoint now) override;

  void RunUdpRelays();
  void RunConnects();
  void SettleDispatcher();
  void SettleDispatchers();  // those of the hubs too
  void EndUdpRelays(const std::function<bool(const UdpRelay&)>& is_meant);
  void EndParties(bool in_order, const std::function<bool(const RelayParties&)>& is_meant);
  // Ends what has a stream of a driver of this listener or dialer, which is going.
  void EndOwned(const void* owner);
  void RefuseNear(const RelayParties& parties, SessionStream near, Refusal refusal, const std::string& message);
  void BeginUdp(const RelayParties& parties, SessionStream near, bool is_socks);
  [[nodiscard]] dispatch::AssociationRules RulesOf(const ForwardConfig& config) const;
  [[nodiscard]] std::optional<uint32_t> WorkerWithOffers(const std::string& listener) const;
  void UpdateOffers();
  void LookAtHeld();
  void AddSessions(const ReportWants& wants, WorkerReport& report);
  void AddStreams(WorkerReport& report);
  void AddUdpFlows(WorkerReport& report);
  [[nodiscard]] std::string FlowId(uint32_t dispatcher, SlotHandle flow) const;

  bool DispatchEvents();
  void RunRelays();
  void EraseDoneRelays();
  void RunProbes();
  void CloseQuicSession(SlotHandle handle, const Session& session, bool graceful);
  void EndRelays(bool in_order, const std::function<bool(const Relay&)>& is_meant);

  // Whether what is new there is refused, since the daemon drains.
  [[nodiscard]] bool Drains(const ListenerConfig& listener) const;
  [[nodiscard]] bool Drains(const ForwardConfig& forward) const;
  ForwardRuntime* ForwardOf(const std::string& listener);
  // The reverse forward that takes offers of `name`, or of any, from sessions of the listener. nullptr: none.
  ForwardRuntime* TakerOfOffers(const std::string& listener, const std::string& name = "");
  // Each ends and removes what is gone, adding its final counters to `gone`; then adds what is new.
  void UpdateForwards(const RoutingDifference<ForwardConfig>& difference, WorkerReport& gone);
  void UpdateDialers(const RoutingDifference<DialerConfig>& difference, WorkerReport& gone);
  void UpdateListeners(const RoutingDifference<ListenerConfig>& difference, std::vector<ListenerSocket> sockets, WorkerReport& gone);
  void RemoveForward(ForwardRuntime& forward, WorkerReport& gone);
  void RemoveDialer(DialerRuntime& dialer, WorkerReport& gone);
  void RemoveListener(ListenerRuntime& listener, WorkerReport& gone);

  WorkerContext& context_;
  std::shared_ptr<const Routing> routing_ = std::make_shared<Routing>();  // in force
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
  // UDP whose near end is no listener of datagrams: SOCKS5, streams of other daemons.
  dispatch::UdpDispatcher dispatcher_;
  Timer dispatcher_timer_;
  SlotMap<UdpRelay> udp_relays_;
  std::vector<SlotHandle> ready_udp_relays_;
  std::vector<SlotHandle> running_udp_relays_;
  ReverseBoard board_;
  std::map<std::string, std::unique_ptr<ReverseOffers>> offers_;  // by forward
  bool offers_are_scheduled_ = false;
  // Accepted for a reverse forward that nobody offers on any worker, and will wait.
  struct Held {
    std::string listener;
    io::TcpSocket connection;
    SocketAddress peer;
    TimePoint until{};
  };
  std::deque<Held> held_;
  Timer held_timer_;
  SlotMap<ConnectRun> connects_;
  std::vector<SlotHandle> ready_connects_;
  RouteFollower routes_;
  TimePoint farewell_until_ = kInfiniteFuture;
  bool is_stopping_ = false;
};

}  // namespace culvert::server
