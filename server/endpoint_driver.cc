#include "server/endpoint_driver.h"

#include <algorithm>
#include <utility>

#include "core/base/status_macros.h"
#include "server/endpoint_stream.h"
#include "server/session_registry.h"
#include "server/worker_context.h"

namespace culvert::server {
namespace {

// Datagrams of one iteration; the rest waits in the socket's buffer, so that acknowledgements are not kept waiting.
constexpr size_t kReceiveBudget = 512;
// Full batches of one iteration.
constexpr int kMaxFlushes = 4;
constexpr Duration kBlockedPause = std::chrono::milliseconds(5);

}  // namespace

absl::StatusOr<std::unique_ptr<EndpointDriver>> EndpointDriver::Create(WorkerContext& context, io::UdpSocket socket,
                                                                       std::unique_ptr<Endpoint> endpoint, Owner& owner,
                                                                       bool filters_sources) {
  return Watch(std::unique_ptr<EndpointDriver>(
      new EndpointDriver(context, std::move(socket), std::move(endpoint), nullptr, owner, filters_sources)));
}

absl::StatusOr<std::unique_ptr<EndpointDriver>> EndpointDriver::CreateQuic(WorkerContext& context, io::UdpSocket socket,
                                                                           std::unique_ptr<quic::Endpoint> endpoint,
                                                                           Owner& owner, bool filters_sources) {
  quic::Endpoint* const quic = endpoint.get();
  return Watch(std::unique_ptr<EndpointDriver>(
      new EndpointDriver(context, std::move(socket), std::move(endpoint), quic, owner, filters_sources)));
}

absl::StatusOr<std::unique_ptr<EndpointDriver>> EndpointDriver::Watch(std::unique_ptr<EndpointDriver> driver) {
  CULVERT_RETURN_IF_ERROR(driver->context_.reactor->Add(driver->socket_.fd(), io::kReadable, *driver));
  return driver;
}

EndpointDriver::EndpointDriver(WorkerContext& context, io::UdpSocket socket, std::unique_ptr<Endpoint> endpoint,
                               quic::Endpoint* quic, Owner& owner, bool filters_sources)
    : context_(context),
      socket_(std::move(socket)),
      endpoint_(std::move(endpoint)),
      quic_(quic),
      owner_(owner),
      timer_(context.timers, *this) {
  if (filters_sources) filter_.emplace(socket_.local_address());
}

EndpointDriver::~EndpointDriver() {
  lingering_.clear();
  context_.reactor->Remove(socket_.fd());
  std::erase(context_.dirty_drivers, this);
}

void EndpointDriver::MarkDirty() {
  if (std::exchange(is_dirty_, true)) return;
  context_.dirty_drivers.push_back(this);
}

void EndpointDriver::OnIo(uint32_t ready) {
  if ((ready & io::kWritable) != 0 && waits_for_writable_) {
    waits_for_writable_ = false;
    context_.reactor->Modify(socket_.fd(), io::kReadable);
  }
  if ((ready & (io::kReadable | io::kError)) != 0) Receive();
  MarkDirty();
}

void EndpointDriver::OnTimer(TimePoint now) {
  endpoint_->OnTimeout(now);
  MarkDirty();
}

void EndpointDriver::Receive() {
  size_t received = 0;
  bool may_be_more = true;
  Datagram datagram;
  io::ReceiveBatch& batch = context_.receive_batch;
  while (may_be_more && received < kReceiveBudget && batch.Receive(socket_)) {
    while (batch.Next(datagram)) {
      ++received;
      if (filter_ && !filter_->Admits(context_.now, datagram.peer)) {
        ++refused_sources_;
        continue;
      }
      // The endpoint counts what it drops.
      if (endpoint_->OnDatagram(context_.now, datagram) != DropReason::kHandedOver) continue;
      const quic::Handover stray = quic_->TakeHandover();
      strays_.Add(stray.worker, datagram.peer, datagram.ecn, stray.bytes);
      has_strays_ = true;
    }
    may_be_more = batch.was_full();
  }
  if (std::exchange(has_strays_, false)) SendStrays();
}

void EndpointDriver::SendStrays() {
  lost_strays_ += strays_.Send(handover_listener_, context_.directory);
}

void EndpointDriver::OnHandedOver(HandoverBatch& batch) {
  ByteSpan rest(batch.bytes);
  for (const HandoverBatch::Item& item : batch.items) {
    Datagram datagram{.peer = item.peer, .bytes = rest.first(item.size), .ecn = item.ecn};
    rest = rest.subspan(item.size);
    // The endpoint counts what it drops.
    static_cast<void>(quic_->OnHandedOver(context_.now, datagram));
  }
  MarkDirty();
}

void EndpointDriver::Attach(StreamHandle stream, EndpointStream* object, SlotHandle session) {
  if (stream.index >= slots_.size()) slots_.resize(stream.index + 1);
  slots_[stream.index] = {stream.generation, object, session};
}

void EndpointDriver::Detach(StreamHandle stream) {
  if (Slot* slot = FindSlot(stream)) slot->object = nullptr;
}

bool EndpointDriver::SetSession(StreamHandle stream, SlotHandle session) {
  Slot* slot = FindSlot(stream);
  if (slot != nullptr) slot->session = session;
  return slot != nullptr;
}

EndpointDriver::Slot* EndpointDriver::FindSlot(StreamHandle stream) {
  if (stream.index >= slots_.size() || slots_[stream.index].generation != stream.generation) return nullptr;
  return &slots_[stream.index];
}

bool EndpointDriver::DispatchEvents() {
  for (size_t i = 0; i < kMaxEvents; ++i) {
    const std::optional<Event> event = endpoint_->PollEvent();
    if (!event) return false;
    Dispatch(*event);
  }
  return true;
}

void EndpointDriver::AttachSession(SessionHandle session, SlotHandle entry) {
  if (session.index >= session_slots_.size()) session_slots_.resize(session.index + 1);
  session_slots_[session.index] = {session.generation, entry};
}

SlotHandle EndpointDriver::FindSession(SessionHandle session) const {
  if (session.index >= session_slots_.size()) return {};
  const SessionSlot& slot = session_slots_[session.index];
  return slot.generation == session.generation ? slot.entry : SlotHandle{};
}

void EndpointDriver::Dispatch(const Event& event) {
  switch (event.kind) {
    case Event::Kind::kOpened:
      return owner_.OnOpened(*this, event.stream, event.session);
    case Event::Kind::kClosed:
      return OnClosed(event);
    case Event::Kind::kSessionOpened:
      return owner_.OnSessionOpened(*this, event.session);
    case Event::Kind::kSessionClosed:
      return OnSessionClosed(event);
    case Event::Kind::kStreamsAvailable:
      return owner_.OnStreamsAvailable(*this, event.session);
    case Event::Kind::kDatagram:
      return DispatchDatagrams(event.session);
    case Event::Kind::kReadable:
    case Event::Kind::kWritable:
    case Event::Kind::kReadTimeout:
      break;
  }
  const Slot* slot = FindSlot(event.stream);
  if (slot != nullptr && slot->object != nullptr) slot->object->OnEvent();
}

void EndpointDriver::DispatchDatagrams(SessionHandle session) {
  StreamHandle stream;
  ByteView bytes;
  while (quic_->TakeDatagram(session, stream, bytes)) {
    const Slot* slot = FindSlot(stream);
    // The stream may not have been accepted yet, or have been let go of.
    if (slot != nullptr && slot->object != nullptr) slot->object->OnDatagram(bytes);
  }
}

void EndpointDriver::OnSessionClosed(const Event& event) {
  const SlotHandle entry = FindSession(event.session);
  if (!entry.is_null()) session_slots_[event.session.index] = {};
  SessionStats stats;
  if (const auto last = endpoint_->GetSessionStats(context_.now, event.session)) stats = *last;
  if (!entry.is_null()) {
    owner_.OnSessionClosed(entry, event.reason, stats);
    context_.sessions->End(entry, stats, event.reason);
  }
  // At last, when it does not count any more: the owner may begin another one in its place.
  owner_.OnSessionGone(*this, event.session, event.reason);
}

void EndpointDriver::OnClosed(const Event& event) {
  Slot* slot = FindSlot(event.stream);
  if (slot == nullptr) return;
  const Slot closed = std::exchange(*slot, Slot{});
  if (quic_ != nullptr) {
    if (closed.object != nullptr) closed.object->OnClosed(/*peer_answered=*/true, event.is_complete);
    return;
  }
  SessionStats stats;
  if (const auto last = endpoint_->GetStats(context_.now, event.stream)) stats = *last;
  if (closed.object != nullptr) closed.object->OnClosed(stats.rx_datagrams > 0, event.is_complete);
  owner_.OnSessionClosed(closed.session, event.reason, stats);
  context_.sessions->End(closed.session, stats, event.reason);
}

bool EndpointDriver::Send() {
  if (batch_.is_empty()) return false;
  if (batch_.Flush(socket_) == io::SendBatch::FlushResult::kEmptied) return false;
  if (!std::exchange(waits_for_writable_, true)) context_.reactor->Modify(socket_.fd(), io::kReadable | io::kWritable);
  return true;
}

bool EndpointDriver::Settle() {
  is_dirty_ = false;
  std::erase_if(lingering_, [](const std::unique_ptr<Lingering>& one) { return one->is_done(); });
  bool is_blocked = waits_for_writable_;
  for (int i = 0; i < kMaxFlushes && !is_blocked; ++i) {
    endpoint_->Flush(context_.now, batch_);
    is_blocked = Send();
    if (!endpoint_->HasPendingOutput()) break;
  }
  TimePoint next = endpoint_->NextTimeout().value_or(kInfiniteFuture);
  // While the socket is full the endpoint's wish to send is no reason to wake up.
  if (is_blocked) next = std::max(next, context_.now + kBlockedPause);
  timer_.Set(next);
  return !is_blocked && endpoint_->HasPendingOutput();
}

void EndpointDriver::AbortAll(CloseReason reason) {
  std::vector<SlotHandle> handles;
  endpoint_->ForEachSession(context_.now, [&](const SessionStats& stats) {
    handles.push_back(quic_ != nullptr ? stats.session : stats.stream);
  });
  for (const SlotHandle handle : handles) {
    if (quic_ != nullptr) {
      endpoint_->AbortSession(context_.now, handle, reason);
    } else {
      endpoint_->Abort(context_.now, handle, reason);
    }
  }
}

void EndpointDriver::CloseSessionsInOrder() {
  if (quic_ == nullptr) return;
  std::vector<SessionHandle> sessions;
  endpoint_->ForEachSession(context_.now, [&](const SessionStats& stats) { sessions.push_back(stats.session); });
  for (const SessionHandle session : sessions) quic_->CloseSession(context_.now, session);
  MarkDirty();
}

void EndpointDriver::Shutdown(CloseReason reason) {
  lingering_.clear();  // resets what it did not get through
  endpoint_->StopAccepting();
  AbortAll(reason);
  // Peers are told once; who misses it notices the silence (quirks K37 asks for the attempt).
  for (int i = 0; i < kMaxFlushes; ++i) {
    endpoint_->Flush(context_.now, batch_);
    if (Send() || !endpoint_->HasPendingOutput()) break;
  }
  while (DispatchEvents()) continue;
  for (Slot& slot : slots_) {
    if (slot.generation == 0) continue;
    if (slot.object != nullptr) slot.object->OnClosed(slot.object->HasPeerAnswered(), /*is_complete=*/false);
    context_.sessions->End(slot.session, {});
    slot = {};
  }
  for (SessionSlot& slot : session_slots_) {
    context_.sessions->End(slot.entry, {});
    slot = {};
  }
}

void EndpointDriver::AddCounters(ObjectCounters& to) const {
  AddEndpoint(endpoint_->counters(), to);
  to.dropped[static_cast<size_t>(DropReason::kRefusedSource)] += refused_sources_;
  to.rx_datagrams += refused_sources_;
  to.lost_handovers += lost_strays_;
}

}  // namespace culvert::server
