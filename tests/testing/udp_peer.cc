#include "tests/testing/udp_peer.h"

#include <poll.h>
#include <sys/socket.h>

#include "core/base/check.h"
#include "tests/testing/sockaddr.h"

namespace culvert::testing {

UdpPeer::UdpPeer(const IpAddress& ip, uint16_t port) : fd_(socket(ip.is_v6() ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  CULVERT_CHECK(fd_.get() >= 0);
  const int buffer = 4 << 20;
  setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  const RawAddress raw = ToRaw({ip, port});
  CULVERT_CHECK(bind(fd_.get(), raw.get(), raw.size) == 0);
  local_ = LocalAddressOf(fd_.get());
}

bool UdpPeer::SendTo(const SocketAddress& to, ByteView bytes) {
  const RawAddress raw = ToRaw(to);
  return sendto(fd_.get(), bytes.data(), bytes.size(), 0, raw.get(), raw.size) == static_cast<ssize_t>(bytes.size());
}

std::optional<UdpPeer::Received> UdpPeer::Receive(Duration limit) {
  pollfd ready{fd_.get(), POLLIN, 0};
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(limit).count();
  if (poll(&ready, 1, static_cast<int>(milliseconds)) <= 0) return std::nullopt;
  Received received;
  received.bytes.resize(65'536);
  RawAddress raw;
  const ssize_t size = recvfrom(fd_.get(), received.bytes.data(), received.bytes.size(), 0, raw.get(), &raw.size);
  if (size < 0) return std::nullopt;
  received.bytes.resize(static_cast<size_t>(size));
  received.from = FromRaw(raw);
  return received;
}

}  // namespace culvert::testing
