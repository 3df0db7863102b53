#include "core/io/unix_listen_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "core/io/socket_status.h"

namespace culvert::io {
namespace {

constexpr int kBacklog = 128;
constexpr mode_t kMask = 0117;  // owner and group may connect

absl::StatusOr<PeerCredentials> CredentialsOf(int fd) {
  ucred raw{};
  socklen_t size = sizeof raw;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &raw, &size) != 0) return SocketStatus("SO_PEERCRED", errno);
  PeerCredentials peer{.uid = raw.uid, .gid = raw.gid, .groups = {}, .pid = raw.pid};
  constexpr size_t kMaxGroups = 1024;
  std::vector<gid_t> groups(kMaxGroups);
  size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
  if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0) {
    groups.resize(size / sizeof(gid_t));
    peer.groups.assign(groups.begin(), groups.end());
  } else if (errno != ENOPROTOOPT) {
    return SocketStatus("SO_PEERGROUPS", errno);  // not known as a whole: a group that is denied could be hidden
  }
  return peer;
}

}  // namespace

absl::StatusOr<UnixListenSocket> UnixListenSocket::Bind(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) return absl::InvalidArgumentError("no path of a Unix socket: " + path);
  path.copy(address.sun_path, path.size());
  FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return SocketStatus("socket for " + path, errno);
  // The mode is right from the first moment, not only after a chmod.
  const mode_t before = umask(kMask);
  const int bound = bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int error = errno;
  umask(before);
  if (bound != 0) return SocketStatus("bind " + path, error);
  if (listen(socket.get(), kBacklog) != 0) return SocketStatus("listen on " + path, errno);
  return UnixListenSocket(std::move(socket));
}

std::optional<UnixListenSocket::Accepted> UnixListenSocket::Accept(bool& is_out_of_files) {
  is_out_of_files = false;
  FileDescriptor socket(accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!socket.is_open()) {
    is_out_of_files = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
    return std::nullopt;
  }
  absl::StatusOr<PeerCredentials> peer = CredentialsOf(socket.get());
  if (!peer.ok()) return std::nullopt;
  return Accepted{std::move(socket), *std::move(peer)};
}

void Disconnect(const FileDescriptor& connection) { ::shutdown(connection.get(), SHUT_RDWR); }

}  // namespace culvert::io
