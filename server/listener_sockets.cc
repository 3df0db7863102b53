#include "server/listener_sockets.h"

#include <utility>
#include <vector>

#include "core/crypto/secret.h"
#include "core/io/socket_status.h"
#include "core/io/tcp_listen_socket.h"
#include "core/quic/connection_id.h"
#include "server/config_from_proto.h"
#include "server/error_builder.h"

namespace culvert::server {
namespace {

class UdpListener final : public BoundListener {
 public:
  UdpListener(std::vector<io::UdpSocket> sockets, std::optional<uint8_t> worker_key)
      : sockets_(std::move(sockets)), worker_key_(worker_key) {}

  // The ids can be read from outside where nothing is encrypted around the packets.
  void Steer(const v1::ListenerSpec& spec) override {
    if (spec.transport() != v1::TRANSPORT_QUIC || sockets_.size() < 2 || !worker_key_) return;
    const v1::QuicOuterSpec& outer = spec.quic().outer();
    const bool is_sealed = outer.security() != v1::OUTER_SECURITY_UNSPECIFIED && outer.security() != v1::OUTER_SECURITY_NONE;
    if (is_sealed || !sockets_.front().SteerByConnectionId(HeaderSize(ToHeaderType(outer.header())), *worker_key_)) {
      sockets_.front().StopSteering();
    }
  }
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
  const std::optional<uint8_t> worker_key_;  // core/quic/connection_id.h
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
  explicit SystemBinder(const quic::EndpointKeys* quic_keys) {
    if (quic_keys == nullptr) return;
    SecretBytes<quic::EndpointKeys::kResetKeySize> key;
    quic_keys->CopyResetKey(key.span());
    worker_key_ = quic::WorkerKeyByte(key.view());
  }

  absl::StatusOr<std::unique_ptr<BoundListener>> Bind(const v1::ListenerSpec& spec, size_t workers,
                                                      const std::string& field) override {
    absl::StatusOr<SocketAddress> address = SocketAddress::Parse(spec.bind());
    if (!address.ok()) return InvalidField(field, "is not ADDRESS:PORT with an IP address");
    if (spec.transport() != v1::TRANSPORT_TCP) {
      io::UdpSocketOptions options{.bind = *address, .socket = ToIoOptions(spec.socket())};
      // What plain UDP carries is not ours to cut.
      options.fragments = spec.transport() == v1::TRANSPORT_UDP;
      options.original_destination = spec.udp().original_destination();
      auto sockets = io::UdpSocket::BindGroup(options, workers);
      if (!sockets.ok()) return ErrorFromSocket(sockets.status(), field, spec.bind());
      auto listener = std::make_unique<UdpListener>(*std::move(sockets), worker_key_);
      listener->Steer(spec);
      return listener;
    }
    auto sockets = io::TcpListenSocket::BindGroup({*address, ToIoOptions(spec.socket())}, workers);
    if (!sockets.ok()) return ErrorFromSocket(sockets.status(), field, spec.bind());
    return std::make_unique<TcpListener>(*std::move(sockets));
  }

 private:
  std::optional<uint8_t> worker_key_;
};

}  // namespace

std::unique_ptr<SocketBinder> CreateSocketBinder(const quic::EndpointKeys* quic_keys) {
  return std::make_unique<SystemBinder>(quic_keys);
}

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
