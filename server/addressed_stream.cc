#include "server/addressed_stream.h"

#include <array>
#include <utility>

namespace culvert::server {
namespace {

constexpr size_t kMaxAnswerBytes = frontdoor::kMaxStreamHeaderBytes + 2;

}  // namespace

AddressedStream::AddressedStream(std::unique_ptr<ByteStream> below, const frontdoor::Request& open) : below_(std::move(below)) {
  frontdoor::AppendStreamOpen(open, header_);
  below_->set_observer(this);
}

AddressedStream::~AddressedStream() = default;

void AddressedStream::SendHeader() {
  if (header_.empty() || is_ended_) return;
  if (below_->WritableBytes() == 0) return;
  const ByteView view(header_);
  const size_t written = below_->Write(std::span(&view, 1));
  header_.erase(header_.begin(), header_.begin() + static_cast<std::ptrdiff_t>(written));
  if (header_.empty() && std::exchange(finish_wanted_, false)) below_->FinishWriting();
}

void AddressedStream::Refuse(Refusal refusal, std::string message) {
  state_ = State::kRefused;
  refusal_ = refusal;
  message_ = std::move(message);
}

void AddressedStream::ReadAnswer() {
  while (state_ == State::kWaiting && !is_ended_) {
    std::array<ByteView, 4> views;
    const size_t count = below_->Peek(kMaxAnswerBytes, views);
    if (count == 0) {
      if (below_->AtEnd()) Refuse(Refusal::kHeaderMismatch, "the far side ended the stream without an answer: does it have stream_header CULVERT?");
      return;
    }
    size_t used = 0;
    for (size_t i = 0; i < count; ++i) {
      const size_t taken = reader_.OnBytes(views[i]);
      used += taken;
      if (taken < views[i].size()) break;
    }
    below_->Consume(used);
    switch (reader_.state()) {
      case frontdoor::StreamAcceptReader::State::kReading:
        break;
      case frontdoor::StreamAcceptReader::State::kAccepted:
        state_ = State::kAccepted;
        break;
      case frontdoor::StreamAcceptReader::State::kRefused:
        Refuse(reader_.refusal(), reader_.message());
        break;
      case frontdoor::StreamAcceptReader::State::kMalformed:
        Refuse(Refusal::kHeaderMismatch, "the far side answered something else: does it have stream_header CULVERT?");
        break;
    }
  }
}

AddressedStream::State AddressedStream::Advance() {
  SendHeader();
  ReadAnswer();
  return state_;
}

size_t AddressedStream::Peek(size_t limit, std::span<ByteView> views) {
  if (state_ != State::kAccepted && Advance() != State::kAccepted) return 0;
  return below_->Peek(limit, views);
}

size_t AddressedStream::WritableBytes() {
  SendHeader();
  return header_.empty() ? below_->WritableBytes() : 0;
}

size_t AddressedStream::Write(std::span<const ByteView> views) {
  SendHeader();
  return header_.empty() ? below_->Write(views) : 0;
}

void AddressedStream::FinishWriting() {
  SendHeader();
  if (header_.empty()) return below_->FinishWriting();
  finish_wanted_ = true;
}

void AddressedStream::Close() {
  set_observer(nullptr);
  is_ended_ = true;
  below_->Close();
}

void AddressedStream::Reset(CloseReason reason) {
  set_observer(nullptr);
  is_ended_ = true;
  below_->Reset(reason);
}

}  // namespace culvert::server
