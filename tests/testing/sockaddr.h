// SocketAddress to and from the system's form, for the test programs.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "core/base/address.h"

namespace culvert::testing {

struct RawAddress {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

inline RawAddress ToRaw(const SocketAddress& address) {
  RawAddress raw;
  if (address.ip.is_v6()) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(address.port);
    std::memcpy(&v6.sin6_addr, address.ip.bytes().data(), 16);
    std::memcpy(&raw.storage, &v6, sizeof v6);
    raw.size = sizeof v6;
  } else {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port);
    std::memcpy(&v4.sin_addr, address.ip.bytes().data(), 4);
    std::memcpy(&raw.storage, &v4, sizeof v4);
    raw.size = sizeof v4;
  }
  return raw;
}

inline SocketAddress FromRaw(const RawAddress& raw) {
  SocketAddress address;
  if (raw.storage.ss_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &raw.storage, sizeof v6);
    std::array<uint8_t, 16> bytes;
    std::memcpy(bytes.data(), &v6.sin6_addr, 16);
    address.ip = IpAddress::V6(bytes);
    address.port = ntohs(v6.sin6_port);
  } else {
    sockaddr_in v4;
    std::memcpy(&v4, &raw.storage, sizeof v4);
    std::array<uint8_t, 4> bytes;
    std::memcpy(bytes.data(), &v4.sin_addr, 4);
    address.ip = IpAddress::V4(bytes);
    address.port = ntohs(v4.sin_port);
  }
  return address;
}

// The address a socket is bound to.
inline SocketAddress LocalAddressOf(int fd) {
  RawAddress raw;
  getsockname(fd, raw.get(), &raw.size);
  return FromRaw(raw);
}

}  // namespace culvert::testing
