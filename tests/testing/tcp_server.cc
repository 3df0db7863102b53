#include "tests/testing/tcp_server.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "absl/strings/str_format.h"
#include "tests/testing/sockaddr.h"

namespace culvert::testing {

absl::StatusOr<std::unique_ptr<TcpServer>> TcpServer::Start(const SocketAddress& address, Handler handler) {
  const RawAddress raw = ToRaw(address);
  UniqueFd fd(socket(raw.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  (void)setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (!fd.is_open() || bind(fd.get(), raw.get(), raw.size) != 0 || listen(fd.get(), 1024) != 0) {
    return absl::InternalError(absl::StrFormat("listen %s: %s", address.ToString(), strerror(errno)));
  }
  const SocketAddress bound = LocalAddressOf(fd.get());
  return std::unique_ptr<TcpServer>(new TcpServer(std::move(fd), bound, std::move(handler)));
}

TcpServer::TcpServer(UniqueFd listener, const SocketAddress& address, Handler handler)
    : listener_(std::move(listener)),
      stop_(eventfd(0, EFD_CLOEXEC)),
      address_(address),
      handler_(std::move(handler)),
      acceptor_([this] { AcceptLoop(); }) {}

TcpServer::~TcpServer() {
  (void)eventfd_write(stop_.get(), 1);
  acceptor_.join();
  listener_.Reset();
  {
    const std::lock_guard lock(mutex_);
    for (Connection& connection : connections_) connection.stream.Shutdown();
  }
  for (Connection& connection : connections_) connection.thread.join();
}

void TcpServer::AcceptLoop() {
  for (;;) {
    pollfd fds[] = {{listener_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    if (poll(fds, 2, -1) < 0) continue;
    if (fds[1].revents != 0) return;
    UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd.is_open()) continue;
    Reap();
    const std::lock_guard lock(mutex_);
    if (connections_.size() >= kMaxConnections) continue;
    ++accepted_;
    ++active_;
    Connection& connection = connections_.emplace_back(std::move(fd));
    connection.thread = std::thread([this, &connection] {
      handler_(connection.stream);
      const std::lock_guard done_lock(mutex_);
      // Ends the connection for the peer now; the descriptor itself lives until the thread is joined.
      connection.stream.Shutdown();
      connection.done = true;
      --active_;
      changed_.notify_all();
    });
    changed_.notify_all();
  }
}

void TcpServer::Reap() {
  std::list<Connection> finished;
  {
    const std::lock_guard lock(mutex_);
    for (auto at = connections_.begin(); at != connections_.end();) {
      const auto next = std::next(at);
      if (at->done) finished.splice(finished.end(), connections_, at);
      at = next;
    }
  }
  for (Connection& connection : finished) connection.thread.join();
}

uint64_t TcpServer::accepted() const {
  const std::lock_guard lock(mutex_);
  return accepted_;
}

uint64_t TcpServer::active() const {
  const std::lock_guard lock(mutex_);
  return active_;
}

bool TcpServer::WaitForAccepted(uint64_t count, Duration limit) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, limit, [&] { return accepted_ >= count; });
}

bool TcpServer::WaitForActive(uint64_t count, Duration limit) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, limit, [&] { return active_ == count; });
}

}  // namespace culvert::testing
