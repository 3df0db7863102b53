#include "core/io/tcp_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/io/sockaddr.h"
#include "core/io/socket_status.h"

namespace culvert::io {
namespace {

// A peer that vanished is noticed after 60 + 4 * 15 seconds of silence.
constexpr int kKeepaliveIdleSeconds = 60;
constexpr int kKeepaliveIntervalSeconds = 15;
constexpr int kKeepaliveProbes = 4;

TransferResult Failed(int error_number) {
  if (error_number == EAGAIN || error_number == EWOULDBLOCK) return {};
  return {TransferResult::Status::kFailed, 0, error_number};
}

std::string_view StateName(uint8_t state) {
  static constexpr std::array<std::string_view, 13> kNames = {  // enum of <netinet/tcp.h>
      "UNKNOWN", "ESTABLISHED", "SYN_SENT",   "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT",
      "CLOSE",   "CLOSE_WAIT",  "LAST_ACK",   "LISTEN",   "CLOSING",   "SYN_RECV"};
  return kNames[state < kNames.size() ? state : 0];
}

}  // namespace

void ConfigureStream(int fd) {
  SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  SetOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepaliveIdleSeconds);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepaliveIntervalSeconds);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepaliveProbes);
}

absl::StatusOr<TcpSocket> TcpSocket::Connect(const SocketAddress& to, const IpAddress& local,
                                             const SocketOptions& options) {
  TcpSocket socket;
  CULVERT_ASSIGN_OR_RETURN(socket.fd_, OpenSocket(to.ip, SOCK_STREAM, options));
  const int fd = socket.fd();
  socket.target_ = to;
  RequestBuffers(fd, options.receive_buffer_bytes, options.send_buffer_bytes);
  ConfigureStream(fd);
  if (local.family() != IpAddress::Family::kNone) {
    if (local.family() != to.ip.family()) return SocketStatus(absl::StrCat("bind ", local.ToString()), EAFNOSUPPORT);
    SetOption(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);  // the port is chosen with the target: more of them are free
    CULVERT_RETURN_IF_ERROR(BindSocket(fd, {local, 0}));
  }
  Sockaddr address;
  const socklen_t size = ToSockaddr(to, to.ip.is_v6(), address);
  if (::connect(fd, &address.generic, size) != 0 && errno != EINPROGRESS && errno != EINTR) {
    return SocketStatus(absl::StrCat("connect ", to.ToString()), errno);
  }
  return socket;
}

absl::Status TcpSocket::FinishConnect() {
  const int error_number = GetOption(fd(), SOL_SOCKET, SO_ERROR);
  if (error_number == 0) return absl::OkStatus();
  return SocketStatus(absl::StrCat("connect ", target_.ToString()), error_number > 0 ? error_number : EIO);
}

TransferResult TcpSocket::Read(ByteSpan out) {
  ssize_t bytes = 0;
  do {
    bytes = ::recv(fd(), out.data(), out.size(), MSG_DONTWAIT);
  } while (bytes < 0 && errno == EINTR);
  if (bytes > 0) return {TransferResult::Status::kDone, static_cast<size_t>(bytes), 0};
  if (bytes == 0) return {TransferResult::Status::kEnd, 0, 0};
  return Failed(errno);
}

TransferResult TcpSocket::Write(std::span<const ByteView> views) {
  std::array<iovec, kMaxViews> vectors;
  const size_t count = std::min(views.size(), kMaxViews);
  for (size_t i = 0; i < count; ++i) {
    vectors[i] = {const_cast<uint8_t*>(views[i].data()), views[i].size()};  // sendmsg only reads it
  }
  msghdr message{};
  message.msg_iov = vectors.data();
  message.msg_iovlen = count;
  ssize_t bytes = 0;
  do {
    bytes = ::sendmsg(fd(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (bytes < 0 && errno == EINTR);
  if (bytes >= 0) return {TransferResult::Status::kDone, static_cast<size_t>(bytes), 0};
  return Failed(errno);
}

void TcpSocket::ShutdownWrite() { ::shutdown(fd(), SHUT_WR); }

void TcpSocket::Reset() {
  if (!is_open()) return;
  const linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  Close();
}

SocketAddress TcpSocket::local_address() const { return AddressOf(fd(), /*peer=*/false); }
SocketAddress TcpSocket::peer_address() const { return AddressOf(fd(), /*peer=*/true); }

std::optional<TcpPathInfo> TcpSocket::PathInfo() const {
  // The kernel's structure has grown beyond glibc's; its later part holds the minimum.
  struct Info {
    tcp_info base;
    uint64_t pacing_rate, max_pacing_rate, bytes_acked, bytes_received;
    uint32_t segs_out, segs_in, notsent_bytes, min_rtt;
  } info{};
  socklen_t size = sizeof info;
  if (getsockopt(fd(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
  using std::chrono::microseconds;
  TcpPathInfo path;
  path.smoothed_rtt = microseconds(info.base.tcpi_rtt);
  path.rttvar = microseconds(info.base.tcpi_rttvar);
  path.rto = microseconds(info.base.tcpi_rto);
  const bool has_min_rtt = size >= offsetof(Info, min_rtt) + sizeof info.min_rtt && info.min_rtt != UINT32_MAX;
  if (has_min_rtt) path.min_rtt = microseconds(info.min_rtt);
  path.state = StateName(info.base.tcpi_state);
  return path;
}

}  // namespace culvert::io
