// Sessions together with their streams: what is registered is also what carries the bytes.
// Thread: confined to one worker.
#pragma once

#include <memory>

#include "core/frontdoor/door.h"
#include "core/io/tcp_socket.h"
#include "server/byte_stream.h"
#include "server/session_registry.h"

namespace culvert::server {

class EndpointDriver;
class EndpointStream;
class TlsStream;
struct WorkerContext;

struct SessionStream {
  std::unique_ptr<ByteStream> stream;
  SlotHandle session;
  const TlsStream* tls = nullptr;    // `stream`, if it is one
  EndpointStream* quic = nullptr;    // `stream` or what is below it, over QUIC with nothing that seals between
  const void* owner = nullptr;       // the listener or dialer whose driver it is a stream of; it must not outlive that
  std::unique_ptr<frontdoor::Door> door;  // what the peer is to say first; nullptr: nothing
};

// `session` says whose it is; addresses and the links to the stream are filled in here.
SessionStream OpenTcpSession(WorkerContext& context, io::TcpSocket socket, const SocketAddress& remote, Session session);
SessionStream OpenEndpointSession(WorkerContext& context, EndpointDriver& driver, StreamHandle stream,
                                  const SocketAddress& remote, Session session);
// As above for a stream whose handshake went well before it became a session.
SessionStream OpenTlsSession(WorkerContext& context, EndpointDriver& driver, StreamHandle stream, const SocketAddress& remote,
                             std::unique_ptr<TlsStream> tls, Session session);

// Registers a QUIC session that is established. REQUIRES: the driver's, of QUIC.
SlotHandle OpenQuicSession(WorkerContext& context, EndpointDriver& driver, SessionHandle carrier, Session session);
// A stream of such a session.
SessionStream OpenQuicStream(WorkerContext& context, EndpointDriver& driver, StreamHandle stream, SlotHandle session);

}  // namespace culvert::server
