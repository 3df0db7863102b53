// Datagrams of a connection (RFC 9221). Each belongs to a stream, whose id stands before it (RFC 9297 section 2.1), and waits in a queue of
// that stream; the streams take turns, so that one that sends too much loses its own.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "core/quic/connection.h"
#include "core/quic/ngtcp2_time.h"

namespace culvert::quic {
namespace {

constexpr PacketQueue::Limits kReceiveLimits{.packets = 8192, .bytes = 4 << 20};
constexpr uint64_t kStreamsPerQuarter = 4;

// RFC 9000 section 16.
size_t VarintSize(uint64_t value) { return value < 0x40 ? 1 : value < 0x4000 ? 2 : value < 0x40000000 ? 4 : 8; }

size_t WriteVarint(uint64_t value, uint8_t* to) {
  const size_t size = VarintSize(value);
  for (size_t i = 0; i < size; ++i) to[i] = static_cast<uint8_t>(value >> (8 * (size - 1 - i)));
  const int log2_of_size = size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : 3;
  to[0] |= static_cast<uint8_t>(log2_of_size << 6);
  return size;
}

// Bytes used; 0: cut off.
size_t ReadVarint(ByteView bytes, uint64_t& value) {
  if (bytes.empty()) return 0;
  const size_t size = size_t{1} << (bytes[0] >> 6);
  if (bytes.size() < size) return 0;
  value = bytes[0] & 0x3f;
  for (size_t i = 1; i < size; ++i) value = value << 8 | bytes[i];
  return size;
}

uint64_t QuarterOf(const Stream& stream) { return static_cast<uint64_t>(stream.id) / kStreamsPerQuarter; }

}  // namespace

void Connection::OnDatagramFrame(ByteView bytes) {
  uint64_t quarter = 0;
  const size_t head = ReadVarint(bytes, quarter);
  constexpr uint64_t kMostQuarter = (uint64_t{1} << 60) - 1;
  const auto found = head == 0 || quarter > kMostQuarter ? streams_.end() : streams_.find(static_cast<int64_t>(quarter * kStreamsPerQuarter));
  if (found == streams_.end()) {
    // Of a stream that has ended, or whose beginning has not come yet.
    ++counters_.dropped_datagrams;
    return;
  }
  const bool was_empty = datagrams_in_.empty();
  const uint64_t stream = found->second->handle.packed();
  const uint64_t dropped = datagrams_in_.dropped();
  datagrams_in_.set_limits(kReceiveLimits);
  datagrams_in_.Push({reinterpret_cast<const uint8_t*>(&stream), sizeof stream}, bytes.subspan(head));
  counters_.dropped_datagrams += datagrams_in_.dropped() - dropped;
  if (was_empty) host_.Emit({Event::Kind::kDatagram, {}, {}, handle_});
}

size_t Connection::MaxDatagramFrame() const {
  if (state_ != State::kEstablished || !host_.config().datagrams()) return 0;
  const ngtcp2_transport_params* peer = ngtcp2_conn_get_remote_transport_params(conn_);
  if (peer == nullptr || peer->max_datagram_frame_size == 0) return 0;
  // Short header with the longest packet number, the tag, and the frame's type and length.
  const size_t overhead = 1 + ngtcp2_conn_get_dcid(conn_)->datalen + 4 + 16 + 3;
  const size_t packet = ngtcp2_conn_get_path_max_tx_udp_payload_size(conn_);
  return std::min<size_t>(packet - std::min(packet, overhead), peer->max_datagram_frame_size - std::min<uint64_t>(3, peer->max_datagram_frame_size));
}

size_t Connection::MaxDatagramBytes(const Stream& stream) const {
  const size_t frame = MaxDatagramFrame();
  const size_t head = VarintSize(QuarterOf(stream));
  return frame > head ? frame - head : 0;
}

bool Connection::SendDatagram(Stream& stream, ByteView head, ByteView payload) {
  const size_t most = MaxDatagramBytes(stream);
  if (most == 0 || head.size() + payload.size() > most || stream.is_over || stream.is_reset) return false;
  // The id of the stream and the caller's head.
  std::array<uint8_t, 8 + kMostDatagramHead> front;
  if (head.size() > kMostDatagramHead) return false;
  const size_t id_size = WriteVarint(QuarterOf(stream), front.data());
  if (!head.empty()) std::memcpy(front.data() + id_size, head.data(), head.size());
  const bool was_empty = stream.datagrams.empty();
  const uint64_t dropped = stream.datagrams.dropped();
  stream.datagrams.Push(ByteView(front).first(id_size + head.size()), payload);
  counters_.dropped_datagrams += stream.datagrams.dropped() - dropped;
  if (was_empty && !stream.datagrams.empty()) {
    datagram_streams_.push_back(&stream);
    Touch(stream);
  }
  MarkReady();
  return true;
}

bool Connection::TakeDatagram(StreamHandle& stream, ByteView& bytes) {
  if (std::exchange(shows_datagram_, false)) datagrams_in_.Pop();
  if (datagrams_in_.empty()) return false;
  const ByteView whole = datagrams_in_.front();
  uint64_t packed;
  std::memcpy(&packed, whole.data(), sizeof packed);
  stream = StreamHandle::FromPacked(packed);
  bytes = whole.subspan(sizeof packed);
  shows_datagram_ = true;
  return true;
}

void Connection::DropDatagrams(Stream& stream) {
  if (stream.datagrams.empty()) return;
  counters_.dropped_datagrams += stream.datagrams.size();
  stream.datagrams.Clear();
  std::erase(datagram_streams_, &stream);
}

// Puts as many datagrams as fit into the packet. NGTCP2_ERR_WRITE_MORE: there is room for something else; else the packet is finished, or
// (0) may not be sent now.
ngtcp2_ssize Connection::OfferDatagrams(TimePoint now, ByteSpan out, ngtcp2_pkt_info& info) {
  ngtcp2_ssize size = NGTCP2_ERR_WRITE_MORE;
  while (size == NGTCP2_ERR_WRITE_MORE && !datagram_streams_.empty()) {
    if (next_datagram_stream_ >= datagram_streams_.size()) next_datagram_stream_ = 0;
    Stream& stream = *datagram_streams_[next_datagram_stream_];
    const ByteView front = stream.datagrams.front();
    int accepted = 0;
    // The path may have become narrower since it was taken.
    bool is_over = front.size() > MaxDatagramFrame();
    if (!is_over) {
      ngtcp2_vec vector{const_cast<uint8_t*>(front.data()), front.size()};
      size = ngtcp2_conn_writev_datagram(conn_, path_.get(), &info, out.data(), out.size(), &accepted,
                                         NGTCP2_WRITE_DATAGRAM_FLAG_MORE, 0, &vector, 1, ToTimestamp(now));
      if (size == NGTCP2_ERR_INVALID_STATE || size == NGTCP2_ERR_INVALID_ARGUMENT) {
        is_over = true;  // it can never go
        size = NGTCP2_ERR_WRITE_MORE;
      }
    }
    if (is_over) ++counters_.dropped_datagrams;
    if (accepted == 0 && !is_over) break;  // it did not fit behind what was in the packet already, or may not go now
    stream.datagrams.Pop();
    if (stream.datagrams.empty()) {
      Touch(stream);
      datagram_streams_.erase(datagram_streams_.begin() + static_cast<std::ptrdiff_t>(next_datagram_stream_));
    } else {
      ++next_datagram_stream_;
    }
  }
  return size;
}

}  // namespace culvert::quic
