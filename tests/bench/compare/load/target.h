// Target: the application behind the tunnel, one thread for all its connections. The first byte a client sends chooses:
//   'S'  the pattern follows; it is checked and counted
//   'G'  the pattern is sent for as long as the connection takes it
//   'E'  every byte comes back, this one too
//   'X'  kCrowdBytes of pattern follow; once they have arrived whole, as many go back
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/bytes.h"
#include "tests/testing/unique_fd.h"

namespace culvert::bench {

inline constexpr size_t kCrowdBytes = 16 * 1024;

class Target {
 public:
  // Listens on a port of its own, on every IPv4 address of the namespace (empty: ours, then on loopback only).
  // Errors: INTERNAL, the system's.
  static absl::StatusOr<std::unique_ptr<Target>> Start(const std::string& netns);
  ~Target();

  uint16_t port() const { return port_; }
  // Bytes of 'S' connections that arrived and are right, since the start. Thread: any, as is the next.
  uint64_t received() const { return received_; }
  // Connections on which something else than the pattern arrived.
  uint64_t corrupted() const { return corrupted_; }

 private:
  struct Connection {
    testing::UniqueFd fd;
    char mode = 0;  // 0: not chosen yet
    uint64_t in = 0;
    uint64_t out = 0;
    std::vector<uint8_t> echo;  // what still has to go back
    bool wants_write = false;
  };

  Target(testing::UniqueFd listener, uint16_t port);
  void Loop();
  void Accept();
  // False: the connection is over.
  bool OnReadable(Connection& connection);
  bool OnWritable(Connection& connection);
  bool Take(Connection& connection, ByteView bytes);
  void Watch(Connection& connection, bool wants_write);

  testing::UniqueFd listener_, epoll_, stop_;
  uint16_t port_;
  std::map<int, Connection> connections_;
  std::vector<uint8_t> buffer_;
  std::atomic<uint64_t> received_{0};
  std::atomic<uint64_t> corrupted_{0};
  std::thread thread_;
};

}  // namespace culvert::bench
