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
  std::unique_ptr<EndpointDriver> driver(
      new EndpointDriver(context, std::move(socket), std::move(endpoint), owner, filters_sources));
  CULVERT_RETURN_IF_ERROR(context.reactor->Add(driver->socket_.fd(), io::kReadable, *driver));
  return driver;
}

EndpointDriver::EndpointDriver(WorkerContext& context, io::UdpSocket socket, std::unique_ptr<Endpoint> endpoint,
                               Owner& owner, bool filters_sources)
    : context_(context),
      socket_(std::move(socket)),
      endpoint_(std::move(endpoint)),
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
  Datagram datagram;
  io::ReceiveBatch& batch = context_.receive_batch;
  while (received < kReceiveBudget && batch.Receive(socket_)) {
    while (batch.Next(datagram)) {
      ++received;
      if (filter_ && !filter_->Admits(context_.now, datagram.peer)) {
        ++refused_sources_;
        continue;
      }
      // The endpoint counts what it drops.
      static_cast<void>(endpoint_->OnDatagram(context_.now, datagram));
    }
    if (!batch.was_full()) return;
  }
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

void EndpointDriver::Dispatch(const Event& event) {
  if (event.kind == Event::Kind::kOpened) return owner_.OnOpened(*this, event.stream);
  if (event.kind == Event::Kind::kClosed) return OnClosed(event);
  const Slot* slot = FindSlot(event.stream);
  if (slot != nullptr && slot->object != nullptr) slot->object->OnEvent();
}

void EndpointDriver::OnClosed(const Event& event) {
  Slot* slot = FindSlot(event.stream);
  if (slot == nullptr) return;
  const Slot closed = std::exchange(*slot, Slot{});
  SessionStats stats;
  if (const auto last = endpoint_->GetStats(context_.now, event.stream)) stats = *last;
  if (closed.object != nullptr) closed.object->OnClosed(stats.rx_datagrams > 0);
  owner_.OnSessionClosed(closed.session, event.reason, stats);
  context_.sessions->End(closed.session, stats);
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

void EndpointDriver::Shutdown(CloseReason reason) {
  lingering_.clear();  // resets what it did not get through
  std::vector<StreamHandle> streams;
  endpoint_->StopAccepting();
  endpoint_->ForEachSession(context_.now, [&streams](const SessionStats& stats) { streams.push_back(stats.stream); });
  for (const StreamHandle stream : streams) endpoint_->Abort(context_.now, stream, reason);
  // Peers are told once; who misses it notices the silence (quirks K37 asks for the attempt).
  for (int i = 0; i < kMaxFlushes; ++i) {
    endpoint_->Flush(context_.now, batch_);
    if (Send() || !endpoint_->HasPendingOutput()) break;
  }
  while (DispatchEvents()) continue;
  for (Slot& slot : slots_) {
    if (slot.generation == 0) continue;
    if (slot.object != nullptr) slot.object->OnClosed(slot.object->HasPeerAnswered());
    context_.sessions->End(slot.session, {});
    slot = {};
  }
}

void EndpointDriver::AddCounters(ObjectCounters& to) const {
  AddEndpoint(endpoint_->counters(), to);
  to.dropped[static_cast<size_t>(DropReason::kRefusedSource)] += refused_sources_;
  to.rx_datagrams += refused_sources_;
}

}  // namespace culvert::server
