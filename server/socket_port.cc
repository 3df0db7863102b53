#include "server/socket_port.h"

#include <utility>

#include "core/base/status_macros.h"
#include "server/socket_options.h"
#include "server/worker_context.h"

namespace culvert::server {
namespace {

// Datagrams of one turn; the rest waits in the socket's buffer.
constexpr size_t kReceiveBudget = 1024;
// A client's socket is one of many: what it may hold is less than a listener's.
constexpr uint64_t kBufferBytes = 4 << 20;

}  // namespace

absl::StatusOr<std::unique_ptr<SocketPort>> SocketPort::Open(WorkerContext& context, Observer& observer, IpAddress::Family family,
                                                             const SocketOptions& options) {
  IpAddress local = options.bind_address;
  if (local.family() == IpAddress::Family::kNone) {
    local = family == IpAddress::Family::kV4 ? IpAddress::AnyV4() : IpAddress::AnyV6();
  }
  auto port = OpenAt(context, observer, {local, 0}, options);
  // A host without IPv6.
  if (!port.ok() && family == IpAddress::Family::kNone) return OpenAt(context, observer, {IpAddress::AnyV4(), 0}, options);
  return port;
}

absl::StatusOr<std::unique_ptr<SocketPort>> SocketPort::OpenAt(WorkerContext& context, Observer& observer, const SocketAddress& local,
                                                               const SocketOptions& options) {
  if (context.udp_sockets->load(std::memory_order_relaxed) >= context.max_udp_sockets) {
    return absl::ResourceExhaustedError("too many sockets of UDP flows are open");
  }
  io::UdpSocketOptions wanted{.bind = local, .socket = ToIoOptions(options), .fragments = true};
  if (wanted.socket.receive_buffer_bytes == 0) wanted.socket.receive_buffer_bytes = kBufferBytes;
  if (wanted.socket.send_buffer_bytes == 0) wanted.socket.send_buffer_bytes = kBufferBytes;
  CULVERT_ASSIGN_OR_RETURN(io::UdpSocket socket, io::UdpSocket::Bind(wanted));
  std::unique_ptr<SocketPort> port(new SocketPort(context, observer, std::move(socket)));
  CULVERT_RETURN_IF_ERROR(context.reactor->Add(port->socket_.fd(), io::kReadable, *port));
  port->is_watched_ = true;
  return port;
}

SocketPort::SocketPort(WorkerContext& context, Observer& observer, io::UdpSocket socket)
    : context_(context), observer_(observer), socket_(std::move(socket)) {
  context_.udp_sockets->fetch_add(1, std::memory_order_relaxed);
}

SocketPort::~SocketPort() {
  context_.udp_sockets->fetch_sub(1, std::memory_order_relaxed);
  context_.outbox.Flush(lane_);
  if (is_watched_) context_.reactor->Remove(socket_.fd());
}

UdpDrop SocketPort::Send(const dispatch::Destination& address, ByteView payload) { return SendBehind({}, address.address, payload); }

UdpDrop SocketPort::SendBehind(ByteView head, const SocketAddress& to, ByteView payload) {
  if (to.ip.family() == IpAddress::Family::kNone || (to.ip.is_v6() && !socket_.is_v6())) return UdpDrop::kNoDestination;
  return context_.outbox.Add(lane_, to, head, payload) ? UdpDrop::kNone : UdpDrop::kTooLong;
}

PacketPort::Drops SocketPort::TakeDrops() {
  const io::UdpSocket::Counters& kernel = socket_.counters();
  const Drops all{.truncated = kernel.receive_truncations, .receive_buffer = kernel.kernel_drops, .send_failed = kernel.send_errors()};
  const Drops fresh{.truncated = all.truncated - told_.truncated,
                    .receive_buffer = all.receive_buffer - told_.receive_buffer,
                    .send_failed = all.send_failed - told_.send_failed};
  told_ = all;
  return fresh;
}

void SocketPort::OnIo(uint32_t /*ready*/) {
  size_t received = 0;
  Datagram datagram;
  io::ReceiveBatch& batch = context_.receive_batch;
  while (received < kReceiveBudget && batch.Receive(socket_)) {
    while (batch.Next(datagram)) {
      ++received;
      observer_.OnPacket(*this, {datagram.peer}, datagram.bytes);
    }
    if (!batch.was_full()) break;
  }
}

}  // namespace culvert::server
