// SocksUdpClient: a UDP port whose datagrams go to one destination through a SOCKS5 UDP association, for programs that know nothing of
// SOCKS. Whoever sent last gets the answers.
// Thread: the object belongs to the test's thread; it works on a thread of its own.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "core/base/address.h"
#include "tests/testing/tcp_stream.h"
#include "tests/testing/udp_peer.h"

namespace culvert::testing {

class SocksUdpClient {
 public:
  // `user`: "name:password"; empty: none. `destination`: with a name in it the proxy resolves it.
  static absl::StatusOr<std::unique_ptr<SocksUdpClient>> Start(const SocketAddress& proxy, const HostPort& destination,
                                                               const std::string& user = "");
  ~SocksUdpClient();
  [[nodiscard]] const SocketAddress& address() const { return local_.address(); }

 private:
  SocksUdpClient(TcpStream control, const SocketAddress& relay, std::string header);
  void Run();

  TcpStream control_;
  const SocketAddress relay_;
  const std::string header_;
  UdpPeer local_;
  UdpPeer outward_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace culvert::testing
