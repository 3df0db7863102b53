// UdpOutbox: outgoing datagrams of many sockets, copied once and sent together at the end of an iteration: a system call or two for each
// socket, however many datagrams it has. Those in a row to one peer of one size (the last may be shorter) go as a train, which the kernel
// cuts apart (GSO). Datagrams have no right to be sent: what the kernel does not take is lost and counted in its socket.
// Made once and reused; it does not allocate afterwards.
// Thread: confined to one worker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/io/udp_socket.h"

namespace culvert::io {

class UdpOutbox {
 public:
  static constexpr size_t kBufferBytes = 2 << 20;
  static constexpr size_t kMaxDatagrams = 4096;
  static constexpr size_t kMaxPayload = 65'507;

  // What waits of one socket. Must be flushed before the socket goes.
  class Lane {
   public:
    explicit Lane(UdpSocket& socket) : socket_(&socket) {}
    Lane(const Lane&) = delete;
    Lane& operator=(const Lane&) = delete;

   private:
    friend class UdpOutbox;
    UdpSocket* socket_;
    uint32_t first_ = kNone;
    uint32_t last_ = kNone;
  };

  UdpOutbox();
  ~UdpOutbox();
  UdpOutbox(const UdpOutbox&) = delete;
  UdpOutbox& operator=(const UdpOutbox&) = delete;

  // Adds one datagram: `head` and `payload` behind it. When there is no room, everything that waits is sent first.
  // False: it is longer than kMaxPayload.
  bool Add(Lane& lane, const SocketAddress& peer, ByteView head, ByteView payload);
  void Flush();
  // Sends what waits of one socket, which may go then.
  void Flush(Lane& lane);
  [[nodiscard]] bool is_empty() const { return lanes_.empty(); }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Item {
    SocketAddress peer;
    uint32_t offset = 0;
    uint32_t size = 0;
    uint32_t next = kNone;  // of the same lane
  };
  struct Messages;

  void Send(Lane& lane);
  // Fills messages from the item `first` on; returns how many. `next`: the first item that is in none of them.
  size_t Fill(const Lane& lane, uint32_t first, bool with_trains);

  std::unique_ptr<uint8_t[]> buffer_;
  std::unique_ptr<Item[]> items_;
  std::unique_ptr<Messages> messages_;
  size_t used_bytes_ = 0;
  size_t item_count_ = 0;
  std::vector<Lane*> lanes_;  // with something that waits
};

}  // namespace culvert::io
