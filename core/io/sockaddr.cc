#include "core/io/sockaddr.h"

#include <arpa/inet.h>

#include <array>
#include <cstring>

namespace culvert::io {

socklen_t ToSockaddr(const SocketAddress& address, bool as_v6, Sockaddr& out) {
  if (!as_v6) {
    out.v4 = sockaddr_in{};
    out.v4.sin_family = AF_INET;
    out.v4.sin_port = htons(address.port);
    std::memcpy(&out.v4.sin_addr, address.ip.bytes().data(), 4);
    return sizeof out.v4;
  }
  out.v6 = sockaddr_in6{};
  out.v6.sin6_family = AF_INET6;
  out.v6.sin6_port = htons(address.port);
  uint8_t* bytes = out.v6.sin6_addr.s6_addr;
  if (address.ip.is_v4()) {
    bytes[10] = bytes[11] = 0xff;
    std::memcpy(bytes + 12, address.ip.bytes().data(), 4);
  } else {
    std::memcpy(bytes, address.ip.bytes().data(), 16);
  }
  return sizeof out.v6;
}

SocketAddress FromSockaddr(const sockaddr* address) {
  // Copied, because the caller's storage may not be aligned for the type behind it.
  if (address->sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, address, sizeof v4);
    std::array<uint8_t, 4> bytes;
    std::memcpy(bytes.data(), &v4.sin_addr, bytes.size());
    return {IpAddress::V4(bytes), ntohs(v4.sin_port)};
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, address, sizeof v6);
    std::array<uint8_t, 16> bytes;
    std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
    return {IpAddress::V6(bytes), ntohs(v6.sin6_port)};
  }
  return {};
}

SocketAddress AddressOf(int fd, bool peer) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* generic = reinterpret_cast<sockaddr*>(&storage);
  const int result = peer ? getpeername(fd, generic, &size) : getsockname(fd, generic, &size);
  return result == 0 ? FromSockaddr(generic) : SocketAddress{};
}

}  // namespace culvert::io
