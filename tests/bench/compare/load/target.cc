#include "tests/bench/compare/load/target.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <optional>

#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"
#include "tests/bench/compare/load/pattern.h"
#include "tests/testing/netns.h"
#include "tests/testing/sockaddr.h"

namespace culvert::bench {
namespace {

constexpr size_t kMostUnsentEcho = 1024 * 1024;

}  // namespace

absl::StatusOr<std::unique_ptr<Target>> Target::Start(const std::string& netns) {
  std::optional<testing::NetnsVisit> visit;
  if (!netns.empty()) {
    CULVERT_ASSIGN_OR_RETURN(visit, testing::NetnsVisit::Enter(netns));
  }
  testing::UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const testing::RawAddress raw = testing::ToRaw({netns.empty() ? IpAddress::LoopbackV4() : IpAddress::AnyV4(), 0});
  if (!fd.is_open() || bind(fd.get(), raw.get(), raw.size) != 0 || listen(fd.get(), 4096) != 0) {
    return absl::InternalError(absl::StrFormat("listen: %s", strerror(errno)));
  }
  const uint16_t port = testing::LocalAddressOf(fd.get()).port;
  return std::unique_ptr<Target>(new Target(std::move(fd), port));
}

Target::Target(testing::UniqueFd listener, uint16_t port)
    : listener_(std::move(listener)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      stop_(eventfd(0, EFD_CLOEXEC)),
      port_(port),
      buffer_(kChunkBytes),
      thread_([this] { Loop(); }) {}

Target::~Target() {
  (void)eventfd_write(stop_.get(), 1);
  thread_.join();
}

void Target::Loop() {
  for (const int fd : {listener_.get(), stop_.get()}) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    (void)epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
  }
  epoll_event events[64];
  for (;;) {
    const int count = epoll_wait(epoll_.get(), events, 64, -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd == stop_.get()) return;
      if (fd == listener_.get()) {
        Accept();
        continue;
      }
      const auto found = connections_.find(fd);
      if (found == connections_.end()) continue;
      bool goes_on = true;
      if ((events[i].events & ~static_cast<uint32_t>(EPOLLOUT)) != 0) goes_on = OnReadable(found->second);
      if (goes_on && (events[i].events & EPOLLOUT) != 0) goes_on = OnWritable(found->second);
      if (!goes_on) connections_.erase(found);
    }
  }
}

void Target::Accept() {
  for (;;) {
    testing::UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd.is_open()) return;
    const int on = 1;
    (void)setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const int number = fd.get();
    connections_[number].fd = std::move(fd);
    epoll_event event{.events = EPOLLIN, .data = {.fd = number}};
    (void)epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, number, &event);
  }
}

void Target::Watch(Connection& connection, bool wants_write) {
  if (connection.wants_write == wants_write) return;
  connection.wants_write = wants_write;
  epoll_event event{.events = wants_write ? EPOLLIN | EPOLLOUT : EPOLLIN, .data = {.fd = connection.fd.get()}};
  (void)epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, connection.fd.get(), &event);
}

bool Target::OnReadable(Connection& connection) {
  const ssize_t size = recv(connection.fd.get(), buffer_.data(), buffer_.size(), 0);
  if (size < 0) return errno == EAGAIN || errno == EINTR;
  if (size == 0) return false;
  ByteView bytes(buffer_.data(), static_cast<size_t>(size));
  if (connection.mode == 0) {
    connection.mode = static_cast<char>(bytes[0]);
    if (connection.mode != 'E') bytes = bytes.subspan(1);
  }
  return Take(connection, bytes);
}

bool Target::Take(Connection& connection, ByteView bytes) {
  switch (connection.mode) {
    case 'S':
    case 'X':
      if (!IsPattern(connection.in, bytes)) {
        ++corrupted_;
        return false;
      }
      connection.in += bytes.size();
      if (connection.mode == 'S') {
        received_ += bytes.size();
      } else if (connection.in == kCrowdBytes) {
        return OnWritable(connection);
      }
      return connection.mode == 'S' || connection.in <= kCrowdBytes;
    case 'G':
      return OnWritable(connection);
    case 'E':
      connection.echo.insert(connection.echo.end(), bytes.begin(), bytes.end());
      return connection.echo.size() <= kMostUnsentEcho && OnWritable(connection);
    default:
      ++corrupted_;
      return false;
  }
}

bool Target::OnWritable(Connection& connection) {
  ByteView bytes = connection.echo;
  if (connection.mode == 'G') bytes = PatternAt(connection.out, kChunkBytes);
  if (connection.mode == 'X') bytes = PatternAt(connection.out, kCrowdBytes - connection.out);
  if (!bytes.empty()) {
    const ssize_t size = send(connection.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size < 0 && errno != EAGAIN && errno != EINTR) return false;
    const size_t sent = size < 0 ? 0 : static_cast<size_t>(size);
    if (connection.mode == 'E') {
      connection.echo.erase(connection.echo.begin(), connection.echo.begin() + static_cast<std::ptrdiff_t>(sent));
    }
    connection.out += sent;
    bytes = bytes.subspan(sent);
  }
  Watch(connection, connection.mode == 'G' || !bytes.empty());
  return true;
}

}  // namespace culvert::bench
