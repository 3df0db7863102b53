// PacketPort: one end of a UDP relay, whatever carries its datagrams: a socket, the socket of a listener, a stream of a tunnel.
//
// Nothing waits here but where it says so: what is received is handed on at once, within the call, and what is sent is copied.
// Thread: confined to one worker.
#pragma once

#include <cstdint>

#include "core/base/bytes.h"
#include "core/dispatch/destination.h"
#include "server/udp_drop.h"

namespace culvert::server {

class PacketPort {
 public:
  class Observer {
   public:
    // A datagram came. `address`: at the near end where the client wants it to go, at the far end where it came from; none: the
    // port does not know, so it is the only one there is. Both are good for the call.
    virtual void OnPacket(PacketPort& port, const dispatch::Destination& address, ByteView payload) = 0;
    // The port has ended: nothing comes or goes any more. Not called from within Send. It may be destroyed in a later iteration.
    virtual void OnPortEnded(PacketPort& port) = 0;

   protected:
    ~Observer() = default;
  };

  virtual ~PacketPort() = default;

  // Sends one datagram, at best effort. `address`: at the far end where to, at the near end where it came from; a port that has only one
  // ignores it. kNone: it is on its way, or waits; else why it was dropped.
  [[nodiscard]] virtual UdpDrop Send(const dispatch::Destination& address, ByteView payload) = 0;
  // Does what became possible; to be called when the port asked for it (Schedule of its owner). True: there is more to do at once.
  [[nodiscard]] virtual bool Run() { return false; }
  // Ends what it holds: of a tunnel the stream, in order or as an error.
  virtual void End(bool in_order) { static_cast<void>(in_order); }
  // Datagrams that wait here.
  [[nodiscard]] virtual size_t waiting() const { return 0; }
  // Those that were dropped here, behind Send or before OnPacket, since it was asked last, by reason.
  struct Drops {
    uint64_t tunnel_full = 0, malformed = 0, fragmented = 0, foreign_client = 0, truncated = 0, receive_buffer = 0, send_failed = 0;
  };
  [[nodiscard]] virtual Drops TakeDrops() { return {}; }
  // What the world sees as the sender; none: not known.
  [[nodiscard]] virtual SocketAddress outside_address() const { return {}; }
};

}  // namespace culvert::server
