#include "server/access/tcp_door.h"

#include <algorithm>
#include <utility>

#include "core/io/tcp_socket.h"

namespace culvert::server {

class TcpDoor::Loop final : public DoorLoop {
 public:
  Loop(io::TcpListenSocket socket, Enter enter, OnRefused on_refused)
      : DoorLoop(std::move(on_refused)), socket_(std::move(socket)), enter_(std::move(enter)) {}
  absl::Status Prepare() { return DoorLoop::Prepare(socket_.fd()); }

 private:
  struct Caller final : public Guest {
    explicit Caller(const IpAddress& from) : network(from) {}
    const IpAddress network;
  };

  Taken TakeOne() override {
    io::TcpSocket connection;
    SocketAddress peer;
    switch (socket_.Accept(connection, peer)) {
      case io::TcpListenSocket::AcceptResult::kNone: return Taken::kNobody;
      case io::TcpListenSocket::AcceptResult::kOutOfResources: return Taken::kOutOfFiles;
      case io::TcpListenSocket::AcceptResult::kFailed: return Taken::kOne;
      case io::TcpListenSocket::AcceptResult::kAccepted: break;
    }
    const IpAddress network = peer.ip.AccountingPrefix();
    const auto of_network = static_cast<size_t>(std::ranges::count_if(
        guests(), [&network](const auto& guest) { return static_cast<const Caller&>(*guest).network == network; }));
    if (guests().size() >= kMaxConnections || of_network >= kMaxConnectionsPerNetwork) {
      Refuse(peer.ip.ToString(), "has too many connections");
      return Taken::kOne;
    }
    io::FileDescriptor socket = connection.Release();
    if (LetIn(socket, std::make_unique<Caller>(network)) != nullptr) enter_(std::move(socket));
    return Taken::kOne;
  }

  io::TcpListenSocket socket_;
  const Enter enter_;
};

absl::StatusOr<std::unique_ptr<TcpDoor>> TcpDoor::Open(const SocketAddress& bind, Enter enter, OnRefused on_refused) {
  absl::StatusOr<io::TcpListenSocket> socket = io::TcpListenSocket::Bind({.bind = bind, .socket = {}});
  if (!socket.ok()) return std::move(socket).status();
  const int port = socket->local_address().port;
  auto loop = std::make_unique<Loop>(*std::move(socket), std::move(enter), std::move(on_refused));
  if (absl::Status status = loop->Prepare(); !status.ok()) return status;
  return std::unique_ptr<TcpDoor>(new TcpDoor(std::move(loop), port));
}

TcpDoor::TcpDoor(std::unique_ptr<Loop> loop, int port) : port_(port), thread_(std::move(loop)) {}

}  // namespace culvert::server
