// Life of a relay: Start finds the way and opens it (OpenWay: a socket at once, a tunnel when it is dialled, an offer when there is one);
// datagrams that came before wait. Then FromNear and FromFar carry them. It ends with either port, or when its flows have.
#include "server/udp_relay.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/dispatch/packed_destination.h"
#include "core/io/socket_status.h"
#include "server/dialer_runtime.h"
#include "server/listener_runtime.h"
#include "server/proxy_header.h"
#include "server/worker_context.h"

namespace culvert::server {
namespace {

constexpr size_t kMostWaitingBytes = 1 << 20;
constexpr Duration kOfferLook = std::chrono::milliseconds(100);  // whether another worker has one

}  // namespace

UdpRelay::UdpRelay(WorkerContext& context, Host& host, Setup setup)
    : context_(context),
      host_(host),
      setup_(std::move(setup)),
      options_(setup_.parties.forward->config->udp),
      timer_(context.timers, *this),
      waiting_({options_.queue_packets, kMostWaitingBytes}) {}

UdpRelay::~UdpRelay() {
  End();
  names_.clear();
}

void UdpRelay::Start(SlotHandle handle, std::unique_ptr<PacketPort> near, std::function<void(Refusal, const std::string&)> answer) {
  handle_ = handle;
  near_ = std::move(near);
  answer_ = std::move(answer);
  setup_.parties.forward->tally.OnOpened();
  is_started_ = true;
  OpenWay();
  host_.ScheduleUdp(handle_);
}

// ---- The way.

void UdpRelay::OpenWay() {
  way_ = host_.FindWay(*setup_.parties.forward, setup_.request, setup_.is_remote);
  setup_.parties.dialer = way_.dialer;
  if (way_.dialer != nullptr) setup_.parties.far_tally = &way_.dialer->tally();
  if (way_.open && way_.open->source.empty()) way_.open->source = setup_.source;
  switch (way_.kind) {
    case Way::Kind::kRefused:
      return Refuse(way_.refusal, way_.message);
    case Way::Kind::kSocket:
      return OpenSocket();
    case Way::Kind::kReverse:
      waiter_.emplace(host_.reverse_board(), way_.reverse, static_cast<ReverseBoard::Waiter::Owner&>(*this));
      wait_until_ = context_.now + setup_.parties.forward->config->reverse_wait;
      timer_.Set(std::min(wait_until_, context_.now + kOfferLook));
      return TakeOfferIfAny();
    case Way::Kind::kDial:
      timer_.Set(context_.now + kOpenTimeout);
      dial_.emplace(context_, way_.plan, static_cast<StreamObserver&>(*this));
      dial_->Start();
  }
}

void UdpRelay::OpenSocket() {
  // What family the destinations are of shows only when they come, unless there is one that is an address.
  IpAddress::Family family = IpAddress::Family::kNone;
  if (const auto fixed = IpAddress::Parse(way_.destination.host); fixed.ok()) {
    fixed_ = SocketAddress{*fixed, way_.destination.port};
    family = fixed->family();
  }
  const SocketOptions options = way_.dialer != nullptr ? way_.dialer->config()->socket : SocketOptions();
  auto port = SocketPort::Open(context_, static_cast<PacketPort::Observer&>(*this), family, options);
  if (!port.ok()) {
    const bool is_limit = port.status().code() == absl::StatusCode::kResourceExhausted;
    return Refuse(is_limit ? Refusal::kLimitExceeded : Refusal::kInternal, std::string(port.status().message()));
  }
  socket_ = port->get();
  far_ = *std::move(port);
  is_ready_ = true;
  OnSettled();
  SendWaiting();
}

SocketPort* UdpRelay::PortFor(dispatch::FlowHandle flow) {
  if (!options_.is_v2ray_compatible) return socket_;
  std::unique_ptr<SocketPort>& port = flow_sockets_[flow.packed()];
  if (port == nullptr) {
    const SocketOptions options = way_.dialer != nullptr ? way_.dialer->config()->socket : SocketOptions();
    auto opened = SocketPort::Open(context_, static_cast<PacketPort::Observer&>(*this), IpAddress::Family::kNone, options);
    if (!opened.ok()) {
      flow_sockets_.erase(flow.packed());
      return nullptr;
    }
    port = *std::move(opened);
  }
  return port.get();
}

void UdpRelay::OnDialled(Dial::Connection connection) {
  SessionStream stream;
  if (connection.quic != nullptr) {
    far_driver_ = connection.driver;
    far_carrier_ = connection.carrier;
    stream.quic = connection.quic.get();
    stream.session = connection.session;
    stream.stream = std::move(connection.quic);
  } else {
    Session session;
    session.forward = setup_.parties.forward->config;
    session.tally = setup_.parties.far_tally;
    session.dialer = way_.dialer->config();
    session.target = connection.target;
    session.udp_relay = handle_;
    if (connection.tls == nullptr) {
      stream = OpenEndpointSession(context_, *connection.driver, connection.stream, connection.remote, std::move(session));
    } else {
      stream = OpenTlsSession(context_, *connection.driver, connection.stream, connection.remote, std::move(connection.tls), std::move(session));
    }
  }
  OpenTunnel(std::move(stream));
}

void UdpRelay::OpenTunnel(SessionStream stream) {
  far_session_ = stream.session;
  far_owner_ = stream.owner;
  auto addressed = std::make_unique<AddressedStream>(std::move(stream.stream), *way_.open);
  AddressedStream* const header = addressed.get();
  auto tunnel = std::make_unique<TunnelPort>(
      static_cast<PacketPort::Observer&>(*this), static_cast<TunnelPort::Host&>(*this), std::move(addressed), header, stream.quic,
      TunnelPort::Options{.is_addressed = way_.open->addressed_datagrams, .queue_packets = options_.queue_packets});
  tunnel_ = tunnel.get();
  far_ = std::move(tunnel);
  is_ready_ = true;
  timer_.Set(context_.now + kOpenTimeout);  // for the answer
  SendWaiting();
}

void UdpRelay::TakeOfferIfAny() {
  std::optional<SessionStream> offer = host_.reverse_board().Take(way_.reverse);
  if (!offer) return;
  waiter_.reset();
  if (Session* session = context_.sessions->Find(offer->session)) {
    session->forward = setup_.parties.forward->config;
    if (session->transport != Transport::kQuic) session->udp_relay = handle_;
  }
  OpenTunnel(*std::move(offer));
}

void UdpRelay::LookAtTunnel() {
  const AddressedStream* header = tunnel_->header();
  if (header == nullptr) return;
  if (header->state() == AddressedStream::State::kAccepted && !is_settled_) OnSettled();
}

void UdpRelay::OnSettled() {
  is_settled_ = true;
  Answer(Refusal::kNone, "");
  if (setup_.has_client) {
    timer_.Set(context_.now + options_.idle_timeout);
  } else {
    timer_.Cancel();
  }
}

void UdpRelay::Answer(Refusal refusal, const std::string& message) {
  if (auto answer = std::exchange(answer_, nullptr)) answer(refusal, message);
}

void UdpRelay::Refuse(Refusal refusal, const std::string& message) {
  ForwardRuntime& forward = *setup_.parties.forward;
  forward.tally.OnFailed();
  ++forward.tally.counters.refused[static_cast<size_t>(refusal)];
  context_.events.Emit(context_.now, {true, "FlowRefused", "forward/" + forward.config->id.name,
                                      absl::StrCat(std::string(RefusalName(refusal)), ": ", message)});
  Answer(refusal, message);
  if (!is_done_ && setup_.dispatcher->FlowCountOf(setup_.association) == 0) {
    Record(nullptr, EndedRecord::Verdict::kRefused, RefusalName(refusal), message);
  }
  End(EndedRecord::Verdict::kRefused, RefusalName(refusal), message);
}

bool UdpRelay::Run() {
  if (is_done_) return false;
  if (dial_ && dial_->is_done()) {
    std::optional<Dial::Connection> connection = dial_->TakeConnection();
    if (!connection) {
      if (way_.dialer != nullptr) way_.dialer->tally().OnFailed();
      const Refusal refusal = RefusalOfDial(dial_->error_reason(), way_.dialer != nullptr);
      const std::string message = dial_->error_message();
      dial_.reset();
      Refuse(refusal, message);
      return false;
    }
    dial_.reset();
    OnDialled(*std::move(connection));
  }
  if (waiter_) TakeOfferIfAny();
  bool more = near_ != nullptr && near_->Run();
  if (!is_done_ && far_ != nullptr) more |= far_->Run();
  if (is_done_) return false;
  if (tunnel_ != nullptr) LookAtTunnel();
  return more;
}

void UdpRelay::OnTimer(TimePoint /*now*/) {
  if (is_done_) return;
  if (is_settled_) {
    // A client whose datagrams all came to nothing has no flow that could end.
    if (setup_.dispatcher->FlowCountOf(setup_.association) == 0 && queued() == 0) return End();
    return timer_.Set(context_.now + options_.idle_timeout);
  }
  if (waiter_) {
    TakeOfferIfAny();
    if (!waiter_) return;
    // The client's next datagram is led there.
    if (setup_.has_client && host_.IsOfferedElsewhere(way_.reverse)) return End();
    if (context_.now >= wait_until_) return Refuse(Refusal::kNoForward, absl::StrCat("nobody offers ", way_.reverse));
    return timer_.Set(std::min(wait_until_, context_.now + kOfferLook));
  }
  if (dial_) return Refuse(Refusal::kDialFailed, "no session to the far side in time");
  Refuse(Refusal::kDialFailed, "the far side did not answer in time");
}

void UdpRelay::OnPortEnded(PacketPort& port) {
  if (is_done_) return;
  if (&port == far_.get() && tunnel_ != nullptr && tunnel_->header() != nullptr &&
      tunnel_->header()->state() == AddressedStream::State::kRefused) {
    return Refuse(tunnel_->header()->refusal(), absl::StrCat("far side: ", tunnel_->header()->refusal_message()));
  }
  if (&port == near_.get()) return End(EndedRecord::Verdict::kClosed, kEndedByClient);
  End(EndedRecord::Verdict::kBroken, kEndedByFarSide);
}

void UdpRelay::End(EndedRecord::Verdict verdict, std::string_view reason, const std::string& message) {
  if (std::exchange(is_done_, true)) return;
  timer_.Cancel();
  dial_.reset();
  waiter_.reset();
  DropWaiting(waiting_, UdpDrop::kNoWay);
  AddDrops();
  ObjectCounters& counters = setup_.parties.forward->tally.counters;
  counters.udp_flows -= setup_.dispatcher->FlowCountOf(setup_.association);
  setup_.dispatcher->ForEachFlowOf(setup_.association, [&](dispatch::FlowHandle, const dispatch::Flow& flow) { Record(&flow, verdict, reason, message); });
  setup_.dispatcher->Close(setup_.association);
  if (is_started_) setup_.parties.forward->tally.OnClosed();
  if (far_ != nullptr) far_->End(/*in_order=*/true);
  if (near_ != nullptr) near_->End(/*in_order=*/true);
  host_.ScheduleUdp(handle_);
}

// ---- Datagrams.

void UdpRelay::OnPacket(PacketPort& port, const dispatch::Destination& address, ByteView payload) {
  if (is_done_) return;
  if (&port == near_.get()) return FromNear(address, payload);
  FromFar(port, address, payload);
}

void UdpRelay::FromNear(const dispatch::Destination& destination, ByteView payload) {
  if (is_done_) return Drop(UdpDrop::kNoWay);
  if (!is_ready_) return Wait(waiting_, destination, payload);
  if (tunnel_ != nullptr) return ToTunnel(destination, payload);
  ToSocket(destination, payload);
}

dispatch::FlowHandle UdpRelay::NoteOutgoing(const dispatch::Destination& destination, size_t bytes, bool& is_new) {
  const dispatch::FlowHandle flow = setup_.dispatcher->OnOutgoing(context_.now, setup_.association, destination, bytes, &is_new);
  if (is_new) {
    ObjectCounters& counters = setup_.parties.forward->tally.counters;
    ++counters.udp_flows;
    ++counters.udp_flows_opened;
    host_.ScheduleUdp(handle_);  // the dispatcher's owner looks at its timer then
  }
  return flow;
}

void UdpRelay::ToTunnel(const dispatch::Destination& destination, ByteView payload) {
  bool is_new = false;
  const dispatch::FlowHandle handle = NoteOutgoing(destination, payload.size(), is_new);
  dispatch::Flow* flow = setup_.dispatcher->FindFlow(handle);
  if (flow == nullptr) return Drop(UdpDrop::kLimit);
  if (is_new) {
    // What it is named is judged here as far as this side has a say; its addresses are the far side's.
    const bool is_admitted = way_.policy == nullptr || destination.is_none() ||
                             way_.policy->AllowsNamed({destination.host.empty() ? destination.address.ip.ToString() : std::string(destination.host),
                                                       destination.port()});
    if (!is_admitted) return Deny(handle, destination.ToString());
  }
  const UdpDrop drop = tunnel_->Send(destination, payload);
  if (drop != UdpDrop::kNone) {
    setup_.dispatcher->OnDropped(handle);
    return Drop(drop);
  }
  setup_.parties.forward->tally.counters.rx_bytes += payload.size();
}

UdpName* UdpRelay::FindName(const dispatch::Destination& destination) {
  // Looked up for every datagram: the key is kept, so that it costs no allocation once it is as long as it gets.
  const std::string key(destination.host);
  const auto found = names_.find(key);
  if (found != names_.end()) return found->second.get();
  if (names_.size() >= kMaxNames) {
    // The one that was used longest ago makes room, with what waits for it.
    names_.erase(std::ranges::min_element(names_, {}, [](const auto& entry) { return entry.second->used_at(); }));
  }
  return names_
      .emplace(key, std::make_unique<UdpName>(context_, static_cast<UdpName::Owner&>(*this), key, options_.queue_packets, way_.policy != nullptr))
      .first->second.get();
}

// The first that may be reached, as a name that leads to some that may and some that may not is still good for the former.
IpAddress UdpRelay::PickAddress(const Resolver::Addresses& addresses) const {
  if (way_.policy != nullptr) {
    for (const IpAddress& address : addresses) {
      // Ports are judged with the flow; here any that the name may have.
      if (egress::ReachOf(address) == egress::Reach::kOpen) return address;
    }
  }
  return addresses.front();
}

void UdpRelay::ToSocket(const dispatch::Destination& destination, ByteView payload) {
  if (destination.is_none()) {
    if (way_.destination.host.empty()) return Drop(UdpDrop::kNoDestination);
    if (fixed_) return ToAddress(&way_.destination, *fixed_, payload);
    return ToSocket({{{}, way_.destination.port}, way_.destination.host}, payload);
  }
  if (destination.host.empty()) return ToAddress(nullptr, destination.address, payload);
  UdpName* name = FindName(destination);
  if (name == nullptr) return Drop(UdpDrop::kLimit);
  name->Send(destination, payload);
}

// Judged anew with every datagram: it may be allowed under another name, or later.
void UdpRelay::Deny(dispatch::FlowHandle flow, const std::string& destination) {
  ForwardRuntime& forward = *setup_.parties.forward;
  --forward.tally.counters.udp_flows;
  ++forward.tally.counters.refused[static_cast<size_t>(Refusal::kDestinationDenied)];
  const bool is_told = context_.events.Emit(context_.now, {true, "FlowRefused", "forward/" + forward.config->id.name,
                                                           absl::StrCat("DESTINATION_DENIED: ", destination, " may not be reached from here")});
  // A client may send what is denied as fast as it can: no more of it is written down than is told.
  if (const dispatch::Flow* denied = is_told ? setup_.dispatcher->FindFlow(flow) : nullptr) {
    Record(denied, EndedRecord::Verdict::kRefused, RefusalName(Refusal::kDestinationDenied), absl::StrCat(destination, " may not be reached from here"));
  }
  setup_.dispatcher->CloseFlow(flow);
  Drop(UdpDrop::kDenied);
}

bool UdpRelay::Admits(const HostPort& named, const SocketAddress& address) const {
  return way_.policy == nullptr || (way_.policy->AllowsNamed(named) && way_.policy->AllowsAddress(named, address, *context_.own_addresses));
}

void UdpRelay::ToAddress(const HostPort* name, const SocketAddress& address, ByteView payload) {
  bool is_new = false;
  const dispatch::FlowHandle handle = NoteOutgoing({address}, payload.size(), is_new);
  dispatch::Flow* flow = setup_.dispatcher->FindFlow(handle);
  if (flow == nullptr) return Drop(UdpDrop::kLimit);
  if (is_new) {
    if (!Admits(name != nullptr ? *name : HostPort{address.ip.ToString(), address.port}, address)) return Deny(handle, address.ToString());
  }
  UdpDrop drop = UdpDrop::kLimit;
  if (SocketPort* port = PortFor(handle); port == nullptr) {
    drop = UdpDrop::kLimit;
  } else if (is_new && setup_.parties.forward->config->proxy_protocol) {
    const auto source = SocketAddress::Parse(setup_.source);
    drop = port->SendBehind(ProxyHeader(source.ok() ? *source : SocketAddress(), port->outside_address(), /*is_udp=*/true).view(), address, payload);
  } else {
    drop = port->SendBehind({}, address, payload);
  }
  if (drop != UdpDrop::kNone) {
    setup_.dispatcher->OnDropped(handle);
    return Drop(drop);
  }
  setup_.parties.forward->tally.counters.rx_bytes += payload.size();
}

void UdpRelay::FromFar(PacketPort& port, const dispatch::Destination& source, ByteView payload) {
  dispatch::Destination from = source;
  if (options_.is_v2ray_compatible && !flow_sockets_.empty()) {
    // Whatever comes to a destination's own socket counts as its.
    for (const auto& [packed, socket] : flow_sockets_) {
      if (socket.get() != &port) continue;
      const dispatch::Flow* flow = setup_.dispatcher->FindFlow(dispatch::FlowHandle::FromPacked(packed));
      if (flow != nullptr) from = {flow->destination};
    }
  }
  // A tunnel's far side has judged who may answer; a name that was sent to comes back as an address.
  const bool is_judged = tunnel_ != nullptr;
  const dispatch::FlowHandle handle =
      setup_.dispatcher->OnIncoming(context_.now, setup_.association, from, payload.size(), is_judged);
  if (handle.is_null()) return Drop(UdpDrop::kFiltered);
  const UdpDrop drop = near_->Send(from, payload);
  if (drop != UdpDrop::kNone) {
    setup_.dispatcher->OnDropped(handle);
    return Drop(drop);
  }
  setup_.parties.forward->tally.counters.tx_bytes += payload.size();
}

void UdpRelay::Wait(PacketQueue& queue, const dispatch::Destination& destination, ByteView payload) {
  HubBudget* hub = setup_.hub;
  if (hub != nullptr && hub->waiting >= hub->capacity) {
    if (queue.empty()) return Drop(UdpDrop::kHubFull);
    PopWaiting(queue);
    Drop(UdpDrop::kHubFull);
  }
  const size_t before = queue.size();
  const uint64_t dropped = queue.dropped();
  queue.Push(dispatch::PackedDestination(destination).view(), payload);
  if (hub != nullptr) hub->waiting += queue.size() - before;
  if (queue.dropped() > dropped) Drop(UdpDrop::kQueueFull, queue.dropped() - dropped);
}

void UdpRelay::SendWaiting() {
  while (!waiting_.empty() && is_ready_ && !is_done_) {
    dispatch::Destination destination;
    const ByteView payload = dispatch::PackedDestination::Split(waiting_.front(), destination);
    FromNear(destination, payload);
    if (waiting_.empty()) return;  // it ended, and dropped them
    PopWaiting(waiting_);
  }
}

void UdpRelay::PopWaiting(PacketQueue& queue) {
  queue.Pop();
  if (setup_.hub != nullptr) --setup_.hub->waiting;
}

void UdpRelay::DropWaiting(PacketQueue& queue, UdpDrop reason) {
  if (queue.empty()) return;
  Drop(reason, queue.size());
  if (setup_.hub != nullptr) setup_.hub->waiting -= queue.size();
  queue.Clear();
}

void UdpRelay::AddDropsOf(PacketPort& port) {
  const PacketPort::Drops drops = port.TakeDrops();
  Drop(UdpDrop::kTunnelFull, drops.tunnel_full);
  Drop(UdpDrop::kMalformed, drops.malformed);
  Drop(UdpDrop::kFragmented, drops.fragmented);
  Drop(UdpDrop::kForeignClient, drops.foreign_client);
  Drop(UdpDrop::kTruncated, drops.truncated);
  Drop(UdpDrop::kReceiveBuffer, drops.receive_buffer);
  Drop(UdpDrop::kSendFailed, drops.send_failed);
}

void UdpRelay::AddDrops() {
  if (near_ != nullptr) AddDropsOf(*near_);
  if (far_ != nullptr) AddDropsOf(*far_);
  for (const auto& [flow, port] : flow_sockets_) AddDropsOf(*port);
}

void UdpRelay::Drop(UdpDrop reason, uint64_t count) {
  setup_.parties.forward->tally.counters.udp_dropped[static_cast<size_t>(reason)] += count;
}

size_t UdpRelay::queued() const {
  size_t queued = waiting_.size() + (far_ != nullptr ? far_->waiting() : 0);
  for (const auto& [name, entry] : names_) queued += entry->waiting();
  return queued;
}

void UdpRelay::OnFlowEnded(dispatch::FlowHandle flow, const dispatch::Flow& last, dispatch::EndReason reason) {
  --setup_.parties.forward->tally.counters.udp_flows;
  const std::string_view why = reason == dispatch::EndReason::kIdle      ? kEndedIdle
                               : reason == dispatch::EndReason::kEvicted ? kEndedForOthers
                                                                         : kEndedHere;
  Record(&last, EndedRecord::Verdict::kClosed, why);
  if (const auto port = flow_sockets_.find(flow.packed()); port != flow_sockets_.end()) {
    AddDropsOf(*port->second);
    flow_sockets_.erase(port);
  }
}

}  // namespace culvert::server
