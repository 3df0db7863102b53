// The emulated link for users without root: a UDP relay. Datagrams sent to its address come out at the target, from a
// socket of its own per client, and answers go back the same way.
// What differs from a wire: no TCP, and a sender's path MTU and ECN are not seen. Sizes count IP and UDP headers.
#pragma once

#include "absl/status/statusor.h"
#include "core/base/address.h"
#include "tests/testing/link_flags.h"
#include "tests/testing/tun_link.h"
#include "tests/testing/unique_fd.h"

namespace culvert::testing {

class RelayLink {
 public:
  static constexpr size_t kMaxClients = 1024;

  // Binds `listen` (port 0: any). Errors: the system's, with the address.
  static absl::StatusOr<RelayLink> Create(const SocketAddress& listen, const SocketAddress& target);

  const SocketAddress& address() const { return address_; }
  // Client to target is "up". A datagram of a client beyond kMaxClients counts as refused.
  LinkReport Run(const LinkPair& links, int stop_fd);

 private:
  RelayLink(UniqueFd socket, const SocketAddress& address, const SocketAddress& target)
      : socket_(std::move(socket)), address_(address), target_(target) {}

  UniqueFd socket_;
  SocketAddress address_;
  SocketAddress target_;
};

}  // namespace culvert::testing
