#include "core/io/route_watch.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "core/io/socket_status.h"

namespace culvert::io {
namespace {

constexpr int kMaxMessages = 256;  // of one call; the others make the descriptor readable again

}  // namespace

absl::StatusOr<RouteWatch> RouteWatch::Open() {
  FileDescriptor socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!socket.is_open()) {
    if (errno == EMFILE || errno == ENFILE) return SocketStatus("open a netlink socket", errno);
    return absl::UnavailableError(absl::StrCat("open a netlink socket: ", ErrorText(errno)));
  }
  sockaddr_nl groups{};
  groups.nl_family = AF_NETLINK;
  groups.nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&groups), sizeof groups) != 0) {
    return absl::UnavailableError(absl::StrCat("listen for changes of routes: ", ErrorText(errno)));
  }
  return RouteWatch(std::move(socket));
}

bool RouteWatch::TakeChanges() {
  bool changed = false;
  std::array<uint8_t, 8192> buffer;  // cut messages tell as much as whole ones
  for (int i = 0; i < kMaxMessages; ++i) {
    const ssize_t size = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT | MSG_TRUNC);
    if (size < 0 && errno == EINTR) continue;
    // ENOBUFS: more happened than the kernel kept for us.
    if (size < 0 && errno != ENOBUFS) break;
    changed = true;
  }
  return changed;
}

}  // namespace culvert::io
