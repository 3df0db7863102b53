// EndpointDriver: one UDP socket, the endpoint behind it and the batch of datagrams between them. It moves datagrams in and
// out and hands events to the streams they belong to.
//
// Over mKCP a stream is a session, and ends with it in the registry. Over QUIC sessions carry many streams: they are tied to the
// registry by themselves, and their streams have no entry of their own.
//
// In one iteration of the worker: received datagrams and due timers make it dirty; then events go out, streams write, and
// Settle flushes what that led to with few system calls.
// Thread: confined to one worker.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "core/io/datagram_batch.h"
#include "core/io/reactor.h"
#include "core/io/udp_socket.h"
#include "core/quic/endpoint.h"
#include "core/transport/endpoint.h"
#include "server/lingering.h"
#include "server/object_tally.h"
#include "server/source_filter.h"
#include "server/timer_queue.h"
#include "server/worker_directory.h"

namespace culvert::server {

class EndpointStream;
struct WorkerContext;

class EndpointDriver final : public LingeringKeeper, private io::IoHandler, private TimerHandler {
 public:
  class Owner {
   public:
    // A peer opened a stream. Accept it with an EndpointStream, or Abort it. `session`: over QUIC, the one it belongs to.
    virtual void OnOpened(EndpointDriver& driver, StreamHandle stream, SessionHandle session) = 0;
    // A session has ended and left the registry; these are its final figures.
    virtual void OnSessionClosed(SlotHandle session, CloseReason reason, const SessionStats& final_stats) = 0;

    // QUIC only. A handshake is done: tie the session to the registry (AttachSession), or AbortSession.
    virtual void OnSessionOpened(EndpointDriver& driver, SessionHandle session) {
      static_cast<void>(driver), static_cast<void>(session);
    }
    // A session is gone, perhaps one that never was established. What the endpoint knows of it can be asked for the last time.
    virtual void OnSessionGone(EndpointDriver& driver, SessionHandle session, CloseReason reason) {
      static_cast<void>(driver), static_cast<void>(session), static_cast<void>(reason);
    }
    // A session that had no stream to give has one again.
    virtual void OnStreamsAvailable(EndpointDriver& driver, SessionHandle session) {
      static_cast<void>(driver), static_cast<void>(session);
    }

   protected:
    ~Owner() = default;
  };

  // `filters_sources`: whether anybody may send here (a listener). Errors: RESOURCE_EXHAUSTED, INTERNAL.
  static absl::StatusOr<std::unique_ptr<EndpointDriver>> Create(WorkerContext& context, io::UdpSocket socket,
                                                                std::unique_ptr<Endpoint> endpoint, Owner& owner,
                                                                bool filters_sources);
  // The same for QUIC.
  static absl::StatusOr<std::unique_ptr<EndpointDriver>> CreateQuic(WorkerContext& context, io::UdpSocket socket,
                                                                    std::unique_ptr<quic::Endpoint> endpoint, Owner& owner,
                                                                    bool filters_sources);
  ~EndpointDriver();
  EndpointDriver(const EndpointDriver&) = delete;
  EndpointDriver& operator=(const EndpointDriver&) = delete;

  [[nodiscard]] Endpoint& endpoint() { return *endpoint_; }
  [[nodiscard]] const Endpoint& endpoint() const { return *endpoint_; }
  // The same endpoint; nullptr: it is not one of QUIC.
  [[nodiscard]] quic::Endpoint* quic() { return quic_; }
  [[nodiscard]] const io::UdpSocket& socket() const { return socket_; }

  // To be called after every call that changed the endpoint.
  void MarkDirty();

  // Ties events of `stream` to the object and its end to the session. Both may be null.
  void Attach(StreamHandle stream, EndpointStream* object, SlotHandle session);
  // The object is gone; the session stays until the endpoint has ended it.
  void Detach(StreamHandle stream);

  // Ties the end of a stream that is attached to `session`. False: the endpoint has ended it already.
  [[nodiscard]] bool SetSession(StreamHandle stream, SlotHandle session);
  // QUIC: ties a session to its entry in the registry, which ends with it.
  void AttachSession(SessionHandle session, SlotHandle entry);
  // That entry; null: none.
  [[nodiscard]] SlotHandle FindSession(SessionHandle session) const;
  // QUIC: streams that are open go on until they end, then their sessions close; those without a stream close now.
  void CloseSessionsInOrder();
  // QUIC: from now on datagrams for connections of other workers' sockets of this listener are handed to them.
  void HandOverFor(const ObjectId& listener) { handover_listener_ = listener; }
  // QUIC: what another worker handed over for `listener`.
  void OnHandedOver(HandoverBatch& batch);

  // Kept at most until Shutdown.
  void Keep(std::unique_ptr<Lingering> lingering) override { lingering_.push_back(std::move(lingering)); }

  // Hands out events, at most kMaxEvents; true: there may be more.
  [[nodiscard]] bool DispatchEvents();
  // Writes out what the endpoint has to send and sets the timer. True: more is to be done at once, in another iteration.
  [[nodiscard]] bool Settle();
  // Aborts every session, sends what that leads to, and ends them in the registry. Afterwards only the destructor follows.
  void Shutdown(CloseReason reason);

  // Adds datagrams and drops, refused sources included.
  void AddCounters(ObjectCounters& to) const;

  static constexpr size_t kMaxEvents = 4096;

 private:
  struct Slot {
    uint32_t generation = 0;  // 0: free
    EndpointStream* object = nullptr;
    SlotHandle session;
  };
  struct SessionSlot {
    uint32_t generation = 0;  // 0: free
    SlotHandle entry;
  };

  EndpointDriver(WorkerContext& context, io::UdpSocket socket, std::unique_ptr<Endpoint> endpoint, quic::Endpoint* quic,
                 Owner& owner, bool filters_sources);
  static absl::StatusOr<std::unique_ptr<EndpointDriver>> Watch(std::unique_ptr<EndpointDriver> driver);
  void OnIo(uint32_t ready) override;
  void OnTimer(TimePoint now) override;
  void Receive();
  void SendStrays();
  void Dispatch(const Event& event);
  void DispatchDatagrams(SessionHandle session);
  void OnClosed(const Event& event);
  void OnSessionClosed(const Event& event);
  void AbortAll(CloseReason reason);
  Slot* FindSlot(StreamHandle stream);
  // True: the socket takes no more for now.
  bool Send();

  WorkerContext& context_;
  io::UdpSocket socket_;
  std::unique_ptr<Endpoint> endpoint_;
  quic::Endpoint* const quic_;
  Owner& owner_;
  std::optional<SourceFilter> filter_;
  io::SendBatch batch_;
  Timer timer_;
  std::vector<Slot> slots_;  // by the index of the stream's handle
  std::vector<SessionSlot> session_slots_;  // QUIC: by the index of the session's handle
  HandoverOutbox strays_;
  ObjectId handover_listener_;
  uint64_t lost_strays_ = 0;
  bool has_strays_ = false;
  std::vector<std::unique_ptr<Lingering>> lingering_;
  uint64_t refused_sources_ = 0;  // datagrams that never reached the endpoint
  bool is_dirty_ = false;
  bool waits_for_writable_ = false;
};

}  // namespace culvert::server
