// Addresses as ngtcp2 wants them: sockaddr in its own storage. For .cc files of this folder.
#pragma once

#include <ngtcp2/ngtcp2.h>

#include <cstring>

#include "core/base/address.h"

namespace culvert::quic {

// A path whose addresses point into itself, so it does not move.
class PathStorage {
 public:
  PathStorage() { ngtcp2_path_storage_zero(&storage_); }
  PathStorage(const SocketAddress& local, const SocketAddress& remote) {
    ngtcp2_path_storage_zero(&storage_);
    Set(local, storage_.local_addrbuf, storage_.path.local);
    Set(remote, storage_.remote_addrbuf, storage_.path.remote);
  }
  PathStorage(const PathStorage&) = delete;
  PathStorage& operator=(const PathStorage&) = delete;

  ngtcp2_path* get() { return &storage_.path; }
  const ngtcp2_path* get() const { return &storage_.path; }
  const ngtcp2_addr& remote() const { return storage_.path.remote; }

 private:
  static void Set(const SocketAddress& from, ngtcp2_sockaddr_union& buffer, ngtcp2_addr& to) {
    // Whole structures, zeros included: ngtcp2 compares addresses by fields, tokens by bytes.
    std::memset(&buffer, 0, sizeof buffer);
    if (from.ip.is_v6()) {
      buffer.in6.sin6_family = NGTCP2_AF_INET6;
      buffer.in6.sin6_port = __builtin_bswap16(from.port);
      std::memcpy(&buffer.in6.sin6_addr, from.ip.bytes().data(), 16);
      to.addrlen = sizeof buffer.in6;
    } else {
      buffer.in.sin_family = NGTCP2_AF_INET;
      buffer.in.sin_port = __builtin_bswap16(from.port);
      std::memcpy(&buffer.in.sin_addr, from.ip.bytes().data(), 4);
      to.addrlen = sizeof buffer.in;
    }
    to.addr = &buffer.sa;
  }

  ngtcp2_path_storage storage_;
};

inline SocketAddress ToSocketAddress(const ngtcp2_addr& from) {
  SocketAddress to;
  if (from.addr == nullptr) return to;
  if (from.addr->sa_family == NGTCP2_AF_INET6) {
    ngtcp2_sockaddr_in6 in6;
    std::memcpy(&in6, from.addr, sizeof in6);
    std::array<uint8_t, 16> bytes;
    std::memcpy(bytes.data(), &in6.sin6_addr, 16);
    to = {IpAddress::V6(bytes), __builtin_bswap16(in6.sin6_port)};
  } else {
    ngtcp2_sockaddr_in in;
    std::memcpy(&in, from.addr, sizeof in);
    std::array<uint8_t, 4> bytes;
    std::memcpy(bytes.data(), &in.sin_addr, 4);
    to = {IpAddress::V4(bytes), __builtin_bswap16(in.sin_port)};
  }
  return to;
}

}  // namespace culvert::quic
