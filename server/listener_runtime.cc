#include "server/listener_runtime.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/log.h"
#include "core/base/status_macros.h"
#include "core/io/monotonic_clock.h"
#include "core/frontdoor/http_connect.h"
#include "core/frontdoor/socks5.h"
#include "core/frontdoor/stream_header.h"
#include "core/kcp/endpoint.h"
#include "server/worker_context.h"
#include "server/worker_directory.h"

namespace culvert::server {
namespace {

constexpr int kAcceptBudget = 64;  // connections of one iteration
// How long accepting rests when no descriptor is left: the socket stays readable, so trying at once would spin (F15).
constexpr Duration kAcceptPause = std::chrono::milliseconds(100);
// The endpoint's own limit is the most a listener can be set to; the one that was set may change while sessions live, and is
// kept in Admits. Peers that have not proved their address are limited by the endpoint.
constexpr uint32_t kEndpointMaxSessions = 1'000'000;
// At most one line in so long, whatever peers do.
constexpr Duration kLogInterval = std::chrono::seconds(10);

}  // namespace

ListenerRuntime::ListenerRuntime(WorkerContext& context, Host& host, std::shared_ptr<const ListenerConfig> config)
    : context_(context), host_(host), config_(std::move(config)), resume_timer_(context.timers, *this) {
  tally_.everywhere = context_.session_counts->For("listener", config_->id);
}

absl::StatusOr<std::unique_ptr<ListenerRuntime>> ListenerRuntime::Create(WorkerContext& context, Host& host,
                                                                         std::shared_ptr<const ListenerConfig> config,
                                                                         ListenerSocket socket) {
  std::unique_ptr<ListenerRuntime> listener(new ListenerRuntime(context, host, std::move(config)));
  const ListenerConfig& wanted = *listener->config_;
  const bool is_open = wanted.transport == Transport::kTcp ? socket.tcp.is_open() : socket.udp.is_open();
  if (!is_open) return absl::InvalidArgumentError(absl::StrCat("listener ", wanted.id.name, ": no socket was handed over"));
  if (wanted.transport == Transport::kTcp) {
    listener->tcp_ = std::move(socket.tcp);
    CULVERT_RETURN_IF_ERROR(context.reactor->Add(listener->tcp_.fd(), io::kReadable, *listener));
    return listener;
  }
  if (wanted.transport == Transport::kUdp) {
    CULVERT_RETURN_IF_ERROR(listener->OpenHub(std::move(socket.udp)));
    return listener;
  }
  CULVERT_RETURN_IF_ERROR(wanted.transport == Transport::kQuic ? listener->OpenQuic(std::move(socket.udp))
                                                               : listener->Open(std::move(socket.udp)));
  return listener;
}

absl::Status ListenerRuntime::Open(io::UdpSocket socket) {
  auto endpoint = kcp::CreateEndpoint(
      {.config = config_->kcp, .accepts = true, .max_sessions = kEndpointMaxSessions}, *context_.random);
  CULVERT_ASSIGN_OR_RETURN(driver_, EndpointDriver::Create(context_, std::move(socket), std::move(endpoint), *this,
                                                           /*filters_sources=*/true));
  return absl::OkStatus();
}

absl::Status ListenerRuntime::OpenQuic(io::UdpSocket socket) {
  auto endpoint = quic::CreateEndpoint(
      {.config = config_->quic,
       .worker = context_.index,
       .workers = context_.directory != nullptr ? static_cast<uint32_t>(context_.directory->worker_count()) : 1,
       .accepts = true,
       .server_tls = config_->tls,
       .keys = config_->quic_keys,
       .local = socket.local_address(),
       .unix_ns_at_epoch = io::UnixNanoseconds() - context_.now.time_since_epoch().count(),
       .max_sessions = kEndpointMaxSessions},
      *context_.random);
  CULVERT_ASSIGN_OR_RETURN(driver_, EndpointDriver::CreateQuic(context_, std::move(socket), std::move(endpoint), *this,
                                                               /*filters_sources=*/true));
  driver_->HandOverFor(config_->id);
  return absl::OkStatus();
}

absl::Status ListenerRuntime::OpenHub(io::UdpSocket socket) {
  CULVERT_ASSIGN_OR_RETURN(hub_, UdpHub::Create(context_, host_.hub_host(), config_, tally_, std::move(socket)));
  return absl::OkStatus();
}

std::unique_ptr<frontdoor::Door> ListenerRuntime::NewDoor() const {
  if (config_->is_addressed) return frontdoor::CreateAddressedDoor();
  switch (config_->protocol) {
    case ListenerProtocol::kSocks5:
      return frontdoor::CreateSocks5Door(config_->users);
    case ListenerProtocol::kHttpConnect:
      return frontdoor::CreateHttpConnectDoor(config_->users);
    case ListenerProtocol::kRaw:
      break;
  }
  return nullptr;
}

void ListenerRuntime::Accept(SessionStream accepted) {
  accepted.door = NewDoor();
  accepted.owner = this;
  host_.OnAccepted(*this, std::move(accepted));
}

ListenerRuntime::~ListenerRuntime() { context_.reactor->Remove(tcp_.fd()); }

ObjectCounters ListenerRuntime::Counters() const {
  ObjectCounters counters = tally_.counters;
  if (driver_) driver_->AddCounters(counters);
  if (hub_) hub_->AddCounters(counters);
  return counters;
}

bool ListenerRuntime::Admits() {
  return !config_->paused && tally_.everywhere->load(std::memory_order_relaxed) < config_->max_sessions &&
         host_.AdmitsSessions(*this) && host_.WantsStream(*this);
}

void ListenerRuntime::set_config(std::shared_ptr<const ListenerConfig> config) {
  if (driver_ && driver_->quic() != nullptr && config->tls != config_->tls) driver_->quic()->SetServerTls(config->tls);
  config_ = std::move(config);
  if (hub_) hub_->set_config(config_);
}

void ListenerRuntime::OnHandedOver(io::TcpSocket connection, const SocketAddress& peer) {
  if (!tcp_.is_open() || !Admits()) {
    tally_.OnFailed();
    connection.Reset();
    return;
  }
  Accept(OpenTcpSession(context_, std::move(connection), peer, {.listener = config_, .tally = &tally_}));
}

void ListenerRuntime::OnHandedOver(HandoverBatch& batch) {
  if (hub_) hub_->OnHandedOver(batch);
  if (driver_ && driver_->quic() != nullptr) driver_->OnHandedOver(batch);
}

void ListenerRuntime::CloseSessionsInOrder() {
  if (driver_) driver_->CloseSessionsInOrder();
}

void ListenerRuntime::OnSessionOpened(EndpointDriver& driver, SessionHandle session) {
  if (!Admits()) {
    tally_.OnFailed();
    driver.endpoint().AbortSession(context_.now, session, CloseReason::kRefused);
    return driver.MarkDirty();
  }
  OpenQuicSession(context_, driver, session, {.listener = config_, .tally = &tally_});
}

void ListenerRuntime::OnQuicStream(EndpointDriver& driver, StreamHandle stream, SessionHandle session) {
  // An event may have waited while the endpoint was shut down.
  if (driver.quic()->SessionOf(stream).is_null()) return;
  const SlotHandle entry = driver.FindSession(session);
  // max_sessions is about sessions; how many streams one may carry, its config says.
  if (entry.is_null() || config_->paused || !host_.WantsStream(*this)) {
    tally_.OnFailed();
    driver.endpoint().Abort(context_.now, stream, CloseReason::kRefused);
    return driver.MarkDirty();
  }
  Accept(OpenQuicStream(context_, driver, stream, entry));
}

void ListenerRuntime::OnSessionGone(EndpointDriver& driver, SessionHandle session, CloseReason reason) {
  const auto info = driver.quic()->GetSessionInfo(session);
  if ((reason != CloseReason::kHandshakeFailed && reason != CloseReason::kHandshakeTimeout) || !info) return;
  // A client that resumed is judged after its handshake; then it is established already, and failed all the same.
  ++tally_.counters.tls_failed;
  const auto stats = driver.endpoint().GetSessionStats(context_.now, session);
  LogFailure(info->error_reason, info->error_message, stats ? stats->peer : SocketAddress());
}

void ListenerRuntime::OnOpened(EndpointDriver& driver, StreamHandle stream, SessionHandle session) {
  if (driver.quic() != nullptr) return OnQuicStream(driver, stream, session);
  const auto stats = driver.endpoint().GetStats(context_.now, stream);
  if (!stats) return;  // it ended before we looked
  if (!Admits() || (config_->tls != nullptr && !slots_.Take(stats->peer.ip))) {
    tally_.OnFailed();
    driver.endpoint().Abort(context_.now, stream, CloseReason::kAborted);
    driver.MarkDirty();
    return;
  }
  if (config_->tls != nullptr) return BeginHandshake(driver, stream, stats->peer);
  Accept(OpenEndpointSession(context_, driver, stream, stats->peer, {.listener = config_, .tally = &tally_}));
}

void ListenerRuntime::BeginHandshake(EndpointDriver& driver, StreamHandle stream, const SocketAddress& peer) {
  SessionStream opened =
      OpenEndpointSession(context_, driver, stream, peer, {.listener = config_, .tally = &tally_});
  auto tls = std::make_unique<TlsStream>(context_, std::move(opened.stream), config_->tls, TlsStream::Options{}, driver);
  auto handshake = std::make_unique<TlsHandshake>(context_, std::move(tls), context_.now + kHandshakeTimeout,
                                                  static_cast<TlsHandshake::Owner&>(*this));
  const TlsHandshake* key = handshake.get();
  handshakes_[key] = {std::move(handshake), opened.session, peer};
}

void ListenerRuntime::OnHandshakeOver(TlsHandshake& handshake) {
  const auto node = handshakes_.extract(&handshake);
  const SlotHandle handle = node.mapped().session;
  const SocketAddress peer = node.mapped().peer;
  slots_.Give(peer.ip);
  if (!handshake.error_reason().empty()) {
    ++tally_.counters.tls_failed;
    LogFailure(handshake.error_reason(), handshake.error_message(), peer);
    return;
  }
  std::unique_ptr<TlsStream> stream = handshake.TakeStream();
  ++tally_.counters.tls_handshakes;
  if (stream->session()->info.resumed) ++tally_.counters.tls_resumed;
  if (Session* session = context_.sessions->Find(handle)) session->tls = stream->session();
  // Much may have changed in the meantime.
  if (config_->paused || !host_.WantsStream(*this)) {
    tally_.OnFailed();
    return stream->Reset(CloseReason::kAborted);
  }
  const TlsStream* shown = stream.get();
  Accept({.stream = std::move(stream), .session = handle, .tls = shown});
}

void ListenerRuntime::LogFailure(const std::string& reason, const std::string& message, const SocketAddress& peer) {
  if (context_.now < next_log_at_) {
    ++failures_not_logged_;
    return;
  }
  next_log_at_ = context_.now + kLogInterval;
  Log(LogLevel::kWarning, "listener", message,
      {{"listener", config_->id.name},
       {"peer", peer.ToString()},
       {"reason", reason},
       {"others", std::to_string(std::exchange(failures_not_logged_, 0))}});
}

void ListenerRuntime::OnSessionClosed(SlotHandle /*session*/, CloseReason /*reason*/, const SessionStats& /*stats*/) {}

void ListenerRuntime::OnIo(uint32_t /*ready*/) {
  for (int i = 0; i < kAcceptBudget; ++i) {
    io::TcpSocket connection;
    SocketAddress peer;
    switch (tcp_.Accept(connection, peer)) {
      case io::TcpListenSocket::AcceptResult::kNone:
        return;
      case io::TcpListenSocket::AcceptResult::kFailed:
        continue;
      case io::TcpListenSocket::AcceptResult::kOutOfResources:
        tally_.OnFailed();
        context_.reactor->Modify(tcp_.fd(), 0);
        resume_timer_.Set(context_.now + kAcceptPause);
        return;
      case io::TcpListenSocket::AcceptResult::kAccepted:
        break;
    }
    if (!Admits()) {
      tally_.OnFailed();
      connection.Reset();
      continue;
    }
    if (host_.Divert(*this, connection, peer)) continue;
    Accept(OpenTcpSession(context_, std::move(connection), peer, {.listener = config_, .tally = &tally_}));
  }
}

void ListenerRuntime::OnTimer(TimePoint /*now*/) {
  if (tcp_.is_open()) context_.reactor->Modify(tcp_.fd(), io::kReadable);
}

void ListenerRuntime::StopAccepting() {
  handshakes_.clear();
  slots_.GiveAll();
  if (driver_) driver_->endpoint().StopAccepting();
  if (hub_) hub_->StopReceiving();
  if (!tcp_.is_open()) return;
  context_.reactor->Remove(tcp_.fd());
  resume_timer_.Cancel();
  tcp_.Close();
}

void ListenerRuntime::Shutdown(CloseReason reason) {
  StopAccepting();
  if (driver_) driver_->Shutdown(reason);
}

}  // namespace culvert::server
