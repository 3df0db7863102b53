// AddressedStream: a stream to another culvertd that begins with a StreamOpen and is answered by a StreamAccept (culvert/v1/stream.proto), as
// a ByteStream that shows neither. Data may follow the StreamOpen at once; what comes back is shown once the peer has accepted.
// A refusal, or an answer that is none, breaks the stream; state and refusal stay readable afterwards.
// Thread: confined to one worker.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/frontdoor/stream_header.h"
#include "server/byte_stream.h"

namespace culvert::server {

class AddressedStream final : public ByteStream, private StreamObserver {
 public:
  enum class State : uint8_t { kWaiting, kAccepted, kRefused };

  AddressedStream(std::unique_ptr<ByteStream> below, const frontdoor::Request& open);
  ~AddressedStream() override;

  // Sends and reads what it can of the headers; so do Peek and WritableBytes.
  State Advance();
  [[nodiscard]] State state() const { return state_; }
  // kRefused: why, HEADER_MISMATCH when the peer's answer is no StreamAccept or it ended without one.
  [[nodiscard]] Refusal refusal() const { return refusal_; }
  [[nodiscard]] const std::string& refusal_message() const { return message_; }

  [[nodiscard]] size_t Peek(size_t limit, std::span<ByteView> views) override;
  void Consume(size_t size) override { below_->Consume(size); }
  [[nodiscard]] bool AtEnd() const override { return state_ == State::kAccepted && below_->AtEnd(); }
  [[nodiscard]] size_t WritableBytes() override;
  [[nodiscard]] size_t Write(std::span<const ByteView> views) override;
  [[nodiscard]] bool HasUndelivered() const override { return !header_.empty() || below_->HasUndelivered(); }
  [[nodiscard]] bool HasPeerAnswered() const override { return below_->HasPeerAnswered(); }
  [[nodiscard]] std::optional<TimeInLimit> time_in_limit() const override { return below_->time_in_limit(); }
  [[nodiscard]] bool CanHalfClose() const override { return below_->CanHalfClose(); }
  void FinishWriting() override;
  [[nodiscard]] bool IsBroken() const override { return !is_ended_ && (state_ == State::kRefused || below_->IsBroken()); }
  void Close() override;
  void Reset(CloseReason reason) override;

 private:
  void OnStreamReady() override { NotifyReady(); }
  void SendHeader();
  void ReadAnswer();
  void Refuse(Refusal refusal, std::string message);

  std::unique_ptr<ByteStream> below_;
  std::vector<uint8_t> header_;  // what is left to be sent of it
  frontdoor::StreamAcceptReader reader_;
  State state_ = State::kWaiting;
  Refusal refusal_ = Refusal::kNone;
  std::string message_;
  bool finish_wanted_ = false;
  bool is_ended_ = false;  // closed or reset
};

}  // namespace culvert::server
