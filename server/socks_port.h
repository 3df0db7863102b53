// SocksPort: the near end of a SOCKS5 UDP association: a socket beside the TCP connection that asked for it, for datagrams of the same client
// behind the header of RFC 1928 section 7. It ends with that connection.
// Thread: confined to one worker.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "server/packet_port.h"
#include "server/session_streams.h"
#include "server/socket_port.h"
#include "server/tunnel_port.h"

namespace culvert::server {

class SocksPort final : public PacketPort, private PacketPort::Observer, private StreamObserver {
 public:
  // `control`: the TCP connection, its request read; taken only when it goes well. Errors: those of SocketPort.
  static absl::StatusOr<std::unique_ptr<SocksPort>> Open(WorkerContext& context, PacketPort::Observer& observer, TunnelPort::Host& host,
                                                         SessionStream& control, const SocketOptions& options);
  ~SocksPort() override;

  // Tells the client what came of its request.
  void Answer(Refusal refusal, const std::string& message);
  [[nodiscard]] UdpDrop Send(const dispatch::Destination& source, ByteView payload) override;
  [[nodiscard]] bool Run() override;
  void End(bool in_order) override;

  [[nodiscard]] Drops TakeDrops() override;

 private:
  SocksPort(PacketPort::Observer& observer, TunnelPort::Host& host, const IpAddress& client);
  void OnPacket(PacketPort& port, const dispatch::Destination& from, ByteView bytes) override;
  void OnPortEnded(PacketPort& port) override { static_cast<void>(port); }
  void OnStreamReady() override { host_.OnTunnelReady(); }
  void Flush();

  PacketPort::Observer& observer_;
  TunnelPort::Host& host_;
  SessionStream control_;
  std::unique_ptr<SocketPort> socket_;
  const IpAddress client_ip_;
  SocketAddress client_;  // port 0: none has shown itself yet
  Drops drops_;
  bool is_refused_ = false;
  bool is_ended_ = false;
};

}  // namespace culvert::server
