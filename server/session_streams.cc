#include "server/session_streams.h"

#include <utility>

#include "server/endpoint_driver.h"
#include "server/endpoint_stream.h"
#include "server/tcp_stream.h"
#include "server/worker_context.h"

namespace culvert::server {

SessionStream OpenTcpSession(WorkerContext& context, io::TcpSocket socket, const SocketAddress& remote, Session session) {
  session.transport = Transport::kTcp;
  session.local = socket.local_address();
  session.remote = remote;
  const SlotHandle handle = context.sessions->Begin(std::move(session));
  auto stream = std::make_unique<TcpStream>(context, std::move(socket), handle);
  context.sessions->Find(handle)->tcp = stream.get();
  return {std::move(stream), handle};
}

SessionStream OpenEndpointSession(WorkerContext& context, EndpointDriver& driver, StreamHandle stream,
                                  const SocketAddress& remote, Session session) {
  session.transport = Transport::kKcp;
  session.local = driver.socket().local_address();
  session.remote = remote;
  session.driver = &driver;
  session.stream = stream;
  const SlotHandle handle = context.sessions->Begin(std::move(session));
  return {std::make_unique<EndpointStream>(context, driver, stream, handle), handle};
}

}  // namespace culvert::server
