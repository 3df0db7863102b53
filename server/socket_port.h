// SocketPort: a UDP socket of its own as a port: what a flow's destinations see. One for all destinations of a client.
// Thread: confined to one worker.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "core/io/reactor.h"
#include "core/io/udp_outbox.h"
#include "core/io/udp_socket.h"
#include "server/config.h"
#include "server/packet_port.h"

namespace culvert::server {

struct WorkerContext;

class SocketPort final : public PacketPort, private io::IoHandler {
 public:
  // For peers of `family`; with kNone for those of both. Errors: RESOURCE_EXHAUSTED (descriptors), those of UdpSocket::Bind.
  static absl::StatusOr<std::unique_ptr<SocketPort>> Open(WorkerContext& context, Observer& observer, IpAddress::Family family,
                                                          const SocketOptions& options);
  // The same at a given address, of the system's port.
  static absl::StatusOr<std::unique_ptr<SocketPort>> OpenAt(WorkerContext& context, Observer& observer, const SocketAddress& local,
                                                            const SocketOptions& options);
  ~SocketPort() override;
  SocketPort(const SocketPort&) = delete;
  SocketPort& operator=(const SocketPort&) = delete;

  // REQUIRES: an address, not a name.
  [[nodiscard]] UdpDrop Send(const dispatch::Destination& address, ByteView payload) override;
  // The same with bytes of ours before the payload.
  [[nodiscard]] UdpDrop SendBehind(ByteView head, const SocketAddress& to, ByteView payload);
  [[nodiscard]] SocketAddress outside_address() const override { return socket_.local_address(); }
  [[nodiscard]] Drops TakeDrops() override;

 private:
  SocketPort(WorkerContext& context, Observer& observer, io::UdpSocket socket);
  void OnIo(uint32_t ready) override;

  WorkerContext& context_;
  Observer& observer_;
  io::UdpSocket socket_;
  io::UdpOutbox::Lane lane_{socket_};
  Drops told_;  // so far
  bool is_watched_ = false;
};

}  // namespace culvert::server
