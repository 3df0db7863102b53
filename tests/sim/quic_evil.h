// EvilPeer: a QUIC client that knows the keys and breaks the rules: it shakes hands like anybody, then sends frames of the test's choice.
// It shares nothing with core/quic: an ngtcp2 connection and an SSL object of its own.
//
// It stands at an address of a QuicPair's network without a link: what the server sends it arrives at once, what it sends too.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "tests/sim/quic_pair.h"

namespace culvert::sim {

// Frames as RFC 9000 section 19 writes them.
class Frames {
 public:
  Frames& Byte(uint8_t byte) {
    bytes_.push_back(byte);
    return *this;
  }
  // A variable-length integer of eight bytes, whatever its value.
  Frames& Number(uint64_t value) {
    for (int shift = 56; shift >= 0; shift -= 8) bytes_.push_back(static_cast<uint8_t>(value >> shift));
    bytes_[bytes_.size() - 8] |= 0xc0;
    return *this;
  }
  Frames& Fill(size_t count, uint8_t byte) {
    bytes_.insert(bytes_.end(), count, byte);
    return *this;
  }
  Frames& Append(const Frames& other) {
    bytes_.insert(bytes_.end(), other.bytes_.begin(), other.bytes_.end());
    return *this;
  }
  // A STREAM frame with offset and length.
  static Frames Stream(uint64_t id, uint64_t offset, size_t size, bool fin = false) {
    Frames frames;
    frames.Byte(fin ? 0x0f : 0x0e).Number(id).Number(offset).Number(size).Fill(size, 'x');
    return frames;
  }
  const std::vector<uint8_t>& bytes() const { return bytes_; }

 private:
  std::vector<uint8_t> bytes_;
};

class EvilPeer {
 public:
  // `version`: the QUIC version it begins with.
  EvilPeer(QuicPair& pair, const SocketAddress& address, uint32_t version = 1);
  ~EvilPeer();
  EvilPeer(const EvilPeer&) = delete;
  EvilPeer& operator=(const EvilPeer&) = delete;

  // Shakes hands; true when the handshake is confirmed.
  [[nodiscard]] bool Connect();
  // One 1-RTT packet of these frames.
  void Send(const Frames& frames);
  // Takes in what came and, if `answers`, acknowledges it.
  void Work(bool answers);
  // To be called for each datagram that a server sends to this address (QuicPair::on_datagram).
  void OnDatagram(ByteView bytes);
  [[nodiscard]] const SocketAddress& address() const { return address_; }
  // The error with which the server closed the connection; nullopt: it did not.
  [[nodiscard]] std::optional<uint64_t> close_error() const { return close_error_; }
  [[nodiscard]] int64_t highest_received() const;

 private:
  struct Tls;

  QuicPair& pair_;
  const SocketAddress address_;
  std::unique_ptr<Tls> tls_;
  std::vector<std::vector<uint8_t>> inbox_;
  std::optional<uint64_t> close_error_;
};

}  // namespace culvert::sim
