#include "core/io/source_address.h"

#include <sys/socket.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/io/sockaddr.h"
#include "core/io/socket_status.h"

namespace culvert::io {

absl::StatusOr<IpAddress> SourceAddressTo(const SocketAddress& peer, const SocketOptions& options) {
  // Connecting a UDP socket is a question to the routing table and nothing more.
  CULVERT_ASSIGN_OR_RETURN(const FileDescriptor socket, OpenSocket(peer.ip, SOCK_DGRAM, options));
  Sockaddr to;
  const socklen_t size = ToSockaddr(peer, peer.ip.is_v6(), to);
  if (::connect(socket.get(), &to.generic, size) != 0) {
    return SocketStatus(absl::StrCat("find a way to ", peer.ToString()), errno);
  }
  return AddressOf(socket.get(), /*peer=*/false).ip;
}

}  // namespace culvert::io
