#include "server/listener_sockets.h"

#include <utility>
#include <vector>

#include "core/io/socket_status.h"
#include "core/io/tcp_listen_socket.h"
#include "server/config_from_proto.h"
#include "server/error_builder.h"

namespace culvert::server {
namespace {

class UdpListener final : public BoundListener {
 public:
  explicit UdpListener(std::vector<io::UdpSocket> sockets) : sockets_(std::move(sockets)) {}

  SocketAddress address() const override { return sockets_.front().local_address(); }
  std::optional<io::UdpSocket::Granted> granted() const override { return sockets_.front().granted(); }
  absl::StatusOr<ListenerSocket> HandleFor(const ObjectId& id, size_t index) const override {
    absl::StatusOr<io::UdpSocket> socket = sockets_[index].Duplicate();
    if (!socket.ok()) return std::move(socket).status();
    ListenerSocket handle;
    handle.listener = id;
    handle.udp = *std::move(socket);
    return handle;
  }

 private:
  std::vector<io::UdpSocket> sockets_;  // by worker
};

class TcpListener final : public BoundListener {
 public:
  explicit TcpListener(std::vector<io::TcpListenSocket> sockets) : sockets_(std::move(sockets)) {}

  SocketAddress address() const override { return sockets_.front().local_address(); }
  std::optional<io::UdpSocket::Granted> granted() const override { return std::nullopt; }
  absl::StatusOr<ListenerSocket> HandleFor(const ObjectId& id, size_t index) const override {
    absl::StatusOr<io::TcpListenSocket> socket = sockets_[index].Duplicate();
    if (!socket.ok()) return std::move(socket).status();
    ListenerSocket handle;
    handle.listener = id;
    handle.tcp = *std::move(socket);
    return handle;
  }

 private:
  std::vector<io::TcpListenSocket> sockets_;  // by worker
};

io::SocketOptions ToIoOptions(const v1::SocketSpec& spec) {
  const SocketOptions options = ToSocketOptions(spec);
  return {options.interface, options.mark, options.dscp, options.receive_buffer_bytes, options.send_buffer_bytes};
}

class SystemBinder final : public SocketBinder {
 public:
  absl::StatusOr<std::unique_ptr<BoundListener>> Bind(const v1::ListenerSpec& spec, size_t workers,
                                                      const std::string& field) override {
    absl::StatusOr<SocketAddress> address = SocketAddress::Parse(spec.bind());
    if (!address.ok()) return InvalidField(field, "is not ADDRESS:PORT with an IP address");
    if (spec.transport() == v1::TRANSPORT_KCP) {
      auto sockets = io::UdpSocket::BindGroup({*address, ToIoOptions(spec.socket())}, workers);
      if (!sockets.ok()) return ErrorFromSocket(sockets.status(), field, spec.bind());
      return std::make_unique<UdpListener>(*std::move(sockets));
    }
    auto sockets = io::TcpListenSocket::BindGroup({*address, ToIoOptions(spec.socket())}, workers);
    if (!sockets.ok()) return ErrorFromSocket(sockets.status(), field, spec.bind());
    return std::make_unique<TcpListener>(*std::move(sockets));
  }
};

}  // namespace

std::unique_ptr<SocketBinder> CreateSocketBinder() { return std::make_unique<SystemBinder>(); }

absl::Status ErrorFromSocket(const absl::Status& error, const std::string& field, const std::string& address) {
  const std::string reason = io::ReasonOf(error);
  const std::string text(error.message());
  if (error.code() == absl::StatusCode::kResourceExhausted) {
    return ErrorBuilder(error.code(), "LIMIT_EXCEEDED", field + ": " + text)
        .Metadata("field", field)
        .Metadata("address", address)
        .Quota("file descriptors", text)
        .Build();
  }
  if (error.code() != absl::StatusCode::kFailedPrecondition || reason.empty()) return InternalError(field + ": " + text);
  return ErrorBuilder(error.code(), reason, field + ": " + text)
      .Metadata("field", field)
      .Metadata("address", address)
      .Precondition("SOCKET", address, text)
      .Build();
}

}  // namespace culvert::server
