#include "server/udp_hub.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/base/log.h"
#include "core/base/status_macros.h"
#include "server/socket_options.h"
#include "server/worker_context.h"

namespace culvert::server {
namespace {

// Datagrams of one turn; the rest waits in the socket's buffer.
constexpr size_t kReceiveBudget = 1024;
// Ports of services that answer anything (reliability T15): what comes from there was made to come here.
constexpr std::array<uint16_t, 11> kReflectors = {0, 17, 19, 53, 111, 123, 137, 138, 161, 389, 500};

uint32_t Share(uint32_t total, const WorkerContext& context) {
  const auto workers = static_cast<uint32_t>(context.directory != nullptr ? std::max<size_t>(context.directory->worker_count(), 1) : 1);
  return std::max(1u, (total + workers - 1) / workers);
}

}  // namespace

// The way back to one client.
class UdpHub::ClientPort final : public PacketPort {
 public:
  ClientPort(UdpHub& hub, const SocketAddress& client) : hub_(hub), client_(client) {}
  UdpDrop Send(const dispatch::Destination& from, ByteView payload) override { return hub_.SendTo(client_, from, payload); }

 private:
  UdpHub& hub_;
  const SocketAddress client_;
};

// A socket at an address that is not ours, for answers that must come from there.
class UdpHub::AnswerPort {
 public:
  AnswerPort(WorkerContext& context, const SocketAddress& from, io::UdpSocket socket)
      : from_(from), context_(context), socket_(std::move(socket)) {}
  ~AnswerPort() { context_.outbox.Flush(lane_); }
  [[nodiscard]] const SocketAddress& from() const { return from_; }
  bool Send(const SocketAddress& client, ByteView payload) { return context_.outbox.Add(lane_, client, {}, payload); }

 private:
  const SocketAddress from_;
  WorkerContext& context_;
  io::UdpSocket socket_;
  io::UdpOutbox::Lane lane_{socket_};
};

absl::StatusOr<std::unique_ptr<UdpHub>> UdpHub::Create(WorkerContext& context, Host& host, std::shared_ptr<const ListenerConfig> config,
                                                       ObjectTally& tally, io::UdpSocket socket) {
  std::unique_ptr<UdpHub> hub(new UdpHub(context, host, std::move(config), tally, std::move(socket)));
  CULVERT_RETURN_IF_ERROR(context.reactor->Add(hub->socket_.fd(), io::kReadable, *hub));
  hub->is_watched_ = true;
  return hub;
}

UdpHub::UdpHub(WorkerContext& context, Host& host, std::shared_ptr<const ListenerConfig> config, ObjectTally& tally, io::UdpSocket socket)
    : context_(context),
      host_(host),
      config_(std::move(config)),
      tally_(tally),
      socket_(std::move(socket)),
      filter_(socket_.local_address()),
      timer_(context.timers, *this),
      budget_{.capacity = Share(config_->hub.capacity, context)},
      dispatcher_({.max_associations = Share(config_->hub.max_clients, context)}, *context.random) {}

UdpHub::~UdpHub() {
  answers_.clear();
  context_.outbox.Flush(lane_);
  StopReceiving();
}

void UdpHub::set_config(std::shared_ptr<const ListenerConfig> config) {
  config_ = std::move(config);
  budget_.capacity = Share(config_->hub.capacity, context_);
  set_max_clients(config_->hub.max_clients);
}

void UdpHub::StopReceiving() {
  if (std::exchange(is_watched_, false)) context_.reactor->Remove(socket_.fd());
}

std::unique_ptr<PacketPort> UdpHub::PortTo(const SocketAddress& client) { return std::make_unique<ClientPort>(*this, client); }

void UdpHub::OnIo(uint32_t /*ready*/) {
  size_t received = 0;
  Datagram datagram;
  io::ReceiveBatch& batch = context_.receive_batch;
  while (received < kReceiveBudget && batch.Receive(socket_)) {
    while (batch.Next(datagram)) {
      ++received;
      OnDatagram(datagram.peer, datagram.original_destination, datagram.bytes, /*is_handed_over=*/false);
    }
    if (!batch.was_full()) break;
  }
  if (std::exchange(has_strays_, false)) lost_handovers_ += strays_.Send(config_->id, context_.directory);
  Settle();
}

void UdpHub::OnHandedOver(const HandoverBatch& batch) {
  ByteView rest(batch.bytes);
  for (const HandoverBatch::Item& item : batch.items) {
    OnDatagram(item.peer, {}, rest.first(item.size), /*is_handed_over=*/true);
    rest = rest.subspan(item.size);
  }
  if (std::exchange(has_strays_, false)) lost_handovers_ += strays_.Send(config_->id, context_.directory);
  Settle();
}

void UdpHub::OnDatagram(const SocketAddress& client, const SocketAddress& original, ByteView payload, bool is_handed_over) {
  ++rx_datagrams_;
  rx_bytes_ += payload.size();
  const auto drop = [this](UdpDrop reason) { ++tally_.counters.udp_dropped[static_cast<size_t>(reason)]; };
  if (std::ranges::find(kReflectors, client.port) != kReflectors.end() || !filter_.Admits(context_.now, client)) {
    return drop(UdpDrop::kRefusedSource);
  }
  dispatch::Destination destination;
  if (config_->hub.original_destination) {
    if (original.ip.family() == IpAddress::Family::kNone) return drop(UdpDrop::kNoDestination);
    destination.address = original;
  }
  UdpRelay* relay = nullptr;
  if (const dispatch::AssociationHandle association = dispatcher_.Find(client); !association.is_null()) {
    relay = host_.FindUdpRelay(dispatcher_.UserOf(association));
  } else {
    if (HandOver(client, payload, is_handed_over)) return;
    UdpDrop why = UdpDrop::kNoForward;
    relay = host_.OnNewClient(*this, client, why);
    if (relay == nullptr) return drop(why);
  }
  if (relay == nullptr) return drop(UdpDrop::kNoWay);
  relay->OnClientPacket(destination, payload);
}

bool UdpHub::HandOver(const SocketAddress& client, ByteView payload, bool is_handed_over) {
  if (context_.directory == nullptr) return false;
  if (is_handed_over) {
    // Whoever gave it to us had reasons that may have gone since: it is passed on to who has an offer, and kept if nobody has.
    const std::optional<uint32_t> better = host_.WorkerFor(*this);
    if (!better) return false;
    strays_.Add(*better, client, Ecn::kNotEct, payload);
    has_strays_ = true;
    return true;
  }
  const auto key = std::pair(client.ip.bytes(), client.port);
  const auto known = elsewhere_.find(key);
  std::optional<uint32_t> worker = known != elsewhere_.end() ? std::optional(known->second) : host_.WorkerFor(*this);
  if (!worker) return false;
  if (known == elsewhere_.end()) {
    if (elsewhere_.size() >= config_->hub.max_clients) elsewhere_.clear();
    elsewhere_[key] = *worker;
  }
  strays_.Add(*worker, client, Ecn::kNotEct, payload);
  has_strays_ = true;
  return true;
}

UdpHub::AnswerPort* UdpHub::AnswerPortAt(const SocketAddress& from) {
  const auto found = std::ranges::find_if(answers_, [&](const auto& one) { return one->from() == from; });
  if (found != answers_.end()) {
    answers_.splice(answers_.begin(), answers_, found);
    return answers_.front().get();
  }
  auto socket = io::UdpSocket::Bind(
      {.bind = from, .socket = ToIoOptions(config_->socket), .fragments = true, .original_destination = true, .shares_port = true});
  if (!socket.ok()) return nullptr;
  if (answers_.size() >= kMaxAnswerSockets) answers_.pop_back();
  answers_.push_front(std::make_unique<AnswerPort>(context_, from, *std::move(socket)));
  return answers_.front().get();
}

UdpDrop UdpHub::SendTo(const SocketAddress& client, const dispatch::Destination& from, ByteView payload) {
  bool is_sent = false;
  if (config_->hub.original_destination && from.address.ip.family() != IpAddress::Family::kNone) {
    AnswerPort* port = AnswerPortAt(from.address);
    if (port == nullptr) return UdpDrop::kLimit;
    is_sent = port->Send(client, payload);
  } else {
    is_sent = context_.outbox.Add(lane_, client, {}, payload);
  }
  if (!is_sent) return UdpDrop::kTooLong;
  ++tx_datagrams_;
  tx_bytes_ += payload.size();
  return UdpDrop::kNone;
}

void UdpHub::OnTimer(TimePoint now) {
  dispatcher_.OnTimeout(now);
  Settle();
}

void UdpHub::set_max_clients(uint32_t clients) { dispatcher_.set_max_associations(Share(clients, context_)); }

void UdpHub::Settle() {
  while (const auto event = dispatcher_.PollEvent()) {
    if (event->kind == dispatch::UdpDispatcher::Event::Kind::kAssociationEnded) {
      if (UdpRelay* relay = host_.FindUdpRelay(event->user)) relay->End();
    } else if (UdpRelay* relay = host_.FindUdpRelay(event->user)) {
      relay->OnFlowEnded(event->flow, event->last, event->reason);
    }
  }
  timer_.Set(dispatcher_.NextTimeout().value_or(kInfiniteFuture));
}

void UdpHub::AddCounters(ObjectCounters& to) const {
  to.rx_datagrams += rx_datagrams_;
  to.rx_datagram_bytes += rx_bytes_;
  to.tx_datagrams += tx_datagrams_;
  to.tx_datagram_bytes += tx_bytes_;
  to.lost_handovers += lost_handovers_;
  const io::UdpSocket::Counters& kernel = socket_.counters();
  to.udp_dropped[static_cast<size_t>(UdpDrop::kTruncated)] += kernel.receive_truncations;
  to.udp_dropped[static_cast<size_t>(UdpDrop::kReceiveBuffer)] += kernel.kernel_drops;
  to.udp_dropped[static_cast<size_t>(UdpDrop::kSendFailed)] += kernel.send_errors();
}

}  // namespace culvert::server
