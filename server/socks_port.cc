#include "server/socks_port.h"

#include <array>
#include <utility>

#include "core/base/status_macros.h"
#include "core/frontdoor/socks5_udp.h"
#include "server/worker_context.h"

namespace culvert::server {

absl::StatusOr<std::unique_ptr<SocksPort>> SocksPort::Open(WorkerContext& context, PacketPort::Observer& observer, TunnelPort::Host& host,
                                                           SessionStream& control, const SocketOptions& options) {
  const Session* session = context.sessions->Find(control.session);
  if (session == nullptr) return absl::UnavailableError("the client is gone");
  const SocketAddress local{session->local.ip, 0};
  std::unique_ptr<SocksPort> port(new SocksPort(observer, host, session->remote.ip));
  CULVERT_ASSIGN_OR_RETURN(port->socket_, SocketPort::OpenAt(context, static_cast<PacketPort::Observer&>(*port), local, options));
  port->control_ = std::move(control);
  port->control_.stream->set_observer(port.get());
  // RFC 1928: the client may say where it will send from; zeros mean that it does not know.
  if (const uint16_t said = port->control_.door->request().destination.port; said != 0) port->client_ = {port->client_ip_, said};
  return port;
}

SocksPort::SocksPort(PacketPort::Observer& observer, TunnelPort::Host& host, const IpAddress& client)
    : observer_(observer), host_(host), client_ip_(client) {}

SocksPort::~SocksPort() { End(/*in_order=*/false); }

void SocksPort::End(bool in_order) {
  if (std::exchange(is_ended_, true) || control_.stream == nullptr) return;
  if (in_order) {
    control_.stream->Close();
  } else {
    control_.stream->Reset(CloseReason::kAborted);
  }
}

void SocksPort::Answer(Refusal refusal, const std::string& message) {
  if (is_ended_ || control_.door->state() != frontdoor::Door::State::kRequested) return;
  is_refused_ = refusal != Refusal::kNone;
  control_.door->Answer(refusal, message, socket_->outside_address());
  Flush();
}

void SocksPort::Flush() {
  frontdoor::Door& door = *control_.door;
  while (!door.output().empty() && control_.stream->WritableBytes() > 0) {
    const ByteView view = door.output();
    const size_t written = control_.stream->Write(std::span(&view, 1));
    if (written == 0) return;
    door.TakeOutput(written);
  }
}

bool SocksPort::Run() {
  if (is_ended_) return false;
  Flush();
  // Nothing more is to come on it; what does is ignored.
  std::array<ByteView, 4> views;
  while (const size_t count = control_.stream->Peek(4096, views)) {
    size_t size = 0;
    for (size_t i = 0; i < count; ++i) size += views[i].size();
    control_.stream->Consume(size);
  }
  if (!control_.stream->IsBroken() && !control_.stream->AtEnd()) return false;
  End(/*in_order=*/true);
  observer_.OnPortEnded(*this);
  return false;
}

void SocksPort::OnPacket(PacketPort& /*port*/, const dispatch::Destination& from, ByteView bytes) {
  if (is_ended_) return;
  // The first datagram says which port of the client it is, where it has not said so itself.
  const bool is_client = from.address.ip == client_ip_ && (client_.port == 0 || client_.port == from.address.port);
  if (!is_client) {
    ++drops_.foreign_client;
    return;
  }
  frontdoor::Socks5Datagram datagram;
  switch (frontdoor::ParseSocks5Datagram(bytes, datagram)) {
    case frontdoor::Socks5DatagramKind::kFragment:
      ++drops_.fragmented;
      return;
    case frontdoor::Socks5DatagramKind::kMalformed:
      ++drops_.malformed;
      return;
    case frontdoor::Socks5DatagramKind::kWhole:
      break;
  }
  client_ = from.address;
  dispatch::Destination destination;
  if (datagram.destination.host.empty()) {
    destination.address = datagram.destination.address;
  } else if (const auto literal = IpAddress::Parse(datagram.destination.host); literal.ok()) {
    destination.address = {*literal, datagram.destination.port};
  } else {
    destination = {{{}, datagram.destination.port}, datagram.destination.host};
  }
  observer_.OnPacket(*this, destination, datagram.payload);
}

PacketPort::Drops SocksPort::TakeDrops() {
  Drops drops = socket_->TakeDrops();
  drops.malformed = drops_.malformed;
  drops.fragmented = drops_.fragmented;
  drops.foreign_client = drops_.foreign_client;
  drops_ = {};
  return drops;
}

UdpDrop SocksPort::Send(const dispatch::Destination& source, ByteView payload) {
  if (is_ended_ || client_.port == 0) return UdpDrop::kNoWay;
  std::array<uint8_t, frontdoor::kMaxSocks5DatagramHeaderBytes> head;
  const size_t size = frontdoor::WriteSocks5DatagramHeader({source.address, source.host, source.port()}, head);
  if (size == 0) return UdpDrop::kTooLong;
  return socket_->SendBehind(ByteView(head).first(size), client_, payload);
}

}  // namespace culvert::server
