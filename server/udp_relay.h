// UdpRelay: the datagrams of one client on their way: to a socket that its destinations see, through a tunnel to another culvertd, or to who
// offered (reverse). Which flow each belongs to, which replies may pass and when it ends, a UdpDispatcher says.
//
// Until the way is open datagrams wait, a bounded number of each client and of each listener, of which the oldest go. A destination
// that is a name is resolved here where it is reached from here, and every address is judged before it is sent to.
// Thread: confined to one worker.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/dispatch/udp_dispatcher.h"
#include "core/transport/packet_queue.h"
#include "server/relay.h"
#include "server/socket_port.h"
#include "server/tunnel_port.h"
#include "server/udp_name.h"

namespace culvert::server {

class UdpRelay final : private PacketPort::Observer,
                       private TunnelPort::Host,
                       private StreamObserver,
                       private TimerHandler,
                       private ReverseBoard::Waiter::Owner,
                       private UdpName::Owner {
 public:
  static constexpr size_t kMaxNames = 64;  // that a client has resolved at a time
  // How long the first way may take to open before what waits is dropped.
  static constexpr Duration kOpenTimeout = std::chrono::seconds(10);

  class Host {
   public:
    virtual void ScheduleUdp(SlotHandle relay) = 0;
    virtual Way FindWay(ForwardRuntime& forward, const frontdoor::Request& request, bool is_remote) = 0;
    virtual ReverseBoard& reverse_board() = 0;
    // Another worker has offers for `reverse`, and this one has none.
    virtual bool IsOfferedElsewhere(const std::string& reverse) = 0;

   protected:
    ~Host() = default;
  };
  // Datagrams that wait at a listener, of all its clients on this worker.
  struct HubBudget {
    size_t capacity = 1024;
    size_t waiting = 0;
  };
  struct Setup {
    RelayParties parties;
    dispatch::UdpDispatcher* dispatcher = nullptr;  // outlives it
    dispatch::AssociationHandle association;        // of the dispatcher, ended with the relay; see Bind
    bool has_client = false;                        // of a hub: with nothing to do it ends
    HubBudget* hub = nullptr;                       // outlives it; nullptr: no such limit
    std::string source;                             // ADDRESS:PORT of the client
    SlotHandle session;                             // that brought it in; null: none
    const void* owner = nullptr;                    // see SessionStream; of the near end
    frontdoor::Request request;                     // what it wants; network kUdp
    bool is_remote = false;                         // another daemon asks
  };

  UdpRelay(WorkerContext& context, Host& host, Setup setup);
  ~UdpRelay();
  UdpRelay(const UdpRelay&) = delete;
  UdpRelay& operator=(const UdpRelay&) = delete;

  // The observer to make the near port with.
  [[nodiscard]] PacketPort::Observer& observer() { return *this; }
  [[nodiscard]] TunnelPort::Host& tunnel_host() { return *this; }
  // `near` is asked to answer with what came of it: kNone, once datagrams can go.
  void Start(SlotHandle handle, std::unique_ptr<PacketPort> near, std::function<void(Refusal, const std::string&)> answer);
  // REQUIRES: before Start. The association that the dispatcher has for it.
  void Bind(dispatch::AssociationHandle association) { setup_.association = association; }
  // Where datagrams go for which the listener knows a destination of its own.
  void OnClientPacket(const dispatch::Destination& destination, ByteView payload) { FromNear(destination, payload); }

  [[nodiscard]] bool Run();
  // `verdict`, `reason`: of the flows it still has.
  void End(EndedRecord::Verdict verdict = EndedRecord::Verdict::kClosed, std::string_view reason = kEndedHere, const std::string& message = "");
  [[nodiscard]] bool is_done() const { return is_done_; }
  // Accounts for what its ports dropped so far.
  void AddDrops();
  // A flow ended, as the dispatcher says or is about to be told. `last`: as it is, or was.
  void OnFlowEnded(dispatch::FlowHandle flow, const dispatch::Flow& last, dispatch::EndReason reason);

  [[nodiscard]] const RelayParties& parties() const { return setup_.parties; }
  [[nodiscard]] dispatch::AssociationHandle association() const { return setup_.association; }
  [[nodiscard]] dispatch::UdpDispatcher& dispatcher() { return *setup_.dispatcher; }
  [[nodiscard]] bool Uses(SlotHandle handle, const Session& session) const {
    return setup_.session == handle || far_session_ == handle || (far_driver_ != nullptr && far_driver_ == session.driver && far_carrier_ == session.carrier);
  }
  [[nodiscard]] bool IsOwnedBy(const void* owner) const { return setup_.owner == owner || far_owner_ == owner; }
  [[nodiscard]] size_t queued() const;
  [[nodiscard]] SocketAddress outside() const { return far_ != nullptr ? far_->outside_address() : SocketAddress(); }
  [[nodiscard]] const std::string& source() const { return setup_.source; }
  [[nodiscard]] SlotHandle session() const { return far_session_.is_null() ? setup_.session : far_session_; }
  [[nodiscard]] std::string DestinationOf(const dispatch::Flow& flow) const;
  [[nodiscard]] std::string DefaultDestination() const { return way_.destination.host.empty() ? std::string() : way_.destination.ToString(); }

  bool is_scheduled = false;  // the host's

 private:
  // PacketPort::Observer.
  void OnPacket(PacketPort& port, const dispatch::Destination& address, ByteView payload) override;
  void OnPortEnded(PacketPort& port) override;
  void OnTunnelReady() override { host_.ScheduleUdp(handle_); }
  void OnStreamReady() override { host_.ScheduleUdp(handle_); }  // the dial
  void OnOffered() override { host_.ScheduleUdp(handle_); }
  void OnTimer(TimePoint now) override;

  void FromNear(const dispatch::Destination& destination, ByteView payload);
  void FromFar(PacketPort& port, const dispatch::Destination& source, ByteView payload);
  void ToTunnel(const dispatch::Destination& destination, ByteView payload);
  void ToSocket(const dispatch::Destination& destination, ByteView payload);
  void ToAddress(const HostPort* name, const SocketAddress& address, ByteView payload) override;
  [[nodiscard]] dispatch::FlowHandle NoteOutgoing(const dispatch::Destination& destination, size_t bytes, bool& is_new);
  void Deny(dispatch::FlowHandle flow, const std::string& destination);
  [[nodiscard]] bool Admits(const HostPort& named, const SocketAddress& address) const;
  void Wait(PacketQueue& queue, const dispatch::Destination& destination, ByteView payload) override;
  void PopWaiting(PacketQueue& queue) override;
  void SendWaiting();
  void DropWaiting(PacketQueue& queue, UdpDrop reason) override;
  void AddDropsOf(PacketPort& port);
  void Drop(UdpDrop reason, uint64_t count = 1) override;

  void OpenWay();
  void OpenSocket();
  [[nodiscard]] SocketPort* PortFor(dispatch::FlowHandle flow);
  void OnDialled(Dial::Connection connection);
  void OpenTunnel(SessionStream stream);
  void TakeOfferIfAny();
  void LookAtTunnel();
  void OnSettled();
  void Refuse(Refusal refusal, const std::string& message);
  void Answer(Refusal refusal, const std::string& message);
  // For the log of what has ended (EndedLog). `flow` nullptr: none had begun.
  void Record(const dispatch::Flow* flow, EndedRecord::Verdict verdict, std::string_view reason, const std::string& message = "");
  UdpName* FindName(const dispatch::Destination& destination);
  [[nodiscard]] IpAddress PickAddress(const Resolver::Addresses& addresses) const override;

  WorkerContext& context_;
  Host& host_;
  Setup setup_;
  const UdpFlowOptions options_;
  SlotHandle handle_;
  Timer timer_;
  std::unique_ptr<PacketPort> near_;
  std::unique_ptr<PacketPort> far_;     // nullptr: not open yet
  TunnelPort* tunnel_ = nullptr;        // `far_`, if it is one
  SocketPort* socket_ = nullptr;        // likewise
  std::map<uint64_t, std::unique_ptr<SocketPort>> flow_sockets_;  // v2ray's way: one for each destination, by packed flow
  SlotHandle far_session_;
  const void* far_owner_ = nullptr;
  const EndpointDriver* far_driver_ = nullptr;
  SessionHandle far_carrier_;
  Way way_;
  std::optional<SocketAddress> fixed_;  // way_.destination, where that is an address
  std::optional<Dial> dial_;
  std::optional<ReverseBoard::Waiter> waiter_;
  TimePoint wait_until_{};              // for an offer
  PacketQueue waiting_;                 // until the way is open, each behind its destination
  std::map<std::string, std::unique_ptr<UdpName>> names_;  // by name and port
  std::function<void(Refusal, const std::string&)> answer_;
  bool is_started_ = false;
  bool is_ready_ = false;    // datagrams may be sent on
  bool is_settled_ = false;  // and the far side has agreed
  bool is_done_ = false;
};

}  // namespace culvert::server
