// What a connection uses of its endpoint.
// Thread: one endpoint's.
#pragma once

#include "core/base/random.h"
#include "core/camouflage/packet_header.h"
#include "core/quic/blocks.h"
#include "core/quic/config.h"
#include "core/quic/connection_id.h"
#include "core/transport/event.h"
#include "core/transport/limit_clock.h"

namespace culvert::quic {

class Connection;
struct Stream;

class ConnectionHost {
 public:
  virtual const QuicConfig& config() const = 0;
  virtual RandomSource& random() = 0;
  virtual HeaderWriter& header_writer() = 0;
  virtual int64_t wall_clock_ns(TimePoint now) const = 0;

  virtual void Emit(const Event& event) = 0;
  virtual void MarkReady(Connection& connection) = 0;
  // The connection no longer counts among those that have not proved their address.
  virtual void OnValidated(Connection& connection) = 0;
  virtual void OnSent(size_t bytes) = 0;
  // A client's handshake is done or has failed.
  virtual void OnHandshakeOver(Connection& connection) = 0;

  virtual Stream& AddStream(Connection& connection, const StreamLimitClock& clock) = 0;
  virtual void EraseStream(Stream& stream) = 0;

  // Makes a new id of ours that leads to `connection`, and the stateless reset token that belongs to it (16 bytes).
  virtual ConnectionId MakeId(Connection& connection, ByteSpan reset_token) = 0;
  virtual void AddId(const ConnectionId& id, Connection& connection) = 0;
  virtual void RemoveId(const ConnectionId& id) = 0;
  // A token for the client's next connection (RFC 9000 section 8.1.3); empty: none.
  virtual std::vector<uint8_t> MakeToken(TimePoint now, const SocketAddress& peer) = 0;

 protected:
  ~ConnectionHost() = default;
};

}  // namespace culvert::quic
