// TcpServer: the application behind a tunnel. Each connection is served by a function on a thread of its own.
// Thread: the object belongs to the test's thread; the getters may be called from any.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "tests/testing/tcp_stream.h"

namespace culvert::testing {

class TcpServer {
 public:
  // Serves one connection; it is closed when the function returns.
  using Handler = std::function<void(TcpStream&)>;
  static constexpr size_t kMaxConnections = 1024;  // at a time; further ones are closed at once

  // Binds (port 0: any) and accepts. Errors: the system's.
  static absl::StatusOr<std::unique_ptr<TcpServer>> Start(const SocketAddress& bind, Handler handler);
  // Closes every connection and waits for the handlers.
  ~TcpServer();

  const SocketAddress& address() const { return address_; }
  uint16_t port() const { return address_.port; }
  uint64_t accepted() const;  // since the start
  uint64_t active() const;    // now
  // Waits until so many have been accepted, or until so many are left.
  bool WaitForAccepted(uint64_t count, Duration limit);
  bool WaitForActive(uint64_t count, Duration limit);

 private:
  struct Connection {
    explicit Connection(UniqueFd fd) : stream(std::move(fd)) {}
    TcpStream stream;
    std::thread thread;
    bool done = false;
  };

  TcpServer(UniqueFd listener, const SocketAddress& address, Handler handler);
  void AcceptLoop();
  void Reap();

  UniqueFd listener_;
  UniqueFd stop_;  // eventfd
  SocketAddress address_;
  Handler handler_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Connection> connections_;
  uint64_t accepted_ = 0;
  uint64_t active_ = 0;
  std::thread acceptor_;
};

}  // namespace culvert::testing
