#include "cli/target/address.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/text/escape.h"
#include "core/base/address.h"
#include "core/base/status_macros.h"

namespace culvert::cli {
namespace {

constexpr char kSystemSocket[] = "/run/culvertd/control.sock";
constexpr size_t kMaxShown = 200;

absl::StatusOr<std::string> PathOf(const std::string& address, const std::string& origin) {
  std::string path = address.substr(5);
  if (absl::StartsWith(path, "//")) path = path.substr(2);  // unix:///run/... is the same place
  if (path.empty()) return absl::InvalidArgumentError(origin + ": unix: needs a path");
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return absl::InvalidArgumentError(absl::StrFormat("%s: a socket path has at most %d bytes, this one %d", origin,
                                                      sizeof(sockaddr_un::sun_path) - 1, path.size()));
  }
  return path;
}

// 0, or the errno of the attempt.
int TryConnect(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  const int result = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
  ::close(fd);
  return result;
}

}  // namespace

absl::StatusOr<Address> ParseAddress(const std::string& text, const std::string& origin) {
  Address address;
  if (absl::StartsWith(text, "unix:")) {
    CULVERT_ASSIGN_OR_RETURN(address.socket_path, PathOf(text, origin));
    return address;
  }
  const std::string shown = Visible(text.substr(0, kMaxShown));
  if (absl::StartsWith(text, "/") || absl::StartsWith(text, "./")) {
    return absl::InvalidArgumentError(absl::StrFormat("%s: \"%s\" is a path: write unix:%s", origin, shown, shown));
  }
  const auto host_port = HostPort::Parse(text);
  if (!host_port.ok()) {
    return absl::InvalidArgumentError(absl::StrFormat("%s: \"%s\" is neither unix:PATH nor HOST:PORT", origin, shown));
  }
  address.host_port = host_port->ToString();
  return address;
}

std::vector<std::string> DefaultSocketPaths(const Environment& environment) {
  std::vector<std::string> paths = {kSystemSocket};
  if (const auto runtime = environment.get("XDG_RUNTIME_DIR"); runtime && !runtime->empty()) {
    const auto own = PathOf("unix:" + *runtime + "/culvertd/control.sock", "XDG_RUNTIME_DIR");
    if (own.ok()) paths.insert(environment.user_id == 0 ? paths.end() : paths.begin(), *own);
  }
  return paths;
}

absl::StatusOr<std::string> WaitForSocket(const std::vector<std::string>& paths, Duration patience) {
  constexpr int kPauseMs = 50;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    std::vector<std::string> reasons;
    for (const std::string& path : paths) {
      const int error = TryConnect(path);
      if (error == 0) return path;
      reasons.push_back(absl::StrFormat("unix:%s: %s", Visible(path), std::strerror(error)));
      if (error == EACCES || error == EPERM) return absl::PermissionDeniedError(reasons.back());
    }
    if (std::chrono::steady_clock::now() >= deadline) return absl::UnavailableError(absl::StrJoin(reasons, "; "));
    ::poll(nullptr, 0, kPauseMs);
  }
}

}  // namespace culvert::cli
