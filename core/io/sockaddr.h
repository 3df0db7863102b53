// SocketAddress to and from the kernel's form. For the .cc files of this folder.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "core/base/address.h"

namespace culvert::io {

union Sockaddr {
  sockaddr generic;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

// Fills `out` and returns its length. `as_v6`: for an AF_INET6 socket, where IPv4 is written in mapped form.
socklen_t ToSockaddr(const SocketAddress& address, bool as_v6, Sockaddr& out);
// An address of another family becomes an empty one.
SocketAddress FromSockaddr(const sockaddr* address);
// What getsockname (`peer` false) or getpeername says; empty when it fails.
SocketAddress AddressOf(int fd, bool peer);

}  // namespace culvert::io
