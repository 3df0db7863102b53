// TcpSocket: a non-blocking TCP connection. Small writes go out at once (TCP_NODELAY), and keepalives notice a peer that is
// gone. No call raises SIGPIPE.
// Thread: confined to its owner; may be handed to another thread while nobody uses it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/time.h"
#include "core/io/file_descriptor.h"
#include "core/io/socket_options.h"

namespace culvert::io {

// What one read or write did.
struct TransferResult {
  enum class Status : uint8_t {
    kDone,        // `bytes` were moved, at least one; fewer than asked is no error
    kWouldBlock,  // wait for readiness
    kEnd,         // read: the peer finished sending
    kFailed,      // the connection is gone; error_number says why
  };
  Status status = Status::kWouldBlock;
  size_t bytes = 0;
  int error_number = 0;
};

// From the kernel (TCP_INFO).
struct TcpPathInfo {
  Duration smoothed_rtt{};
  Duration rttvar{};
  Duration min_rtt{};
  Duration rto{};
  std::string_view state;  // "ESTABLISHED", static storage
};

class TcpSocket {
 public:
  TcpSocket() = default;
  explicit TcpSocket(FileDescriptor fd) : fd_(std::move(fd)) {}  // a connected, non-blocking one

  // Begins to connect from `local` (no address: the system's choice). When the socket turns writable, FinishConnect says
  // what came of it. Errors: as SocketStatus, e.g. UNREACHABLE at once.
  static absl::StatusOr<TcpSocket> Connect(const SocketAddress& to, const IpAddress& local, const SocketOptions& options);
  // OK: connected. Errors: UNAVAILABLE with CONNECT_REFUSED, CONNECT_TIMEOUT or UNREACHABLE; "connect 10.0.0.1:80: ...".
  [[nodiscard]] absl::Status FinishConnect();

  [[nodiscard]] TransferResult Read(ByteSpan out);
  // One system call for at most kMaxViews views; later ones wait for the next call.
  [[nodiscard]] TransferResult Write(std::span<const ByteView> views);
  static constexpr size_t kMaxViews = 64;

  // Tells the peer that nothing more comes; what was written is delivered first.
  void ShutdownWrite();
  // Closes in order: the kernel goes on delivering what was written.
  void Close() { fd_.Close(); }
  // Closes with a reset: the peer sees an error, not an end. What was written may be lost.
  void Reset();

  // The connection becomes the caller's.
  [[nodiscard]] FileDescriptor Release() { return std::move(fd_); }

  [[nodiscard]] bool is_open() const { return fd_.is_open(); }
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] SocketAddress local_address() const;
  [[nodiscard]] SocketAddress peer_address() const;
  [[nodiscard]] std::optional<TcpPathInfo> PathInfo() const;

 private:
  FileDescriptor fd_;
  SocketAddress target_;  // of Connect
};

// TCP_NODELAY and keepalives, for accepted sockets as well.
void ConfigureStream(int fd);

}  // namespace culvert::io

#include "core/io/tcp_listen_socket.h"  // IWYU pragma: export
