// A UDP socket of a test: blocking calls with a deadline each.
// Thread: one at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/time.h"
#include "tests/testing/unique_fd.h"

namespace culvert::testing {

class UdpPeer {
 public:
  static constexpr Duration kDefaultLimit = std::chrono::seconds(5);

  struct Received {
    SocketAddress from;
    std::vector<uint8_t> bytes;
  };

  // Bound to a port on `ip`, 0: of the system's choice. Ends the process when the system refuses.
  explicit UdpPeer(const IpAddress& ip = IpAddress::LoopbackV4(), uint16_t port = 0);
  [[nodiscard]] const SocketAddress& address() const { return local_; }
  // False: the system refused it.
  bool SendTo(const SocketAddress& to, ByteView bytes);
  // nullopt: nothing came in time.
  std::optional<Received> Receive(Duration limit = kDefaultLimit);
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
  SocketAddress local_;
};

}  // namespace culvert::testing
