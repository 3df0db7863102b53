// UdpHub: the socket of a UDP listener on one worker: the datagrams of all its clients come in and go out here. Whose they are the dispatcher
// says; what becomes of them, each client's relay.
//
// With original_destination each datagram says where it was addressed to, and answers leave from there, through sockets of their own.
// Thread: confined to one worker.  Source: spec/udp.md "Hub".
#pragma once

#include <array>
#include <list>
#include <map>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "core/dispatch/udp_dispatcher.h"
#include "core/io/reactor.h"
#include "core/io/udp_outbox.h"
#include "core/io/udp_socket.h"
#include "server/object_tally.h"
#include "server/packet_port.h"
#include "server/source_filter.h"
#include "server/timer_queue.h"
#include "server/udp_relay.h"
#include "server/worker_directory.h"

namespace culvert::server {

class UdpHub final : private io::IoHandler, private TimerHandler {
 public:
  static constexpr size_t kMaxAnswerSockets = 256;  // original destinations that answers leave from, at a time

  class Host {
   public:
    // The relay that an association of the hub's dispatcher stands for, by its user value; nullptr: it is gone.
    virtual UdpRelay* FindUdpRelay(uint64_t user) = 0;
    // A client without one: begins a relay, whose near port is PortTo(client). nullptr: refused, and `drop` says why.
    virtual UdpRelay* OnNewClient(UdpHub& hub, const SocketAddress& client, UdpDrop& drop) = 0;
    // Another worker is to have the client's datagrams; nullopt: this one keeps them.
    virtual std::optional<uint32_t> WorkerFor(const UdpHub& hub) = 0;

   protected:
    ~Host() = default;
  };

  // Errors: RESOURCE_EXHAUSTED.
  static absl::StatusOr<std::unique_ptr<UdpHub>> Create(WorkerContext& context, Host& host, std::shared_ptr<const ListenerConfig> config,
                                                        ObjectTally& tally, io::UdpSocket socket);
  ~UdpHub();
  UdpHub(const UdpHub&) = delete;
  UdpHub& operator=(const UdpHub&) = delete;

  [[nodiscard]] const ListenerConfig& config() const { return *config_; }
  void set_config(std::shared_ptr<const ListenerConfig> config);
  [[nodiscard]] std::unique_ptr<PacketPort> PortTo(const SocketAddress& client);
  [[nodiscard]] dispatch::UdpDispatcher& dispatcher() { return dispatcher_; }
  [[nodiscard]] UdpRelay::HubBudget& budget() { return budget_; }
  void OnHandedOver(const HandoverBatch& batch);
  // What ended in the dispatcher is told to the relays; the timer is set.
  void Settle();
  // Takes nothing in any more.
  void StopReceiving();
  void AddCounters(ObjectCounters& to) const;

 private:
  class ClientPort;
  class AnswerPort;

  UdpHub(WorkerContext& context, Host& host, std::shared_ptr<const ListenerConfig> config, ObjectTally& tally, io::UdpSocket socket);
  void OnIo(uint32_t ready) override;
  void OnTimer(TimePoint now) override;
  void OnDatagram(const SocketAddress& client, const SocketAddress& original, ByteView payload, bool is_handed_over);
  UdpDrop SendTo(const SocketAddress& client, const dispatch::Destination& from, ByteView payload);
  [[nodiscard]] bool HandOver(const SocketAddress& client, ByteView payload, bool is_handed_over);
  void set_max_clients(uint32_t clients);
  AnswerPort* AnswerPortAt(const SocketAddress& from);

  WorkerContext& context_;
  Host& host_;
  std::shared_ptr<const ListenerConfig> config_;
  ObjectTally& tally_;
  io::UdpSocket socket_;
  io::UdpOutbox::Lane lane_{socket_};
  SourceFilter filter_;
  Timer timer_;
  UdpRelay::HubBudget budget_;
  dispatch::UdpDispatcher dispatcher_;
  HandoverOutbox strays_;
  // Clients that another worker has (reverse). Forgotten all together when there are too many; then each is decided on anew.
  std::map<std::pair<std::array<uint8_t, 16>, uint16_t>, uint32_t> elsewhere_;
  bool has_strays_ = false;
  bool is_watched_ = false;
  std::list<std::unique_ptr<AnswerPort>> answers_;  // most recent first
  uint64_t rx_datagrams_ = 0, rx_bytes_ = 0, tx_datagrams_ = 0, tx_bytes_ = 0;
  uint64_t lost_handovers_ = 0;
};

}  // namespace culvert::server
