#include "tests/bench/udp_traffic.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "core/io/datagram_batch.h"
#include "core/io/monotonic_clock.h"

namespace culvert::bench {

using std::chrono::microseconds;

io::UdpSocket LoopbackSocket() {
  auto socket = io::UdpSocket::Bind({.bind = {IpAddress::LoopbackV4(), 0}});
  if (socket.ok()) return *std::move(socket);
  std::fprintf(stderr, "no socket: %s\n", std::string(socket.status().message()).c_str());
  std::exit(1);
}

Sink::Sink() : socket_(LoopbackSocket()), thread_([this] { Run(); }) {}

Sink::~Sink() {
  stop_ = true;
  thread_.join();
}

void Sink::Run() {
  io::ReceiveBatch batch;
  Datagram datagram;
  while (!stop_) {
    pollfd ready{socket_.fd(), POLLIN, 0};
    if (poll(&ready, 1, 100) <= 0) continue;
    while (batch.Receive(socket_)) {
      const int64_t now = io::Now().time_since_epoch().count();
      uint64_t got = 0;
      while (batch.Next(datagram)) {
        ++got;
        if (!records || datagram.bytes.size() < 8) continue;
        int64_t sent;
        std::memcpy(&sent, datagram.bytes.data(), sizeof sent);
        microseconds_.push_back(static_cast<double>(now - sent) / 1e3);
      }
      count_ += got;
    }
  }
}

uint64_t Send(const SocketAddress& to, size_t bytes, uint64_t rate, Duration time, Duration step, bool is_mixed) {
  io::UdpSocket socket = LoopbackSocket();
  io::SendBatch batch;
  const TimePoint began = io::Now();
  uint64_t sent = 0;
  for (TimePoint now = began; now - began < time; now = io::Now()) {
    uint64_t wanted = rate == 0 ? 256 : static_cast<uint64_t>(ToSeconds(now - began) * static_cast<double>(rate)) - std::min(sent, static_cast<uint64_t>(ToSeconds(now - began) * static_cast<double>(rate)));
    wanted = std::min<uint64_t>(wanted, 256);
    if (wanted == 0) {
      std::this_thread::sleep_for(step);
      continue;
    }
    const int64_t stamp = io::Now().time_since_epoch().count();
    for (uint64_t i = 0; i < wanted; ++i) {
      const size_t size = is_mixed ? bytes + i % 2 : bytes;
      const ByteSpan slot = batch.Reserve(to, size);
      if (slot.empty()) break;
      std::memset(slot.data(), 0x5a, size);
      std::memcpy(slot.data(), &stamp, std::min(size, sizeof stamp));
      batch.Commit(size);
      ++sent;
    }
    while (batch.Flush(socket) == io::SendBatch::FlushResult::kWouldBlock) std::this_thread::sleep_for(microseconds(20));
    if (rate != 0) std::this_thread::sleep_for(step);
  }
  return sent;
}

}  // namespace culvert::bench
