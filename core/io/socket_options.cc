#include "core/io/socket_options.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/io/sockaddr.h"
#include "core/io/socket_status.h"

namespace culvert::io {

bool SetOption(int fd, int level, int name, int value) { return setsockopt(fd, level, name, &value, sizeof value) == 0; }

int GetOption(int fd, int level, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  return getsockopt(fd, level, name, &value, &size) == 0 ? value : -1;
}

absl::StatusOr<FileDescriptor> OpenSocket(const IpAddress& local, int type, const SocketOptions& options) {
  const int family = local.is_v6() ? AF_INET6 : AF_INET;
  FileDescriptor socket(::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return SocketStatus(family == AF_INET6 ? "open an IPv6 socket" : "open an IPv4 socket", errno);
  const int fd = socket.get();

  if (family == AF_INET6 && !SetOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, local.is_unspecified() ? 0 : 1)) {
    return SocketStatus("set IPV6_V6ONLY", errno);
  }
  if (!options.interface.empty() && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, options.interface.c_str(),
                                               static_cast<socklen_t>(options.interface.size())) != 0) {
    return SocketStatus(absl::StrCat("use interface ", options.interface), errno);
  }
  if (options.mark != 0 && !SetOption(fd, SOL_SOCKET, SO_MARK, static_cast<int>(options.mark))) {
    return SocketStatus(absl::StrCat("set mark ", options.mark), errno);
  }
  if (options.dscp != 0) {
    const int traffic_class = options.dscp << 2;  // RFC 2474: the upper six bits
    if (family == AF_INET6 && !SetOption(fd, IPPROTO_IPV6, IPV6_TCLASS, traffic_class)) {
      return SocketStatus(absl::StrCat("set DSCP ", options.dscp), errno);
    }
    // On a dual-stack socket this one governs the IPv4 half.
    if (!SetOption(fd, IPPROTO_IP, IP_TOS, traffic_class) && family == AF_INET) {
      return SocketStatus(absl::StrCat("set DSCP ", options.dscp), errno);
    }
  }
  return socket;
}

void RequestBuffers(int fd, uint64_t receive_bytes, uint64_t send_bytes) {
  const auto request = [fd](uint64_t bytes, int forced, int plain) {
    if (bytes == 0) return;
    const int value = static_cast<int>(std::min<uint64_t>(bytes, INT_MAX / 2));  // the kernel doubles it
    if (!SetOption(fd, SOL_SOCKET, forced, value)) SetOption(fd, SOL_SOCKET, plain, value);
  };
  request(receive_bytes, SO_RCVBUFFORCE, SO_RCVBUF);
  request(send_bytes, SO_SNDBUFFORCE, SO_SNDBUF);
}

absl::Status BindSocket(int fd, const SocketAddress& local) {
  Sockaddr address;
  const socklen_t size = ToSockaddr(local, local.ip.is_v6(), address);
  if (::bind(fd, &address.generic, size) == 0) return absl::OkStatus();
  return SocketStatus(absl::StrCat("bind ", local.ToString()), errno);
}

absl::Status AllowSharedPort(int fd) {
  if (SetOption(fd, SOL_SOCKET, SO_REUSEPORT, 1)) return absl::OkStatus();
  return SocketStatus("set SO_REUSEPORT", errno);
}

}  // namespace culvert::io
