// EndpointDriver: one UDP socket, the endpoint behind it and the batch of datagrams between them. It moves datagrams in and
// out and hands events to the streams they belong to.
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
#include "core/transport/endpoint.h"
#include "server/lingering.h"
#include "server/object_tally.h"
#include "server/source_filter.h"
#include "server/timer_queue.h"

namespace culvert::server {

class EndpointStream;
struct WorkerContext;

class EndpointDriver final : public LingeringKeeper, private io::IoHandler, private TimerHandler {
 public:
  class Owner {
   public:
    // A peer opened a stream. Accept it with an EndpointStream, or Abort it.
    virtual void OnOpened(EndpointDriver& driver, StreamHandle stream) = 0;
    // A session has ended and left the registry; these are its final figures.
    virtual void OnSessionClosed(SlotHandle session, CloseReason reason, const SessionStats& final_stats) = 0;

   protected:
    ~Owner() = default;
  };

  // `filters_sources`: whether anybody may send here (a listener). Errors: RESOURCE_EXHAUSTED, INTERNAL.
  static absl::StatusOr<std::unique_ptr<EndpointDriver>> Create(WorkerContext& context, io::UdpSocket socket,
                                                                std::unique_ptr<Endpoint> endpoint, Owner& owner,
                                                                bool filters_sources);
  ~EndpointDriver();
  EndpointDriver(const EndpointDriver&) = delete;
  EndpointDriver& operator=(const EndpointDriver&) = delete;

  [[nodiscard]] Endpoint& endpoint() { return *endpoint_; }
  [[nodiscard]] const io::UdpSocket& socket() const { return socket_; }

  // To be called after every call that changed the endpoint.
  void MarkDirty();

  // Ties events of `stream` to the object and its end to the session. Both may be null.
  void Attach(StreamHandle stream, EndpointStream* object, SlotHandle session);
  // The object is gone; the session stays until the endpoint has ended it.
  void Detach(StreamHandle stream);

  // Ties the end of a stream that is attached to `session`. False: the endpoint has ended it already.
  [[nodiscard]] bool SetSession(StreamHandle stream, SlotHandle session);
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

  EndpointDriver(WorkerContext& context, io::UdpSocket socket, std::unique_ptr<Endpoint> endpoint, Owner& owner,
                 bool filters_sources);
  void OnIo(uint32_t ready) override;
  void OnTimer(TimePoint now) override;
  void Receive();
  void Dispatch(const Event& event);
  void OnClosed(const Event& event);
  Slot* FindSlot(StreamHandle stream);
  // True: the socket takes no more for now.
  bool Send();

  WorkerContext& context_;
  io::UdpSocket socket_;
  std::unique_ptr<Endpoint> endpoint_;
  Owner& owner_;
  std::optional<SourceFilter> filter_;
  io::SendBatch batch_;
  Timer timer_;
  std::vector<Slot> slots_;  // by the index of the stream's handle
  std::vector<std::unique_ptr<Lingering>> lingering_;
  uint64_t refused_sources_ = 0;  // datagrams that never reached the endpoint
  bool is_dirty_ = false;
  bool waits_for_writable_ = false;
};

}  // namespace culvert::server
