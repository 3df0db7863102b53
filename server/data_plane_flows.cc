// Datagrams, offers of reverse forwards, and Connect calls of a worker; see data_plane.h.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/io/monotonic_clock.h"
#include "server/data_plane.h"
#include "server/endpoint_driver.h"
#include "server/handle_text.h"
#include "server/socks_port.h"
#include "server/worker_directory.h"

namespace culvert::server {
namespace {

constexpr size_t kMaxUdpRelaysPerTurn = 4096;
constexpr size_t kMaxConnects = 256;
constexpr size_t kMaxAssociations = 16384;  // that other daemons ask for, of one listener on one worker
constexpr size_t kMaxHeld = 4096;
constexpr Duration kHeldLook = std::chrono::milliseconds(20);

// Writes what a door has to say; true: all of it.
bool FlushDoor(SessionStream& stream) {
  while (!stream.door->output().empty() && stream.stream->WritableBytes() > 0) {
    const ByteView view = stream.door->output();
    const size_t written = stream.stream->Write(std::span(&view, 1));
    if (written == 0) break;
    stream.door->TakeOutput(written);
  }
  return stream.door->output().empty();
}

}  // namespace

// ---- UDP.

void DataPlane::ScheduleUdp(SlotHandle handle) {
  UdpRelay* relay = udp_relays_.Find(handle);
  if (relay == nullptr || std::exchange(relay->is_scheduled, true)) return;
  ready_udp_relays_.push_back(handle);
}

void DataPlane::RunUdpRelays() {
  running_udp_relays_.swap(ready_udp_relays_);
  for (size_t i = 0; i < running_udp_relays_.size(); ++i) {
    if (i == kMaxUdpRelaysPerTurn) {
      ready_udp_relays_.insert(ready_udp_relays_.begin(), running_udp_relays_.begin() + kMaxUdpRelaysPerTurn, running_udp_relays_.end());
      break;
    }
    UdpRelay* relay = udp_relays_.Find(running_udp_relays_[i]);
    if (relay == nullptr) continue;
    relay->is_scheduled = false;
    if (relay->Run()) ScheduleUdp(running_udp_relays_[i]);
  }
  // Before those that are done go: what the dispatchers have to say of their flows is counted with them.
  if (!running_udp_relays_.empty()) SettleDispatcher();
  for (const SlotHandle handle : running_udp_relays_) {
    const UdpRelay* relay = udp_relays_.Find(handle);
    ListenerRuntime* listener = relay != nullptr ? relay->parties().listener : nullptr;
    if (listener != nullptr && listener->hub() != nullptr) listener->hub()->Settle();
  }
  for (const SlotHandle handle : running_udp_relays_) {
    const UdpRelay* relay = udp_relays_.Find(handle);
    if (relay != nullptr && relay->is_done()) udp_relays_.Erase(handle);
  }
  running_udp_relays_.clear();
}

void DataPlane::SettleDispatchers() {
  SettleDispatcher();
  for (const auto& [name, listener] : listeners_) {
    if (listener->hub() != nullptr) listener->hub()->Settle();
  }
}

void DataPlane::SettleDispatcher() {
  while (const auto event = dispatcher_.PollEvent()) {
    UdpRelay* relay = FindUdpRelay(event->user);
    if (relay != nullptr && event->kind == dispatch::UdpDispatcher::Event::Kind::kFlowEnded) relay->OnFlowEnded(event->flow, event->last, event->reason);
  }
  dispatcher_timer_.Set(dispatcher_.NextTimeout().value_or(kInfiniteFuture));
}

void DataPlane::OnTimer(TimePoint now) {
  dispatcher_.OnTimeout(now);
  SettleDispatcher();
  LookAtHeld();
}

void DataPlane::EndUdpRelays(const std::function<bool(const UdpRelay&)>& is_meant) {
  udp_relays_.ForEach([&](SlotHandle, UdpRelay& relay) {
    if (is_meant(relay)) relay.End();
  });
}

void DataPlane::EndParties(bool in_order, const std::function<bool(const RelayParties&)>& is_meant) {
  EndRelays(in_order, [&](const Relay& relay) { return is_meant(relay.parties()); });
  // What they point to is about to go.
  udp_relays_.ForEach([&](SlotHandle handle, UdpRelay& relay) {
    if (!is_meant(relay.parties())) return;
    SettleDispatchers();
    relay.End();
    udp_relays_.Erase(handle);
  });
}

void DataPlane::EndOwned(const void* owner) {
  EndRelays(/*in_order=*/false, [&](const Relay& relay) { return relay.IsOwnedBy(owner); });
  udp_relays_.ForEach([&](SlotHandle handle, UdpRelay& relay) {
    if (!relay.IsOwnedBy(owner)) return;
    SettleDispatchers();
    relay.End();
    udp_relays_.Erase(handle);
  });
}

dispatch::AssociationRules DataPlane::RulesOf(const ForwardConfig& config) const {
  return {.idle_timeout = config.udp.idle_timeout,
          .dns_idle_timeout = config.udp.dns_idle_timeout,
          .max_flows = config.udp.max_flows_per_client,
          .is_endpoint_independent = config.udp.is_endpoint_independent || config.udp.is_v2ray_compatible,
          .only_replies_refresh = config.udp.is_v2ray_compatible};
}

UdpRelay* DataPlane::OnNewClient(UdpHub& hub, const SocketAddress& client, UdpDrop& drop) {
  ForwardRuntime* forward = ForwardOf(hub.config().id.name);
  if (is_stopping_ || Drains(hub.config()) || hub.config().paused || forward == nullptr || forward->config->paused) {
    drop = UdpDrop::kNoForward;
    return nullptr;
  }
  const auto listener = listeners_.find(hub.config().id.name);
  UdpRelay::Setup setup;
  setup.parties = {.listener = listener->second.get(), .forward = forward, .far_tally = &direct_};
  setup.dispatcher = &hub.dispatcher();
  setup.has_client = true;
  setup.hub = &hub.budget();
  setup.source = client.ToString();
  setup.request.network = frontdoor::Network::kUdp;
  setup.request.addressed_datagrams = hub.config().hub.original_destination;
  const SlotHandle handle = udp_relays_.Emplace(context_, static_cast<UdpRelay::Host&>(*this), std::move(setup));
  UdpRelay& relay = *udp_relays_.Find(handle);
  relay.Bind(hub.dispatcher().Open(context_.now, client, RulesOf(*forward->config), handle.packed()));
  relay.Start(handle, hub.PortTo(client), nullptr);
  if (!relay.is_done()) return &relay;
  drop = UdpDrop::kNoWay;
  return nullptr;
}

void DataPlane::OnUdpRequest(const RelayParties& parties, SessionStream near) {
  const bool is_socks = parties.listener != nullptr && parties.listener->config()->protocol == ListenerProtocol::kSocks5;
  if (Session* session = sessions_.Find(near.session)) session->relay = {};
  BeginUdp(parties, std::move(near), is_socks);
}

void DataPlane::BeginUdp(const RelayParties& parties, SessionStream near, bool is_socks) {
  const frontdoor::Request& asked = near.door->request();
  UdpRelay::Setup setup;
  setup.parties = parties;
  setup.parties.dialer = nullptr;
  setup.dispatcher = &dispatcher_;
  setup.session = near.session;
  setup.owner = near.owner;
  setup.request = asked;
  setup.is_remote = !is_socks;
  setup.source = asked.source;
  if (is_socks) {
    setup.request.addressed_datagrams = true;
    setup.request.destination = {};
  }
  const Session* session = sessions_.Find(near.session);
  if (setup.source.empty() && session != nullptr) setup.source = session->remote.ToString();
  const size_t queue_packets = parties.forward->config->udp.queue_packets;
  const bool is_addressed = setup.request.addressed_datagrams;
  // Those of one listener; of SOCKS5 its own limit holds.
  const size_t most = is_socks ? parties.listener->config()->hub.max_clients : kMaxAssociations;
  size_t count = 0;
  udp_relays_.ForEach([&](SlotHandle, UdpRelay& other) { count += other.parties().listener == parties.listener ? 1 : 0; });
  if (count >= most) {
    setup.parties.forward->tally.OnFailed();
    ++setup.parties.forward->tally.counters.refused[static_cast<size_t>(Refusal::kLimitExceeded)];
    near.door->Answer(Refusal::kLimitExceeded, "too many UDP associations", {});
    return FlushDoor(near) ? near.stream->Close() : near.stream->Reset(CloseReason::kAborted);
  }
  const SlotHandle handle = udp_relays_.Emplace(context_, static_cast<UdpRelay::Host&>(*this), std::move(setup));
  UdpRelay& relay = *udp_relays_.Find(handle);
  relay.Bind(dispatcher_.Open(context_.now, {}, RulesOf(*parties.forward->config), handle.packed()));
  if (Session* owner = sessions_.Find(near.session); owner != nullptr && owner->transport != Transport::kQuic) owner->udp_relay = handle;

  if (is_socks) {
    auto port = SocksPort::Open(context_, relay.observer(), relay.tunnel_host(), near, {});
    if (!port.ok()) {
      relay.End();
      udp_relays_.Erase(handle);
      parties.forward->tally.OnFailed();
      ++parties.forward->tally.counters.refused[static_cast<size_t>(Refusal::kLimitExceeded)];
      near.door->Answer(Refusal::kLimitExceeded, std::string(port.status().message()), {});
      return FlushDoor(near) ? near.stream->Close() : near.stream->Reset(CloseReason::kAborted);
    }
    SocksPort* const shown = port->get();
    relay.Start(handle, *std::move(port), [shown](Refusal refusal, const std::string& message) { shown->Answer(refusal, message); });
    return;
  }
  // The answer goes out on the stream before any datagram does.
  const std::shared_ptr<frontdoor::Door> door = std::move(near.door);
  auto port = std::make_unique<TunnelPort>(relay.observer(), relay.tunnel_host(), std::move(near.stream), nullptr, near.quic,
                                           TunnelPort::Options{.is_addressed = is_addressed, .queue_packets = queue_packets});
  TunnelPort* const shown = port.get();
  relay.Start(handle, std::move(port), [door, shown](Refusal refusal, const std::string& message) {
    door->Answer(refusal, message, {});
    shown->WriteFirst(door->output());
    door->TakeOutput(door->output().size());
  });
}

// ---- Reverse.

void DataPlane::RefuseNear(const RelayParties& parties, SessionStream near, Refusal refusal, const std::string& message) {
  ForwardRuntime& forward = *parties.forward;
  forward.tally.OnFailed();
  ++forward.tally.counters.refused[static_cast<size_t>(refusal)];
  context_.events.Emit(context_.now, {true, "OfferRefused", "forward/" + forward.config->id.name,
                                      absl::StrCat(std::string(RefusalName(refusal)), ": ", message)});
  near.door->Answer(refusal, message, {});
  if (FlushDoor(near)) return near.stream->Close();
  near.stream->Reset(CloseReason::kAborted);
}

ForwardRuntime* DataPlane::TakerOfOffers(const std::string& listener, const std::string& name) {
  for (const auto& [id, forward] : forwards_) {
    const ForwardConfig& config = *forward->config;
    if (config.reverse.empty() || !config.dialer.empty() || (!name.empty() && config.reverse != name)) continue;
    if (config.reverse_listener.empty() || config.reverse_listener == listener) return forward.get();
  }
  return nullptr;
}

void DataPlane::OnOffer(const RelayParties& parties, SessionStream near) {
  const std::string name = near.door->request().reverse;
  const std::string listener = parties.listener != nullptr ? parties.listener->config()->id.name : std::string();
  if (Session* session = sessions_.Find(near.session)) session->relay = {};
  const ForwardRuntime* wanted = TakerOfOffers(listener, name);
  // Who was dialled has nothing to offer.
  const bool is_leaving = is_stopping_ || (parties.listener != nullptr && Drains(*parties.listener->config()));
  if (is_leaving || parties.listener == nullptr || board_.CountOf(name) >= ReverseBoard::kMaxOffers || wanted == nullptr) {
    return RefuseNear(parties, std::move(near), is_leaving ? Refusal::kShuttingDown : Refusal::kNoForward,
                      absl::StrCat("nobody here takes offers of ", name));
  }
  near.door->Answer(Refusal::kNone, "", {});
  if (!FlushDoor(near)) return near.stream->Reset(CloseReason::kAborted);
  near.door = nullptr;
  if (board_.CountOf(name) == 0) {
    context_.events.Emit(context_.now, {false, "ReverseOffered", "forward/" + wanted->config->id.name, absl::StrCat(name, " is offered through listener/", listener)});
  }
  static_cast<void>(board_.Offer(name, std::move(near)));
}

std::optional<uint32_t> DataPlane::WorkerWithOffers(const std::string& listener) const {
  const auto forward = forward_of_listener_.find(listener);
  if (context_.directory == nullptr || forward == forward_of_listener_.end()) return std::nullopt;
  const ForwardConfig& config = *forward->second->config;
  if (config.reverse.empty() || !config.dialer.empty()) return std::nullopt;
  return board_.WorkerWithOffers(config.reverse, static_cast<uint32_t>(context_.directory->worker_count()));
}

bool DataPlane::IsOfferedElsewhere(const std::string& reverse) {
  if (context_.directory == nullptr) return false;
  return board_.WorkerWithOffers(reverse, static_cast<uint32_t>(context_.directory->worker_count())).has_value();
}

std::optional<uint32_t> DataPlane::WorkerFor(const UdpHub& hub) { return WorkerWithOffers(hub.config().id.name); }

bool DataPlane::Divert(ListenerRuntime& listener, io::TcpSocket& connection, const SocketAddress& peer) {
  const ListenerConfig& config = *listener.config();
  const ForwardRuntime* forward = ForwardOf(config.id.name);
  if (forward == nullptr || forward->config->reverse.empty() || board_.CountOf(forward->config->reverse) > 0) return false;
  if (const std::optional<uint32_t> worker = WorkerWithOffers(config.id.name)) {
    context_.directory->HandOver(*worker, config.id, std::move(connection), peer);
    return true;
  }
  if (forward->config->reverse_wait <= Duration::zero() || held_.size() >= kMaxHeld) return false;
  held_.push_back({config.id.name, std::move(connection), peer, context_.now + forward->config->reverse_wait});
  held_timer_.Set(context_.now + kHeldLook);
  return true;
}

void DataPlane::LookAtHeld() {
  for (auto at = held_.begin(); at != held_.end();) {
    const auto listener = listeners_.find(at->listener);
    const ForwardRuntime* forward = ForwardOf(at->listener);
    const bool is_wanted = listener != listeners_.end() && forward != nullptr && !forward->config->reverse.empty();
    if (!is_wanted) {
      at->connection.Reset();
    } else if (board_.CountOf(forward->config->reverse) > 0 || context_.now >= at->until) {
      // A relay that finds none waits a moment at most.
      listener->second->OnHandedOver(std::move(at->connection), at->peer);
    } else if (const std::optional<uint32_t> worker = WorkerWithOffers(at->listener)) {
      context_.directory->HandOver(*worker, listener->second->config()->id, std::move(at->connection), at->peer);
    } else {
      ++at;
      continue;
    }
    at = held_.erase(at);
  }
  held_timer_.Set(held_.empty() ? kInfiniteFuture : context_.now + kHeldLook);
}

void DataPlane::OnHandedOver(const ObjectId& listener, io::TcpSocket connection, const SocketAddress& peer) {
  const auto found = listeners_.find(listener.name);
  if (found == listeners_.end() || found->second->config()->id != listener) return connection.Reset();
  found->second->OnHandedOver(std::move(connection), peer);
}

DialerRuntime* DataPlane::DialerOf(ForwardRuntime& forward) {
  const auto found = dialers_.find(forward.config->dialer);
  if (found == dialers_.end() || forward.config->paused || Drains(*forward.config) || !found->second->MayDial()) return nullptr;
  return found->second.get();
}

void DataPlane::OnTaken(ForwardRuntime& forward, SessionStream near) {
  const RelayParties parties{.forward = &forward, .far_tally = &direct_};
  const SlotHandle handle = relays_.Emplace(context_, static_cast<Relay::Host&>(*this), parties, std::move(near));
  relays_.Find(handle)->Start(handle);
}

void DataPlane::UpdateOffers() {
  const auto workers = static_cast<uint32_t>(context_.directory != nullptr ? std::max<size_t>(context_.directory->worker_count(), 1) : 1);
  for (const auto& [name, forward] : forwards_) {
    const ForwardConfig& config = *forward->config;
    const bool is_private = !config.reverse.empty() && !config.dialer.empty() && !Drains(config);  // streams at hand there are withdrawn
    const uint32_t share = std::max(1u, (config.reverse_parked + workers - 1) / workers);
    const auto known = offers_.find(name);
    if (known != offers_.end() && (!is_private || !known->second->IsFor(config, share))) offers_.erase(known);
    if (is_private && !is_stopping_ && !offers_.contains(name)) {
      offers_[name] = std::make_unique<ReverseOffers>(context_, static_cast<ReverseOffers::Host&>(*this), *forward, share);
    }
  }
  board_.Prune([this](const std::string& reverse) {
    return std::ranges::any_of(forwards_, [&](const auto& entry) { return entry.second->config->reverse == reverse && entry.second->config->dialer.empty(); });
  });
}

// ---- Connect.

void DataPlane::ScheduleConnect(SlotHandle run) { ready_connects_.push_back(run); }

void DataPlane::RunConnects() {
  const std::vector<SlotHandle> ready = std::exchange(ready_connects_, {});
  for (const SlotHandle handle : ready) {
    ConnectRun* run = connects_.Find(handle);
    if (run == nullptr) continue;
    if (run->Run()) ScheduleConnect(handle);
    if (run->is_done()) connects_.Erase(handle);
  }
}

void DataPlane::Connect(const ConnectRequest& request, const std::shared_ptr<ConnectChannel>& channel) {
  const auto refuse = [&](const char* reason, std::string message) { channel->End({.reason = reason, .message = std::move(message)}); };
  if (is_stopping_) return refuse("SHUTTING_DOWN", "the daemon is stopping");
  if (connects_.size() >= kMaxConnects) return refuse("LIMIT_EXCEEDED", "too many calls at a time");
  const auto found = dialers_.find(request.dialer);
  if (found == dialers_.end()) return refuse("NOT_FOUND", absl::StrCat("there is no dialer ", request.dialer));
  // The same rules as for a forward with this dialer, of somebody here.
  ForwardRuntime forward;
  auto config = std::make_shared<ForwardConfig>();
  config->id.name = "connect";
  config->dialer = request.dialer;
  forward.config = std::move(config);
  frontdoor::Request wanted;
  wanted.network = request.udp ? frontdoor::Network::kUdp : frontdoor::Network::kTcp;
  wanted.destination = request.destination;
  Way way = FindWay(forward, wanted, /*is_remote=*/false);
  const SlotHandle handle = connects_.Emplace(context_, static_cast<ConnectRun::Host&>(*this), std::move(way), request.udp, channel);
  channel->SetWorkerWake([mailbox = context_.mailbox, this, handle] {
    static_cast<void>(mailbox->Post([this, handle] { ScheduleConnect(handle); }));
  });
  connects_.Find(handle)->Start(handle);
  ScheduleConnect(handle);
}

// ---- Observation.

void DataPlane::AddStreams(WorkerReport& report) {
  relays_.ForEach([&](SlotHandle handle, Relay& relay) {
    StreamSnapshot snapshot = relay.Snapshot();
    snapshot.id = HandleText(context_.index, handle);
    snapshot.worker = context_.index;
    if (sessions_.Find(snapshot.session) != nullptr) snapshot.session_id = sessions_.IdOf(snapshot.session);
    if (sessions_.Find(snapshot.far_session) != nullptr) snapshot.far_session_id = sessions_.IdOf(snapshot.far_session);
    report.streams.push_back(std::move(snapshot));
  });
}

bool DataPlane::CloseStream(std::string_view id, bool graceful) {
  const auto handle = ParseHandleText(id, context_.index);
  Relay* relay = handle ? relays_.Find(*handle) : nullptr;
  if (relay == nullptr) return false;
  relay->End(graceful);
  relays_.Erase(*handle);
  return true;
}

void DataPlane::AddUdpFlows(WorkerReport& report) {
  const int64_t unix_now = io::UnixNanoseconds();
  const auto add = [&](dispatch::UdpDispatcher& dispatcher, const std::string& listener) {
    dispatcher.ForEachFlow([&](SlotHandle handle, dispatch::Flow& flow) {
      const UdpRelay* relay = FindUdpRelay(dispatcher.UserOf(flow.association));
      if (relay == nullptr) return;
      UdpFlowSnapshot& snapshot = report.udp_flows.emplace_back();
      snapshot.id = "f" + HandleText(context_.index, handle) + (listener.empty() ? "" : "-" + listener);
      snapshot.worker = context_.index;
      snapshot.forward = relay->parties().forward->config->id.name;
      if (relay->parties().listener != nullptr) snapshot.listener = relay->parties().listener->config()->id.name;
      if (sessions_.Find(relay->session()) != nullptr) snapshot.session_id = sessions_.IdOf(relay->session());
      snapshot.source = relay->source();
      snapshot.destination = relay->DestinationOf(flow);
      if (const SocketAddress outside = relay->outside(); outside.port != 0) snapshot.outside = outside.ToString();
      snapshot.opened_at_unix_ns = unix_now - (context_.now - flow.opened_at).count();
      snapshot.idle = context_.now - flow.active_at;
      snapshot.idle_timeout = flow.idle_timeout;
      snapshot.queued_packets = relay->queued();
      snapshot.rx_packets = flow.counters.rx_packets;
      snapshot.rx_bytes = flow.counters.rx_bytes;
      snapshot.tx_packets = flow.counters.tx_packets;
      snapshot.tx_bytes = flow.counters.tx_bytes;
      snapshot.dropped = flow.counters.dropped;
    });
  };
  add(dispatcher_, "");
  for (const auto& [name, listener] : listeners_) {
    if (listener->hub() != nullptr) add(listener->hub()->dispatcher(), name);
  }
}

bool DataPlane::CloseUdpFlow(std::string_view id) {
  if (id.empty() || id[0] != 'f') return false;
  id.remove_prefix(1);
  dispatch::UdpDispatcher* dispatcher = &dispatcher_;
  if (const size_t dash = id.find('-'); dash != std::string_view::npos) {
    const auto listener = listeners_.find(std::string(id.substr(dash + 1)));
    if (listener == listeners_.end() || listener->second->hub() == nullptr) return false;
    dispatcher = &listener->second->hub()->dispatcher();
    id = id.substr(0, dash);
  }
  const auto handle = ParseHandleText(id, context_.index);
  const dispatch::Flow* flow = handle ? dispatcher->FindFlow(*handle) : nullptr;
  if (flow == nullptr) return false;
  if (UdpRelay* relay = FindUdpRelay(dispatcher->UserOf(flow->association))) relay->OnFlowEnded(*handle, *flow, dispatch::EndReason::kClosed);
  dispatcher->CloseFlow(*handle);
  SettleDispatchers();
  return true;
}

}  // namespace culvert::server
