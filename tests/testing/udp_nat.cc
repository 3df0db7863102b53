#include "tests/testing/udp_nat.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"
#include "tests/testing/sockaddr.h"

namespace culvert::testing {
namespace {

constexpr int kBudget = 256;
constexpr int kBufferBytes = 4 << 20;

absl::StatusOr<UniqueFd> Open(const SocketAddress& local) {
  UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const RawAddress raw = ToRaw(local);
  if (!fd.is_open() || bind(fd.get(), raw.get(), raw.size) != 0) {
    return absl::InternalError(absl::StrFormat("bind %s: %s", local.ToString(), strerror(errno)));
  }
  (void)setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &kBufferBytes, sizeof kBufferBytes);
  (void)setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &kBufferBytes, sizeof kBufferBytes);
  return fd;
}

}  // namespace

absl::StatusOr<UniqueFd> UdpNat::OpenOutside(uint8_t last_octet) {
  CULVERT_ASSIGN_OR_RETURN(UniqueFd fd, Open({IpAddress::V4({127, 0, 0, last_octet}), 0}));
  const RawAddress to = ToRaw(listener_);
  if (connect(fd.get(), to.get(), to.size) != 0) {
    return absl::InternalError(absl::StrFormat("connect %s: %s", listener_.ToString(), strerror(errno)));
  }
  return fd;
}

absl::StatusOr<std::unique_ptr<UdpNat>> UdpNat::Start(const SocketAddress& listener) {
  std::unique_ptr<UdpNat> nat(new UdpNat);
  nat->listener_ = listener;
  CULVERT_ASSIGN_OR_RETURN(nat->inside_, Open({IpAddress::LoopbackV4(), 0}));
  nat->address_ = LocalAddressOf(nat->inside_.get());
  CULVERT_ASSIGN_OR_RETURN(nat->outside_, nat->OpenOutside(1));
  nat->stop_ = UniqueFd(eventfd(0, EFD_CLOEXEC));
  nat->thread_ = std::thread([raw = nat.get()] { raw->Run(); });
  return nat;
}

UdpNat::~UdpNat() {
  if (!thread_.joinable()) return;
  (void)eventfd_write(stop_.get(), 1);
  thread_.join();
}

absl::Status UdpNat::Rebind(bool address) {
  CULVERT_ASSIGN_OR_RETURN(UniqueFd fd, OpenOutside(address ? next_octet_++ : 1));
  const std::lock_guard lock(mutex_);
  outside_ = std::move(fd);
  return absl::OkStatus();
}

void UdpNat::Run() {
  std::optional<RawAddress> dialer;
  std::vector<uint8_t> buffer(65'536);
  for (;;) {
    std::unique_lock lock(mutex_);
    std::array<pollfd, 3> fds{{{stop_.get(), POLLIN, 0}, {inside_.get(), POLLIN, 0}, {outside_.get(), POLLIN, 0}}};
    lock.unlock();
    // The outer socket may be replaced meanwhile, so a wait does not last.
    if (poll(fds.data(), fds.size(), 10) < 0 && errno != EINTR) return;
    if (fds[0].revents != 0) return;
    lock.lock();
    for (int i = 0; i < kBudget; ++i) {
      RawAddress from;
      const ssize_t size = recvfrom(inside_.get(), buffer.data(), buffer.size(), 0, from.get(), &from.size);
      if (size < 0) break;
      dialer = from;
      if (drops_) continue;
      ++forwarded_;
      (void)send(outside_.get(), buffer.data(), static_cast<size_t>(size), 0);
    }
    for (int i = 0; i < kBudget; ++i) {
      const ssize_t size = recv(outside_.get(), buffer.data(), buffer.size(), 0);
      if (size < 0) break;
      if (drops_ || !dialer) continue;
      ++forwarded_;
      (void)sendto(inside_.get(), buffer.data(), static_cast<size_t>(size), 0, dialer->get(), dialer->size);
    }
  }
}

}  // namespace culvert::testing
