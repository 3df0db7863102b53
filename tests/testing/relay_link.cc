#include "tests/testing/relay_link.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "tests/testing/delay_line.h"
#include "tests/testing/sockaddr.h"

namespace culvert::testing {
namespace {

constexpr int kReadBudget = 256;
constexpr int kWriteBudget = 512;
constexpr int kSocketBufferBytes = 8 << 20;
constexpr size_t kMaxDatagramBytes = 65'536;

size_t HeaderBytes(const SocketAddress& address) { return address.ip.is_v6() ? 48 : 28; }

absl::StatusOr<UniqueFd> OpenUdp(const SocketAddress& local, const SocketAddress* peer) {
  UniqueFd fd(socket(local.ip.is_v6() ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return absl::InternalError(absl::StrFormat("socket: %s", strerror(errno)));
  // Root may exceed the system's limit; others get what it allows.
  for (const auto& [forced, plain] : {std::pair(SO_RCVBUFFORCE, SO_RCVBUF), std::pair(SO_SNDBUFFORCE, SO_SNDBUF)}) {
    if (setsockopt(fd.get(), SOL_SOCKET, forced, &kSocketBufferBytes, sizeof kSocketBufferBytes) != 0) {
      (void)setsockopt(fd.get(), SOL_SOCKET, plain, &kSocketBufferBytes, sizeof kSocketBufferBytes);
    }
  }
  const RawAddress raw = ToRaw(local);
  if (bind(fd.get(), raw.get(), raw.size) != 0) {
    return absl::InternalError(absl::StrFormat("bind %s: %s", local.ToString(), strerror(errno)));
  }
  if (peer != nullptr) {
    const RawAddress to = ToRaw(*peer);
    if (connect(fd.get(), to.get(), to.size) != 0) {
      return absl::InternalError(absl::StrFormat("connect %s: %s", peer->ToString(), strerror(errno)));
    }
  }
  return fd;
}

// The running relay: clients are numbered in the order they came; the number is the tag of their datagrams.
class Relay {
 public:
  Relay(int socket, const SocketAddress& target, const LinkPair& links)
      : socket_(socket), target_(target), up_(links.up), down_(links.down) {}

  LinkReport Run(int stop_fd) {
    std::vector<pollfd> fds;
    for (;;) {
      fds.assign({{stop_fd, POLLIN, 0}, {socket_, POLLIN, 0}});
      for (const Client& client : clients_) fds.push_back({client.fd.get(), POLLIN, 0});
      const TimePoint next =
          std::min(up_.NextDelivery().value_or(kInfiniteFuture), down_.NextDelivery().value_or(kInfiniteFuture));
      const timespec wait = TimeUntil(next, MonotonicNow());
      if (ppoll(fds.data(), fds.size(), next == kInfiniteFuture ? nullptr : &wait, nullptr) < 0) continue;
      if (fds[0].revents != 0) break;
      for (size_t i = 2; i < fds.size(); ++i) {
        if (fds[i].revents != 0) ReadAnswers(i - 2);
      }
      if (fds[1].revents != 0) ReadClients();
      Deliver();
    }
    report_.up = up_.counters();
    report_.down = down_.counters();
    return report_;
  }

 private:
  struct Client {
    RawAddress address;
    UniqueFd fd;
  };

  void ReadClients() {
    for (int i = 0; i < kReadBudget; ++i) {
      RawAddress from;
      const ssize_t size = recvfrom(socket_, buffer_.data(), buffer_.size(), 0, from.get(), &from.size);
      if (size < 0) return;
      const int client = FindOrAdd(from);
      if (client < 0) {
        ++report_.refused;
        continue;
      }
      up_.Push(MonotonicNow(), ByteView(buffer_.data(), static_cast<size_t>(size)), HeaderBytes(target_),
               static_cast<uint64_t>(client));
    }
  }

  void ReadAnswers(size_t client) {
    for (int i = 0; i < kReadBudget; ++i) {
      // An error here is an ICMP answer for an earlier datagram: a wire would not show it either.
      const ssize_t size = recv(clients_[client].fd.get(), buffer_.data(), buffer_.size(), 0);
      if (size < 0) return;
      down_.Push(MonotonicNow(), ByteView(buffer_.data(), static_cast<size_t>(size)), HeaderBytes(target_), client);
    }
  }

  int FindOrAdd(const RawAddress& from) {
    const std::string key = FromRaw(from).ToString();
    if (const auto found = numbers_.find(key); found != numbers_.end()) return found->second;
    if (clients_.size() >= RelayLink::kMaxClients) return -1;
    const SocketAddress any{target_.ip.is_v6() ? IpAddress::AnyV6() : IpAddress::AnyV4(), 0};
    absl::StatusOr<UniqueFd> fd = OpenUdp(any, &target_);
    if (!fd.ok()) return -1;
    clients_.push_back({from, *std::move(fd)});
    return numbers_[key] = static_cast<int>(clients_.size() - 1);
  }

  void Deliver() {
    const TimePoint now = MonotonicNow();
    for (int i = 0; i < kWriteBudget; ++i) {
      const std::optional<DelayLine::Arrived> up = up_.Pop(now);
      if (up && send(clients_[up->tag].fd.get(), up->packet.data(), up->packet.size(), 0) < 0) ++report_.refused;
      const std::optional<DelayLine::Arrived> down = down_.Pop(now);
      if (down) {
        const RawAddress& to = clients_[down->tag].address;
        if (sendto(socket_, down->packet.data(), down->packet.size(), 0, to.get(), to.size) < 0) ++report_.refused;
      }
      if (!up && !down) return;
    }
  }

  int socket_;
  SocketAddress target_;
  DelayLine up_;
  DelayLine down_;
  std::vector<Client> clients_;
  std::map<std::string, int> numbers_;
  std::vector<uint8_t> buffer_ = std::vector<uint8_t>(kMaxDatagramBytes);
  LinkReport report_;
};

}  // namespace

absl::StatusOr<RelayLink> RelayLink::Create(const SocketAddress& listen, const SocketAddress& target) {
  absl::StatusOr<UniqueFd> fd = OpenUdp(listen, nullptr);
  if (!fd.ok()) return fd.status();
  const SocketAddress address = LocalAddressOf(fd->get());
  return RelayLink(*std::move(fd), address, target);
}

LinkReport RelayLink::Run(const LinkPair& links, int stop_fd) {
  return Relay(socket_.get(), target_, links).Run(stop_fd);
}

}  // namespace culvert::testing
