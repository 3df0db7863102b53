// Batches of datagrams between an engine and a UDP socket: one system call for many of them, in both directions.
// Both are made once and reused; neither allocates afterwards.
// Thread: confined to one worker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/io/udp_socket.h"
#include "core/transport/datagram.h"
#include "core/transport/datagram_sink.h"

namespace culvert::io {

// Received datagrams. One may serve all sockets of a worker, each used up before the next:
//   while (batch.Receive(socket)) while (batch.Next(datagram)) engine.OnDatagram(now, datagram);
class ReceiveBatch {
 public:
  // Messages of one call. With GRO each holds up to 64 datagrams of one peer.
  static constexpr size_t kMaxMessages = 32;

  ReceiveBatch();
  ~ReceiveBatch();
  ReceiveBatch(const ReceiveBatch&) = delete;
  ReceiveBatch& operator=(const ReceiveBatch&) = delete;

  // Receives what is there, up to the batch's size. False when nothing was: wait until the socket is readable. Errors are
  // counted in the socket. What Next had not yet shown is lost.
  [[nodiscard]] bool Receive(UdpSocket& socket);
  // The next datagram; its bytes may be changed and are good until the next Receive. False: no more in this batch.
  [[nodiscard]] bool Next(Datagram& datagram);
  // True when the last Receive filled every message: there may be more.
  [[nodiscard]] bool was_full() const { return message_count_ == kMaxMessages; }

 private:
  struct Buffers;
  void BeginMessage(size_t index);

  std::unique_ptr<Buffers> buffers_;
  UdpSocket* socket_ = nullptr;
  size_t message_count_ = 0;
  size_t message_ = 0;         // the one Next is in
  ByteSpan rest_;              // of that message
  size_t datagram_bytes_ = 0;  // of each datagram in it, but for the last
  SocketAddress peer_;
  SocketAddress original_destination_;
  Ecn ecn_ = Ecn::kNotEct;
  bool has_empty_ = false;     // the message is a datagram without payload that Next has not shown
};

// Outgoing datagrams in one contiguous buffer. Consecutive ones to one peer with equal marks and sizes (the last may be shorter)
// form a train, which the kernel cuts apart (GSO).
class SendBatch final : public DatagramSink {
 public:
  static constexpr size_t kMaxDatagramBytes = 2048;
  static constexpr size_t kDefaultBufferBytes = 512 << 10;
  static constexpr size_t kMaxTrains = 64;
  static constexpr size_t kMaxTrainDatagrams = 64;     // UDP_MAX_SEGMENTS of Linux before 6.9
  static constexpr size_t kMaxTrainBytes = 65'000;     // below what IP can carry, headers included

  enum class FlushResult {
    kEmptied,     // everything was handed to the kernel or counted as an error
    kWouldBlock,  // the rest is kept: call again when the socket is writable
  };

  explicit SendBatch(size_t buffer_bytes = kDefaultBufferBytes);
  ~SendBatch() override;
  SendBatch(const SendBatch&) = delete;
  SendBatch& operator=(const SendBatch&) = delete;

  [[nodiscard]] ByteSpan Reserve(const SocketAddress& peer, size_t max_size) override;
  void SetEcn(Ecn ecn) override { reserved_ecn_ = ecn; }
  void Commit(size_t size) override;

  // Sends. A datagram that the kernel refuses is a lost one: counted in the socket, the rest goes on.
  FlushResult Flush(UdpSocket& socket);
  [[nodiscard]] bool is_empty() const { return train_count_ == 0; }
  // Forgets what was not sent.
  void Clear();

 private:
  struct Train {
    SocketAddress peer;
    size_t offset = 0;          // of its first byte
    size_t bytes = 0;
    size_t datagram_bytes = 0;  // of each datagram, but for the last
    size_t datagrams = 0;
    Ecn ecn = Ecn::kNotEct;
    bool is_ended = false;      // a shorter datagram came: nothing can follow
  };
  struct Messages;

  [[nodiscard]] size_t FillMessages(const UdpSocket& socket);
  void Advance(UdpSocket& socket, size_t messages);
  void SkipFailed(UdpSocket& socket, int error_number);
  void MoveOn(size_t bytes);

  const size_t buffer_bytes_;
  std::unique_ptr<uint8_t[]> buffer_;  // left uninitialised: pages never used are never resident
  std::unique_ptr<Messages> messages_;
  std::unique_ptr<Train[]> trains_;
  size_t train_count_ = 0;
  size_t used_bytes_ = 0;
  size_t reserved_bytes_ = 0;
  SocketAddress reserved_peer_;
  Ecn reserved_ecn_ = Ecn::kNotEct;
  // Where sending goes on: a train, and how many of its bytes are gone.
  size_t next_train_ = 0;
  size_t next_offset_ = 0;
  // A train that was refused whole and is tried in parts.
  static constexpr size_t kNoTrain = SIZE_MAX;
  size_t split_train_ = kNoTrain;
  int split_error_ = 0;
};

}  // namespace culvert::io
