// TunnelPort: a stream between two culvertds as a port for datagrams: each behind its length on the stream, or, over QUIC and where it fits,
// as a DATAGRAM frame beside it (culvert/v1/stream.proto).
//
// What finds no room on the stream waits in a bounded queue, of which the oldest go. Frames bypass it: their queue is the connection's.
// Datagrams keep their boundaries; one that is too long for the framing is refused whole.
// Thread: confined to one worker.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "core/transport/packet_queue.h"
#include "server/addressed_stream.h"
#include "server/endpoint_stream.h"
#include "server/packet_port.h"

namespace culvert::server {

class TunnelPort final : public PacketPort, private StreamObserver, private DatagramObserver {
 public:
  class Host {
   public:
    // The stream may be read or written: Run in this iteration.
    virtual void OnTunnelReady() = 0;

   protected:
    ~Host() = default;
  };
  struct Options {
    bool is_addressed = false;     // each datagram has its own address
    size_t queue_packets = 256;
  };

  // `stream` carries datagrams from its first byte on. `header`: `stream` itself, where it is one: frames are sent once it is accepted; else
  // at once. `quic`: what is below, over QUIC without anything that seals between; nullptr: no frames.
  TunnelPort(Observer& observer, Host& host, std::unique_ptr<ByteStream> stream, AddressedStream* header, EndpointStream* quic,
             const Options& options);
  ~TunnelPort() override;

  [[nodiscard]] UdpDrop Send(const dispatch::Destination& address, ByteView payload) override;
  [[nodiscard]] bool Run() override;
  [[nodiscard]] size_t waiting() const override { return queue_.size() + (unfinished_.empty() ? 0 : 1); }
  [[nodiscard]] Drops TakeDrops() override {
    if (quic_ != nullptr && !is_ended_) frames_dropped_ = std::max(frames_dropped_, quic_->DroppedDatagrams());
    const uint64_t dropped = queue_.dropped() + frames_dropped_;
    return {.tunnel_full = dropped - std::exchange(drops_told_, dropped), .malformed = std::exchange(malformed_, 0)};
  }

  // Bytes that go before any datagram on the stream.
  void WriteFirst(ByteView bytes);
  // The stream did not end in order.
  [[nodiscard]] bool was_broken() const { return was_broken_; }
  // nullptr: the stream has no header of ours.
  [[nodiscard]] const AddressedStream* header() const { return header_; }
  void End(bool in_order) override;

 private:
  void OnStreamReady() override { host_.OnTunnelReady(); }
  void OnDatagram(ByteView bytes) override;
  // The address in front of `payload` as bytes; false: too long.
  bool MakeHead(const dispatch::Destination& address);
  void WriteWaiting();
  // Writes a frame of the stream; what does not fit becomes `unfinished_`. False: there was no room at all.
  bool WriteFrame(std::span<const ByteView> parts, size_t size);
  bool ReadFrames();
  void TakeBytes(ByteView bytes);
  void Deliver(ByteView datagram);

  Observer& observer_;
  Host& host_;
  const std::unique_ptr<ByteStream> stream_;
  AddressedStream* const header_;
  EndpointStream* const quic_;
  const bool is_addressed_;
  std::vector<uint8_t> head_;        // of the datagram that is being sent
  PacketQueue queue_;                // frames that wait, with their lengths
  std::vector<uint8_t> unfinished_;  // what is left of a frame that began
  std::vector<uint8_t> incoming_;    // a frame that has not come whole
  uint64_t malformed_ = 0;
  uint64_t drops_told_ = 0;
  uint64_t frames_dropped_ = 0;
  bool is_ended_ = false;
  bool was_broken_ = false;
};

}  // namespace culvert::server
