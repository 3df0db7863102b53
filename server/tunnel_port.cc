#include "server/tunnel_port.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/frontdoor/datagram_address.h"

namespace culvert::server {
namespace {

constexpr size_t kLengthBytes = 2;
constexpr size_t kMaxFrame = 65'535;
constexpr size_t kUsualBytes = 1508;  // for each that may wait; of larger ones fewer may
constexpr size_t kTurnBytes = 256 << 10;  // read in one turn

frontdoor::DatagramAddress ToWire(const dispatch::Destination& address) {
  return {address.address, address.host, address.port()};
}

dispatch::Destination FromWire(const frontdoor::DatagramAddress& address) {
  if (!address.host.empty()) return {{{}, address.port}, address.host};
  return {address.address};
}

}  // namespace

TunnelPort::TunnelPort(Observer& observer, Host& host, std::unique_ptr<ByteStream> stream, AddressedStream* header,
                       EndpointStream* quic, const Options& options)
    : observer_(observer),
      host_(host),
      stream_(std::move(stream)),
      header_(header),
      quic_(quic),
      is_addressed_(options.is_addressed),
      queue_({.packets = options.queue_packets, .bytes = std::max(options.queue_packets * kUsualBytes, 2 * kMaxFrame)}) {
  stream_->set_observer(this);
  if (quic_ != nullptr) {
    quic_->set_datagram_observer(this);
    quic_->SetDatagramQueue(options.queue_packets);
  }
}

TunnelPort::~TunnelPort() { End(/*in_order=*/false); }

void TunnelPort::End(bool in_order) {
  if (std::exchange(is_ended_, true)) return;
  if (quic_ != nullptr) quic_->set_datagram_observer(nullptr);
  if (in_order) {
    stream_->Close();
  } else {
    stream_->Reset(CloseReason::kAborted);
  }
}

bool TunnelPort::MakeHead(const dispatch::Destination& address) {
  head_.clear();
  if (!is_addressed_) return true;
  const frontdoor::DatagramAddress wire = ToWire(address);
  head_.resize(frontdoor::EncodedSize(wire));
  return !head_.empty() && frontdoor::WriteDatagramAddress(wire, head_) == head_.size();
}

UdpDrop TunnelPort::Send(const dispatch::Destination& address, ByteView payload) {
  if (is_ended_) return UdpDrop::kNoWay;
  if (!MakeHead(address)) return UdpDrop::kTooLong;
  const size_t size = head_.size() + payload.size();
  if (payload.size() > dispatch::kMaxDatagramBytes || size > kMaxFrame) return UdpDrop::kTooLong;
  const bool may_use_frames = quic_ != nullptr && (header_ == nullptr || header_->state() == AddressedStream::State::kAccepted);
  if (may_use_frames && quic_->SendDatagram(head_, payload)) return UdpDrop::kNone;

  std::array<uint8_t, kLengthBytes> length;
  StoreBigEndian16(length.data(), static_cast<uint16_t>(size));
  const std::array<ByteView, 3> parts = {ByteView(length), ByteView(head_), payload};
  if (unfinished_.empty() && queue_.empty() && WriteFrame(parts, kLengthBytes + size)) return UdpDrop::kNone;
  head_.insert(head_.begin(), length.begin(), length.end());
  return queue_.Push(head_, payload) ? UdpDrop::kNone : UdpDrop::kTunnelFull;
}

void TunnelPort::WriteFirst(ByteView bytes) {
  if (is_ended_) return;
  // As the rest of a frame that has begun, so that all others wait for it.
  unfinished_.insert(unfinished_.begin(), bytes.begin(), bytes.end());
  WriteWaiting();
}

bool TunnelPort::WriteFrame(std::span<const ByteView> parts, size_t size) {
  if (stream_->WritableBytes() == 0) return false;
  size_t written = stream_->Write(parts);
  if (written == 0) return false;
  if (written == size) return true;
  // It has begun, so the rest must follow.
  for (const ByteView part : parts) {
    const size_t skipped = std::min(written, part.size());
    written -= skipped;
    unfinished_.insert(unfinished_.end(), part.begin() + static_cast<std::ptrdiff_t>(skipped), part.end());
  }
  return true;
}

void TunnelPort::WriteWaiting() {
  while (!is_ended_) {
    if (!unfinished_.empty()) {
      if (stream_->WritableBytes() == 0) return;
      const ByteView view(unfinished_);
      const size_t written = stream_->Write(std::span(&view, 1));
      unfinished_.erase(unfinished_.begin(), unfinished_.begin() + static_cast<std::ptrdiff_t>(written));
      if (!unfinished_.empty()) return;
    }
    if (queue_.empty()) return;
    const ByteView front = queue_.front();
    if (!WriteFrame(std::span(&front, 1), front.size())) return;
    queue_.Pop();
  }
}

bool TunnelPort::Run() {
  if (is_ended_) return false;
  if (header_ != nullptr && header_->state() == AddressedStream::State::kWaiting) header_->Advance();
  WriteWaiting();
  const bool more = ReadFrames();
  if (is_ended_) return false;
  if (stream_->IsBroken() || stream_->AtEnd()) {
    // The stream is what holds the flow: with it everything ends.
    was_broken_ = stream_->IsBroken();
    End(/*in_order=*/!was_broken_);
    observer_.OnPortEnded(*this);
    return false;
  }
  return more;
}

bool TunnelPort::ReadFrames() {
  size_t read = 0;
  while (read < kTurnBytes && !is_ended_) {
    std::array<ByteView, 16> views;
    const size_t count = stream_->Peek(kTurnBytes - read, views);
    if (count == 0) return false;
    size_t size = 0;
    for (size_t i = 0; i < count; ++i) {
      size += views[i].size();
      TakeBytes(views[i]);
    }
    stream_->Consume(size);
    read += size;
  }
  return true;
}

void TunnelPort::TakeBytes(ByteView bytes) {
  while (!bytes.empty()) {
    if (incoming_.empty() && bytes.size() >= kLengthBytes) {
      const size_t whole = kLengthBytes + LoadBigEndian16(bytes.data());
      if (bytes.size() >= whole) {
        Deliver(bytes.subspan(kLengthBytes, whole - kLengthBytes));
        bytes = bytes.subspan(whole);
        continue;
      }
    }
    size_t wanted = kLengthBytes;
    if (incoming_.size() >= kLengthBytes) wanted += LoadBigEndian16(incoming_.data());
    const size_t taken = std::min(bytes.size(), wanted - incoming_.size());
    incoming_.insert(incoming_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(taken));
    bytes = bytes.subspan(taken);
    if (incoming_.size() < kLengthBytes || incoming_.size() < kLengthBytes + LoadBigEndian16(incoming_.data())) continue;
    Deliver(ByteView(incoming_).subspan(kLengthBytes));
    incoming_.clear();
  }
}

void TunnelPort::OnDatagram(ByteView bytes) {
  if (!is_ended_) Deliver(bytes);
}

void TunnelPort::Deliver(ByteView datagram) {
  if (!is_addressed_) return observer_.OnPacket(*this, {}, datagram);
  frontdoor::DatagramAddress address;
  const size_t used = frontdoor::ParseDatagramAddress(datagram, address);
  if (used == 0) {
    ++malformed_;
    return;
  }
  observer_.OnPacket(*this, FromWire(address), datagram.subspan(used));
}

}  // namespace culvert::server
