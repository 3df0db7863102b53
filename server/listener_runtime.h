// ListenerRuntime: a listener on one worker: its socket, who comes in through it, and the limit on how many. With TLS, who
// comes in first does the handshake: nothing is dialled for a peer that does not get through it (reliability.md T03).
// Thread: confined to one worker.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "absl/status/statusor.h"
#include "core/io/reactor.h"
#include "core/io/tcp_socket.h"
#include "server/config.h"
#include "server/endpoint_driver.h"
#include "server/handshake_slots.h"
#include "server/object_tally.h"
#include "server/session_streams.h"
#include "server/timer_queue.h"
#include "server/tls_handshake.h"
#include "server/udp_hub.h"
#include "server/worker.h"

namespace culvert::server {

class ListenerRuntime final : private EndpointDriver::Owner,
                              private io::IoHandler,
                              private TimerHandler,
                              private TlsHandshake::Owner {
 public:
  // How long a handshake may take.
  static constexpr Duration kHandshakeTimeout = std::chrono::seconds(8);

  class Host {
   public:
    // Whether a stream that comes in through `listener` has somewhere to go.
    [[nodiscard]] virtual bool WantsStream(const ListenerRuntime& listener) = 0;
    // Whether it takes new sessions now; streams on those it has are another question.
    [[nodiscard]] virtual bool AdmitsSessions(const ListenerRuntime& listener) = 0;
    virtual void OnAccepted(ListenerRuntime& listener, SessionStream accepted) = 0;
    // TCP: true when the host keeps the connection for a while or gave it to another worker, for whom there is (reverse).
    virtual bool Divert(ListenerRuntime& listener, io::TcpSocket& connection, const SocketAddress& peer) = 0;
    virtual UdpHub::Host& hub_host() = 0;

   protected:
    ~Host() = default;
  };

  // `socket` is of the config's transport. Errors: RESOURCE_EXHAUSTED when it cannot be watched, INVALID_ARGUMENT when it is
  // not open.
  static absl::StatusOr<std::unique_ptr<ListenerRuntime>> Create(WorkerContext& context, Host& host,
                                                                 std::shared_ptr<const ListenerConfig> config,
                                                                 ListenerSocket socket);
  ~ListenerRuntime();
  ListenerRuntime(const ListenerRuntime&) = delete;
  ListenerRuntime& operator=(const ListenerRuntime&) = delete;

  [[nodiscard]] const std::shared_ptr<const ListenerConfig>& config() const { return config_; }
  // REQUIRES: the same id.
  void set_config(std::shared_ptr<const ListenerConfig> config);
  [[nodiscard]] ObjectTally& tally() { return tally_; }
  // Tally and endpoint, without live sessions.
  [[nodiscard]] ObjectCounters Counters() const;

  // Whether its endpoint still has connections, those included that are over for us.
  [[nodiscard]] bool has_endpoint_sessions() const { return driver_ && driver_->endpoint().session_count() > 0; }

  // QUIC and UDP: what another worker handed over for this listener.
  void OnHandedOver(HandoverBatch& batch);
  // TCP: a connection that was diverted, perhaps by another worker.
  void OnHandedOver(io::TcpSocket connection, const SocketAddress& peer);
  [[nodiscard]] UdpHub* hub() { return hub_.get(); }
  // QUIC: its sessions end in order, each once it carries no stream any more.
  void CloseSessionsInOrder();

  // Takes nobody new in. TCP: the socket is closed.
  void StopAccepting();
  // Ends every session of its endpoint and takes nobody new in.
  void Shutdown(CloseReason reason);

 private:
  ListenerRuntime(WorkerContext& context, Host& host, std::shared_ptr<const ListenerConfig> config);
  [[nodiscard]] bool Admits();
  // Makes the driver of a UDP transport.
  absl::Status Open(io::UdpSocket socket);
  absl::Status OpenQuic(io::UdpSocket socket);
  absl::Status OpenHub(io::UdpSocket socket);
  // What a peer is to say first on a stream; nullptr: nothing.
  [[nodiscard]] std::unique_ptr<frontdoor::Door> NewDoor() const;
  void Accept(SessionStream accepted);
  void OnOpened(EndpointDriver& driver, StreamHandle stream, SessionHandle session) override;
  void OnQuicStream(EndpointDriver& driver, StreamHandle stream, SessionHandle session);
  void OnSessionClosed(SlotHandle session, CloseReason reason, const SessionStats& final_stats) override;
  void OnSessionOpened(EndpointDriver& driver, SessionHandle session) override;
  void OnSessionGone(EndpointDriver& driver, SessionHandle session, CloseReason reason) override;
  void OnIo(uint32_t ready) override;
  void OnTimer(TimePoint now) override;
  void BeginHandshake(EndpointDriver& driver, StreamHandle stream, const SocketAddress& peer);
  void OnHandshakeOver(TlsHandshake& handshake) override;
  void LogFailure(const std::string& reason, const std::string& message, const SocketAddress& peer);

  struct Handshake {
    std::unique_ptr<TlsHandshake> handshake;
    SlotHandle session;  // may have ended before the handshake did
    SocketAddress peer;
  };

  WorkerContext& context_;
  Host& host_;
  std::shared_ptr<const ListenerConfig> config_;
  ObjectTally tally_;
  Timer resume_timer_;
  io::TcpListenSocket tcp_;
  std::unique_ptr<EndpointDriver> driver_;
  std::unique_ptr<UdpHub> hub_;
  std::unordered_map<const TlsHandshake*, Handshake> handshakes_;  // their streams are the driver's
  HandshakeSlots slots_;                                            // one for each of them
  TimePoint next_log_at_{};
  uint64_t failures_not_logged_ = 0;
};

}  // namespace culvert::server
