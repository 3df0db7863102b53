#include "core/io/tcp_listen_socket.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/io/sockaddr.h"
#include "core/io/socket_status.h"
#include "core/io/tcp_socket.h"

namespace culvert::io {
namespace {

constexpr int kBacklog = 4096;  // the kernel cuts it to net.core.somaxconn

}  // namespace

absl::StatusOr<TcpListenSocket> TcpListenSocket::Open(const TcpListenOptions& options, bool joins_group) {
  TcpListenSocket socket;
  CULVERT_ASSIGN_OR_RETURN(socket.fd_, OpenSocket(options.bind.ip, SOCK_STREAM, options.socket));
  const int fd = socket.fd();
  // Connections of a former run in TIME_WAIT do not hold the port; a listener does, SO_REUSEADDR or not.
  SetOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  RequestBuffers(fd, options.socket.receive_buffer_bytes, options.socket.send_buffer_bytes);
  if (joins_group) CULVERT_RETURN_IF_ERROR(AllowSharedPort(fd));
  CULVERT_RETURN_IF_ERROR(BindSocket(fd, options.bind));
  socket.local_ = AddressOf(fd, /*peer=*/false);
  return socket;
}

absl::Status TcpListenSocket::Listen() {
  // Two sockets that both set SO_REUSEADDR may bind one port; the second to listen is told here.
  if (::listen(fd(), kBacklog) == 0) return absl::OkStatus();
  return SocketStatus(absl::StrCat("bind ", local_.ToString()), errno);
}

absl::StatusOr<TcpListenSocket> TcpListenSocket::Bind(const TcpListenOptions& options) {
  CULVERT_ASSIGN_OR_RETURN(TcpListenSocket socket, Open(options, false));
  CULVERT_RETURN_IF_ERROR(socket.Listen());
  return socket;
}

absl::StatusOr<std::vector<TcpListenSocket>> TcpListenSocket::BindGroup(const TcpListenOptions& options, size_t count) {
  std::vector<TcpListenSocket> group;
  TcpListenOptions member = options;
  for (size_t i = 0; i < count; ++i) {
    // As with UDP, the first does not share its port until it has it.
    CULVERT_ASSIGN_OR_RETURN(TcpListenSocket socket, Open(member, /*joins_group=*/i > 0));
    if (i == 0 && count > 1) CULVERT_RETURN_IF_ERROR(AllowSharedPort(socket.fd()));
    member.bind.port = socket.local_.port;
    CULVERT_RETURN_IF_ERROR(socket.Listen());
    group.push_back(std::move(socket));
  }
  return group;
}

absl::StatusOr<TcpListenSocket> TcpListenSocket::Duplicate() const {
  TcpListenSocket copy;
  CULVERT_ASSIGN_OR_RETURN(copy.fd_, fd_.Duplicate());
  copy.local_ = local_;
  return copy;
}

TcpListenSocket::AcceptResult TcpListenSocket::Accept(TcpSocket& connection, SocketAddress& peer) {
  Sockaddr address{};
  socklen_t size = sizeof address;
  FileDescriptor accepted(accept4(fd(), &address.generic, &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (accepted.is_open()) {
    ConfigureStream(accepted.get());
    peer = FromSockaddr(&address.generic);
    connection = TcpSocket(std::move(accepted));
    return AcceptResult::kAccepted;
  }
  switch (errno) {
    case EAGAIN:
      return AcceptResult::kNone;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return AcceptResult::kOutOfResources;
    default:  // accept(2) hands on errors of the connection, which say nothing about the listener
      return AcceptResult::kFailed;
  }
}

}  // namespace culvert::io
