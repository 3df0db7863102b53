#include "server/session_streams.h"

#include <utility>

#include "server/endpoint_driver.h"
#include "server/endpoint_stream.h"
#include "server/tcp_stream.h"
#include "server/tls_stream.h"
#include "server/worker_context.h"

namespace culvert::server {

SessionStream OpenTcpSession(WorkerContext& context, io::TcpSocket socket, const SocketAddress& remote, Session session) {
  session.transport = Transport::kTcp;
  session.local = socket.local_address();
  session.remote = remote;
  const SlotHandle handle = context.sessions->Begin(std::move(session));
  auto stream = std::make_unique<TcpStream>(context, std::move(socket), handle);
  context.sessions->Find(handle)->tcp = stream.get();
  return {.stream = std::move(stream), .session = handle};
}

namespace {

SlotHandle Register(WorkerContext& context, EndpointDriver& driver, StreamHandle stream, const SocketAddress& remote,
                    Session session) {
  session.transport = Transport::kKcp;
  session.local = driver.socket().local_address();
  session.remote = remote;
  session.driver = &driver;
  session.stream = stream;
  return context.sessions->Begin(std::move(session));
}

}  // namespace

SessionStream OpenEndpointSession(WorkerContext& context, EndpointDriver& driver, StreamHandle stream,
                                  const SocketAddress& remote, Session session) {
  const SlotHandle handle = Register(context, driver, stream, remote, std::move(session));
  return {.stream = std::make_unique<EndpointStream>(context, driver, stream, handle), .session = handle};
}

SessionStream OpenTlsSession(WorkerContext& context, EndpointDriver& driver, StreamHandle stream, const SocketAddress& remote,
                             std::unique_ptr<TlsStream> tls, Session session) {
  session.tls = tls->session();
  const SlotHandle handle = Register(context, driver, stream, remote, std::move(session));
  // The endpoint may have ended it since; whoever uses the stream finds it broken.
  if (!driver.SetSession(stream, handle)) context.sessions->End(handle, {});
  const TlsStream* shown = tls.get();
  return {.stream = std::move(tls), .session = handle, .tls = shown};
}

SlotHandle OpenQuicSession(WorkerContext& context, EndpointDriver& driver, SessionHandle carrier, Session session) {
  session.transport = Transport::kQuic;
  session.local = driver.socket().local_address();
  session.driver = &driver;
  session.carrier = carrier;
  if (const auto stats = driver.endpoint().GetSessionStats(context.now, carrier)) session.remote = stats->peer;
  if (const auto info = driver.quic()->GetSessionInfo(carrier)) {
    session.tls = std::make_shared<const SessionTls>(SessionTls{info->tls, info->handshake_time});
    ObjectCounters& counters = session.tally->counters;
    ++counters.tls_handshakes;
    if (info->tls.resumed) ++counters.tls_resumed;
  }
  const SlotHandle handle = context.sessions->Begin(std::move(session));
  driver.AttachSession(carrier, handle);
  return handle;
}

SessionStream OpenQuicStream(WorkerContext& context, EndpointDriver& driver, StreamHandle stream, SlotHandle session) {
  auto opened = std::make_unique<EndpointStream>(context, driver, stream, SlotHandle{});
  EndpointStream* const shown = opened.get();
  SessionStream result{.stream = std::move(opened), .session = session};
  result.quic = shown;
  return result;
}

}  // namespace culvert::server
