// EndpointStream: a stream of an endpoint (over mKCP: a session; over QUIC: one of many on a session) as a ByteStream.
// Thread: confined to one worker.
#pragma once

#include "core/transport/event.h"
#include "server/byte_stream.h"

namespace culvert::server {

class EndpointDriver;
struct WorkerContext;

// Who takes the datagrams of a stream (QUIC).
class DatagramObserver {
 public:
  // The bytes are good for the call.
  virtual void OnDatagram(ByteView bytes) = 0;

 protected:
  ~DatagramObserver() = default;
};

class EndpointStream final : public ByteStream {
 public:
  // `stream` is one of the driver's, which must outlive this object. `session`: its entry in the worker's registry, may be
  // null; it ends when the endpoint has ended the stream, possibly after this object is gone. Over QUIC always null.
  EndpointStream(WorkerContext& context, EndpointDriver& driver, StreamHandle stream, SlotHandle session);
  ~EndpointStream() override;
  EndpointStream(const EndpointStream&) = delete;
  EndpointStream& operator=(const EndpointStream&) = delete;

  [[nodiscard]] size_t Peek(size_t limit, std::span<ByteView> views) override;
  void Consume(size_t size) override;
  [[nodiscard]] bool AtEnd() const override;
  [[nodiscard]] size_t WritableBytes() override;
  [[nodiscard]] size_t Write(std::span<const ByteView> views) override;
  [[nodiscard]] bool HasUndelivered() const override;
  [[nodiscard]] bool HasPeerAnswered() const override;
  [[nodiscard]] std::optional<TimeInLimit> time_in_limit() const override;
  [[nodiscard]] bool CanHalfClose() const override;
  void FinishWriting() override;
  [[nodiscard]] bool IsBroken() const override { return is_broken_; }
  void Close() override;
  void Reset(CloseReason reason) override;

  // Datagrams that belong to the stream, beside its bytes; see quic::Endpoint::SendDatagram. Over mKCP there are none.
  [[nodiscard]] size_t MaxDatagramBytes() const;
  [[nodiscard]] bool SendDatagram(ByteView head, ByteView payload);
  void SetDatagramQueue(size_t packets);
  [[nodiscard]] uint64_t DroppedDatagrams() const;
  // nullptr: nobody takes them. Must outlive the stream or be taken off.
  void set_datagram_observer(DatagramObserver* observer) { datagrams_ = observer; }

  // The driver's.
  void OnEvent() { NotifyReady(); }
  void OnDatagram(ByteView bytes) {
    if (datagrams_ != nullptr) datagrams_->OnDatagram(bytes);
  }
  // The endpoint ended the stream, which is a failure, whoever caused it: bytes may be missing. `is_complete`: none of those that
  // came, as the peer had finished and all was read. `peer_answered`: the endpoint forgets the stream right after this.
  void OnClosed(bool peer_answered, bool is_complete);

 private:
  WorkerContext& context_;
  EndpointDriver& driver_;
  const StreamHandle stream_;
  DatagramObserver* datagrams_ = nullptr;
  bool is_open_ = true;  // neither we nor the endpoint have ended it
  bool is_broken_ = false;
  bool has_ended_ = false;      // before that the peer's end was reached; once it is not open any more
  bool peer_answered_ = false;  // once it is not open any more
};

}  // namespace culvert::server
