// A client of SOCKS5 UDP associations (RFC 1928 section 7), written here once more so that tests do not use what they test.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/address.h"
#include "tests/testing/tcp_stream.h"
#include "tests/testing/udp_peer.h"

namespace culvert::testing {

// Thread: one at a time.
class SocksUdpAssociation {
 public:
  struct Received {
    std::vector<uint8_t> header;  // in front of the payload: where it came from
    std::vector<uint8_t> bytes;
  };

  // `user`: "name:password"; empty: none. Errors: what the proxy answers, as PERMISSION_DENIED or FAILED_PRECONDITION.
  static absl::StatusOr<std::unique_ptr<SocksUdpAssociation>> Open(const SocketAddress& proxy, const std::string& user = "");

  // With a name in it the proxy resolves the destination.
  bool SendTo(const HostPort& destination, ByteView bytes);
  std::optional<Received> Receive(Duration limit);
  [[nodiscard]] int fd() const { return outward_.fd(); }

 private:
  SocksUdpAssociation(TcpStream control, const SocketAddress& relay) : control_(std::move(control)), relay_(relay) {}

  TcpStream control_;
  const SocketAddress relay_;
  UdpPeer outward_;
};

// A UDP port whose datagrams go to one destination through an association, for programs that know nothing of SOCKS. Whoever sent last
// gets the answers.
// Thread: the object belongs to the test's thread; it works on a thread of its own.
class SocksUdpClient {
 public:
  static absl::StatusOr<std::unique_ptr<SocksUdpClient>> Start(const SocketAddress& proxy, const HostPort& destination,
                                                               const std::string& user = "");
  ~SocksUdpClient();
  [[nodiscard]] const SocketAddress& address() const { return local_.address(); }

 private:
  SocksUdpClient(std::unique_ptr<SocksUdpAssociation> association, const HostPort& destination);
  void Run();

  const std::unique_ptr<SocksUdpAssociation> association_;
  const HostPort destination_;
  UdpPeer local_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace culvert::testing
