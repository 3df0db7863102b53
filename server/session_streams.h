// Sessions together with their streams: what is registered is also what carries the bytes.
// Thread: confined to one worker.
#pragma once

#include <memory>

#include "core/io/tcp_socket.h"
#include "server/byte_stream.h"
#include "server/session_registry.h"

namespace culvert::server {

class EndpointDriver;
struct WorkerContext;

struct SessionStream {
  std::unique_ptr<ByteStream> stream;
  SlotHandle session;
};

// `session` says whose it is; addresses and the links to the stream are filled in here.
SessionStream OpenTcpSession(WorkerContext& context, io::TcpSocket socket, const SocketAddress& remote, Session session);
SessionStream OpenEndpointSession(WorkerContext& context, EndpointDriver& driver, StreamHandle stream,
                                  const SocketAddress& remote, Session session);

}  // namespace culvert::server
