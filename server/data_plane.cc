// Flow of a turn (Settle): events of the endpoints wake handshakes and relays, handshakes go on, relays move bytes, endpoints and
// sockets send. Datagrams, offers and calls are in data_plane_flows.cc, reports and changes of the configuration in
// data_plane_config.cc, where a request goes in data_plane_ways.cc.
#include "server/data_plane.h"

#include <utility>

#include "server/endpoint_driver.h"

namespace culvert::server {
namespace {

constexpr size_t kMaxRelaysPerTurn = 1024;
constexpr size_t kMaxProbes = 16;
// Sessions that are over for us still repeat their goodbye until the peer has answered it; so long is it waited for.
constexpr Duration kFarewell = std::chrono::milliseconds(500);
// A relay that is silent for so long while the worker stops is not in the middle of anything.
constexpr Duration kQuiet = std::chrono::milliseconds(500);

}  // namespace

DataPlane::DataPlane(WorkerContext& context)
    : context_(context),
      sessions_(context.index),
      dispatcher_({}, *context.random),
      dispatcher_timer_(context.timers, *this),
      board_(context),
      held_timer_(context.timers, *this),
      routes_(context, *this) {
  context_.sessions = &sessions_;
}

DataPlane::~DataPlane() {
  probes_.clear();
  Abort();
}

bool DataPlane::Settle() {
  bool more = DispatchEvents();
  more |= context_.handshakes.Run();
  RunRelays();
  EraseDoneRelays();
  if (std::exchange(offers_are_scheduled_, false)) {
    for (const auto& [name, offers] : offers_) offers->Run();
  }
  RunUdpRelays();
  RunConnects();
  RunProbes();
  // A stream that a relay just closed has its last figures now; once they are sent, the endpoint forgets it.
  more |= DispatchEvents();

  settling_.swap(context_.dirty_drivers);
  for (EndpointDriver* driver : settling_) more |= driver->Settle();
  // What sending brought about (a stream that timed out, say) is heard now and acted on in another turn.
  for (EndpointDriver* driver : settling_) more |= driver->DispatchEvents();
  settling_.clear();
  context_.outbox.Flush();
  return more || !ready_relays_.empty() || !ready_udp_relays_.empty() || !ready_connects_.empty() || offers_are_scheduled_ || !context_.dirty_drivers.empty() || !context_.handshakes.is_empty();
}

bool DataPlane::DispatchEvents() {
  bool more = false;
  // The list may grow while streams are woken; by index, because then it may move.
  for (size_t i = 0; i < context_.dirty_drivers.size(); ++i) more |= context_.dirty_drivers[i]->DispatchEvents();
  return more;
}

void DataPlane::Schedule(SlotHandle handle) {
  Relay* relay = relays_.Find(handle);
  if (relay == nullptr || std::exchange(relay->is_scheduled, true)) return;
  ready_relays_.push_back(handle);
}

void DataPlane::RunRelays() {
  running_relays_.swap(ready_relays_);
  for (size_t i = 0; i < running_relays_.size(); ++i) {
    if (i == kMaxRelaysPerTurn) {
      // Those who waited go first in the next turn.
      ready_relays_.insert(ready_relays_.begin(), running_relays_.begin() + kMaxRelaysPerTurn, running_relays_.end());
      break;
    }
    const SlotHandle handle = running_relays_[i];
    Relay* relay = relays_.Find(handle);
    if (relay == nullptr) continue;
    relay->is_scheduled = false;
    if (relay->Run()) Schedule(handle);
    if (relay->is_done()) done_relays_.push_back(handle);
  }
  running_relays_.clear();
}

void DataPlane::EraseDoneRelays() {
  for (const SlotHandle handle : done_relays_) relays_.Erase(handle);
  done_relays_.clear();
}

void DataPlane::RunProbes() {
  std::erase_if(probes_, [](const std::unique_ptr<ProbeRun>& probe) { return probe->Run(); });
}

bool DataPlane::WantsStream(const ListenerRuntime& listener) {
  if (is_stopping_) return false;
  // Who asks with a header is answered why not (FindWay).
  if (Drains(*listener.config()) && !listener.config()->is_addressed) return false;
  const ForwardRuntime* forward = ForwardOf(listener.config()->id.name);
  if (forward != nullptr && !forward->config->paused) return true;
  return listener.config()->is_addressed && TakerOfOffers(listener.config()->id.name) != nullptr;
}

ForwardRuntime* DataPlane::ForwardOf(const std::string& listener) {
  const auto found = forward_of_listener_.find(listener);
  return found == forward_of_listener_.end() ? nullptr : found->second;
}

void DataPlane::OnAccepted(ListenerRuntime& listener, SessionStream accepted) {
  // Who has no forward of its own may still bring offers of reverse forwards.
  ForwardRuntime* forward = ForwardOf(listener.config()->id.name);
  const bool is_for_offers = forward == nullptr;
  if (is_for_offers) forward = TakerOfOffers(listener.config()->id.name);
  const Relay::Parties parties{.listener = &listener, .forward = forward, .far_tally = &direct_, .is_for_offers = is_for_offers};
  const SlotHandle handle = relays_.Emplace(context_, static_cast<Relay::Host&>(*this), parties, std::move(accepted));
  relays_.Find(handle)->Start(handle);
}

void DataPlane::EndRelays(bool in_order, const std::function<bool(const Relay&)>& is_meant) {
  relays_.ForEach([&](SlotHandle handle, Relay& relay) {
    if (!is_meant(relay)) return;
    relay.End(in_order);
    relays_.Erase(handle);
  });
}

bool DataPlane::CloseSession(std::string_view id, bool graceful) {
  const auto handle = sessions_.Parse(id);
  const Session* session = handle ? sessions_.Find(*handle) : nullptr;
  if (session == nullptr) return false;
  if (session->transport == Transport::kQuic) {
    CloseQuicSession(*handle, *session, graceful);
    return true;
  }
  if (UdpRelay* relay = udp_relays_.Find(session->udp_relay)) {
    relay->End();
    return true;
  }
  if (Relay* relay = relays_.Find(session->relay)) {
    const SlotHandle relay_handle = session->relay;
    relay->End(graceful);
    relays_.Erase(relay_handle);
    return true;
  }
  // No relay yet: the TLS handshake still goes on, and there is nothing to deliver. Or none any more: an mKCP session that still
  // delivers what was written.
  for (const auto& [name, offers] : offers_) offers->EndOn(*handle, *session);
  session = sessions_.Find(*handle);
  if (session == nullptr) return true;
  const bool is_in_handshake = session->listener && session->listener->tls != nullptr && session->tls == nullptr;
  if (session->driver != nullptr && (!graceful || is_in_handshake)) {
    session->driver->endpoint().Abort(context_.now, session->stream, CloseReason::kAdmin);
    session->driver->MarkDirty();
  }
  return true;
}

void DataPlane::CloseQuicSession(SlotHandle handle, const Session& session, bool graceful) {
  EndpointDriver& driver = *session.driver;
  const SessionHandle carrier = session.carrier;
  if (session.dialer) {
    const auto dialer = dialers_.find(session.dialer->id.name);
    if (dialer != dialers_.end()) dialer->second->ForgetSession(driver, carrier);
  }
  EndRelays(graceful, [&](const Relay& relay) { return relay.Uses(handle, session); });
  EndUdpRelays([&](const UdpRelay& relay) { return relay.Uses(handle, session); });
  for (const auto& [name, offers] : offers_) offers->EndOn(handle, session);
  if (graceful) {
    driver.quic()->CloseSession(context_.now, carrier);
  } else {
    driver.quic()->AbortSession(context_.now, carrier, CloseReason::kAdmin);
  }
  driver.MarkDirty();
}

void DataPlane::OnHandedOver(HandoverBatch& batch) {
  const auto listener = listeners_.find(batch.listener.name);
  // Another incarnation has other connections.
  if (listener == listeners_.end() || listener->second->config()->id != batch.listener) return;
  listener->second->OnHandedOver(batch);
}

void DataPlane::OnRoutesChanged() {
  for (const auto& [name, dialer] : dialers_) dialer->OnRoutesChanged();
}

void DataPlane::Probe(ProbeRequest request, std::function<void(ProbeStep)> on_step) {
  if (is_stopping_ || probes_.size() >= kMaxProbes) {
    ProbeStep refused;
    refused.attempt = 1;
    refused.target = request.dialer->targets.front().ToString();
    refused.error_reason = "BUSY";
    refused.error_message = is_stopping_ ? "the daemon is stopping" : "too many probes run at once";
    refused.last = true;
    return on_step(std::move(refused));
  }
  probes_.push_back(std::make_unique<ProbeRun>(context_, std::move(request), std::move(on_step)));
}

void DataPlane::BeginStop() {
  is_stopping_ = true;
  for (const auto& [name, offers] : offers_) offers->Stop();
  for (Held& held : held_) held.connection.Reset();
  held_.clear();
  // Datagrams have no end that could be waited for.
  EndUdpRelays([](const UdpRelay&) { return true; });
  connects_.ForEach([](SlotHandle, ConnectRun& run) { run.Cancel("the daemon is stopping"); });
  for (const auto& [name, forward] : forwards_) board_.EndAll(forward->config->reverse);
  farewell_until_ = context_.now + kFarewell;
  for (const auto& probe : probes_) probe->Cancel();
  probes_.clear();
  for (const auto& [name, listener] : listeners_) {
    listener->StopAccepting();
    listener->CloseSessionsInOrder();
  }
  for (const auto& [name, dialer] : dialers_) dialer->BeginStop();
}

void DataPlane::EndQuietRelays() {
  if (relays_.empty()) return;
  EndRelays(/*in_order=*/true, [](const Relay& relay) { return relay.IsQuiet(kQuiet); });
  if (relays_.empty()) farewell_until_ = context_.now + kFarewell;
}

bool DataPlane::is_idle() const {
  if (!relays_.empty() || sessions_.size() > 0) return false;
  if (context_.now >= farewell_until_) return true;
  for (const auto& [name, listener] : listeners_) {
    if (listener->has_endpoint_sessions()) return false;
  }
  for (const auto& [name, dialer] : dialers_) {
    if (dialer->has_endpoint_sessions()) return false;
  }
  return true;
}

void DataPlane::Abort() {
  EndRelays(/*in_order=*/false, [](const Relay&) { return true; });
  EndUdpRelays([](const UdpRelay&) { return true; });
  udp_relays_.ForEach([this](SlotHandle handle, UdpRelay&) { udp_relays_.Erase(handle); });
  connects_.ForEach([this](SlotHandle handle, ConnectRun&) { connects_.Erase(handle); });
  offers_.clear();
  board_.Prune([](const std::string&) { return false; });
  for (const auto& [name, listener] : listeners_) listener->Shutdown(CloseReason::kAdmin);
  for (const auto& [name, dialer] : dialers_) dialer->Shutdown(CloseReason::kAdmin);
}

}  // namespace culvert::server
