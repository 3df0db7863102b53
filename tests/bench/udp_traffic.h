// Datagrams in numbers: who sends them and who counts them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/time.h"
#include "core/io/udp_socket.h"

namespace culvert::bench {

io::UdpSocket LoopbackSocket();

// Counts what comes, and how long it was on its way. Each datagram begins with when it was sent.
class Sink {
 public:
  Sink();
  ~Sink();
  [[nodiscard]] SocketAddress address() const { return socket_.local_address(); }
  [[nodiscard]] uint64_t count() const { return count_; }
  // Lost in its own buffer.
  [[nodiscard]] uint64_t dropped() const { return socket_.counters().kernel_drops; }
  // REQUIRES: nothing comes any more.
  std::vector<double> TakeMicroseconds() { return std::move(microseconds_); }
  std::atomic<bool> records{false};

 private:
  void Run();

  io::UdpSocket socket_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> count_{0};
  std::vector<double> microseconds_;
  std::thread thread_;
};

// Sends `rate` datagrams a second in trains (0: as fast as the kernel takes them) and returns how many. `step`: between two trains.
// `is_mixed`: no two in a row have one size, so that the kernel cannot carry them as one and each costs what a single one costs.
uint64_t Send(const SocketAddress& to, size_t bytes, uint64_t rate, Duration time, Duration step, bool is_mixed = false);

}  // namespace culvert::bench
