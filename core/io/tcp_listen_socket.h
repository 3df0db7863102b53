// TcpListenSocket: a bound, listening, non-blocking TCP socket.
// Thread: confined to its owner; may be handed to another thread while nobody uses it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/address.h"
#include "core/io/file_descriptor.h"
#include "core/io/socket_options.h"

namespace culvert::io {

class TcpSocket;

struct TcpListenOptions {
  SocketAddress bind;  // [::] takes IPv4 as well; port 0: the system's choice
  SocketOptions socket;
};

class TcpListenSocket {
 public:
  enum class AcceptResult : uint8_t {
    kAccepted,
    kNone,            // wait until readable
    kFailed,          // one connection died before we took it: try again
    kOutOfResources,  // no descriptor or memory left: try again later, not at once, as the socket stays readable
  };

  TcpListenSocket() = default;

  // Alone on its port. Errors: those of OpenSocket and BindSocket (socket_options.h).
  static absl::StatusOr<TcpListenSocket> Bind(const TcpListenOptions& options);
  // `count` sockets on one port, between which the kernel spreads connections; see UdpSocket::BindGroup.
  static absl::StatusOr<std::vector<TcpListenSocket>> BindGroup(const TcpListenOptions& options, size_t count);
  // Another handle on the same socket; see UdpSocket::Duplicate.
  [[nodiscard]] absl::StatusOr<TcpListenSocket> Duplicate() const;

  // kAccepted: `connection` is set up as a stream and `peer` is its address.
  [[nodiscard]] AcceptResult Accept(TcpSocket& connection, SocketAddress& peer);

  [[nodiscard]] bool is_open() const { return fd_.is_open(); }
  [[nodiscard]] int fd() const { return fd_.get(); }
  // The address bound, with its real port.
  [[nodiscard]] const SocketAddress& local_address() const { return local_; }
  void Close() { fd_.Close(); }

 private:
  static absl::StatusOr<TcpListenSocket> Open(const TcpListenOptions& options, bool joins_group);
  [[nodiscard]] absl::Status Listen();

  FileDescriptor fd_;
  SocketAddress local_;
};

}  // namespace culvert::io
