#include "core/quic/control_frame_limit.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace culvert::quic {
namespace {

constexpr double kBytesPerToken = 16 * 1024;
constexpr double kTokensPerStreamFrame = 0.25;
constexpr double kTokensPerSentDatagram = 0.25;

// Reads the variable-length integers of RFC 9000 section 16. After the end it yields zeros and is not ok.
class FrameReader {
 public:
  explicit FrameReader(ByteView bytes) : bytes_(bytes) {}
  bool ok() const { return ok_; }
  bool has_more() const { return ok_ && !bytes_.empty(); }
  size_t remaining() const { return bytes_.size(); }
  uint64_t Varint() {
    if (bytes_.empty()) return Fail();
    const size_t size = size_t{1} << (bytes_[0] >> 6);
    if (bytes_.size() < size) return Fail();
    uint64_t value = bytes_[0] & 0x3f;
    for (size_t i = 1; i < size; ++i) value = value << 8 | bytes_[i];
    bytes_ = bytes_.subspan(size);
    return value;
  }
  void Skip(uint64_t count) {
    if (count > bytes_.size()) {
      Fail();
    } else {
      bytes_ = bytes_.subspan(static_cast<size_t>(count));
    }
  }
  void SkipVarints(int count) {
    for (int i = 0; i < count && ok_; ++i) Varint();
  }
  void SkipPadding() {
    while (!bytes_.empty() && bytes_[0] == 0) bytes_ = bytes_.subspan(1);
  }

 private:
  uint64_t Fail() {
    ok_ = false;
    bytes_ = {};
    return 0;
  }
  ByteView bytes_;
  bool ok_ = true;
};

void SkipAck(FrameReader& reader, bool has_ecn) {
  reader.SkipVarints(2);
  const uint64_t ranges = reader.Varint();
  reader.Varint();
  for (uint64_t i = 0; i < ranges && reader.ok(); ++i) reader.SkipVarints(2);
  if (has_ecn) reader.SkipVarints(3);
}

void NoteStream(uint64_t stream, ControlFrameLimit::Tally& tally) {
  if (static_cast<int64_t>(stream) <= tally.highest_stream) return;
  tally.highest_stream = static_cast<int64_t>(stream);
  ++tally.new_streams;
}

void CountStream(FrameReader& reader, uint64_t type, ControlFrameLimit::Tally& tally) {
  const uint64_t stream = reader.Varint();
  const bool has_offset = (type & 4) != 0;
  const uint64_t offset = has_offset ? reader.Varint() : 0;
  const uint64_t length = (type & 2) != 0 ? reader.Varint() : reader.remaining();
  reader.Skip(length);
  if (!reader.ok()) return;
  NoteStream(stream, tally);
  const bool has_fin = (type & 1) != 0;
  if (length == 0 && !has_fin && offset > 0) {
    ++tally.control_frames;
    return;
  }
  // An empty one at offset 0 announces a stream.
  if (length == 0 && !has_fin) ++tally.control_frames;
  ++tally.stream_frames;
  tally.stream_bytes += length;
}

// The frames with a fixed number of variable-length integers. -1: another form.
int VarintsOf(uint64_t type) {
  switch (type) {
    case 0x01: return 0;  // PING
    case 0x10: return 1;  // MAX_DATA
    case 0x11: return 2;  // MAX_STREAM_DATA
    case 0x12:
    case 0x13: return 1;  // MAX_STREAMS
    case 0x14: return 1;  // DATA_BLOCKED
    case 0x15: return 2;  // STREAM_DATA_BLOCKED
    case 0x16:
    case 0x17: return 1;  // STREAMS_BLOCKED
    case 0x19: return 1;  // RETIRE_CONNECTION_ID
    case 0x1e: return 0;  // HANDSHAKE_DONE
    default: return -1;
  }
}

// MAX_DATA and MAX_STREAM_DATA follow the data we send, as often as the peer's window asks for; they make us keep nothing.
bool IsFree(uint64_t type) { return type == 0x10 || type == 0x11 || type == 0x12 || type == 0x13; }

}  // namespace

ControlFrameLimit::Tally ControlFrameLimit::Count(ByteView frames, int64_t highest_stream) {
  Tally tally;
  tally.highest_stream = highest_stream;
  FrameReader reader(frames);
  while (reader.has_more()) {
    const uint64_t type = reader.Varint();
    if (type == 0x00) {
      reader.SkipPadding();
    } else if (type == 0x02 || type == 0x03) {
      SkipAck(reader, type == 0x03);
    } else if (type >= 0x08 && type <= 0x0f) {
      CountStream(reader, type, tally);
    } else if (type == 0x30 || type == 0x31) {  // DATAGRAM
      reader.Skip(type == 0x31 ? reader.Varint() : reader.remaining());
    } else if (type == 0x04 || type == 0x05) {  // RESET_STREAM, STOP_SENDING
      const uint64_t stream = reader.Varint();
      reader.SkipVarints(type == 0x04 ? 2 : 1);
      ++tally.control_frames;
      if (!reader.ok()) break;
      NoteStream(stream, tally);
      if (type == 0x05) tally.stopped.push_back(static_cast<int64_t>(stream));
    } else if (const int varints = VarintsOf(type); varints >= 0) {
      reader.SkipVarints(varints);
      if (!IsFree(type)) ++tally.control_frames;
    } else if (type == 0x06) {  // CRYPTO
      reader.Varint();
      reader.Skip(reader.Varint());
      ++tally.control_frames;
    } else if (type == 0x07) {  // NEW_TOKEN
      reader.Skip(reader.Varint());
      ++tally.control_frames;
    } else if (type == 0x18) {  // NEW_CONNECTION_ID
      reader.SkipVarints(2);
      reader.Skip(reader.Varint());
      reader.Skip(16);
      ++tally.control_frames;
    } else if (type == 0x1a || type == 0x1b) {  // PATH_CHALLENGE, PATH_RESPONSE
      reader.Skip(8);
      ++tally.control_frames;
    } else {
      break;  // CONNECTION_CLOSE, or nothing that exists: the connection ends
    }
  }
  return tally;
}

bool ControlFrameLimit::Admit(TimePoint now, ByteView frames, uint64_t sent_datagrams, std::vector<int64_t>& stopped) {
  const Tally tally = Count(frames, highest_stream_);
  highest_stream_ = tally.highest_stream;
  stopped.insert(stopped.end(), tally.stopped.begin(), tally.stopped.end());
  if (tally.control_frames == 0 && tokens_ >= kBurst) return true;
  stream_tokens_ = std::min(kStreamsPerSecond, stream_tokens_ + ToSeconds(now - filled_at_) * kStreamsPerSecond);
  const double streams = std::min<double>(tally.new_streams, std::floor(stream_tokens_));
  stream_tokens_ -= streams;
  const double earned = ToSeconds(now - filled_at_) * kPerSecond + streams * kPerStream +
                        static_cast<double>(tally.stream_bytes) / kBytesPerToken +
                        static_cast<double>(tally.stream_frames) * kTokensPerStreamFrame +
                        static_cast<double>(sent_datagrams - std::exchange(sent_datagrams_, sent_datagrams)) * kTokensPerSentDatagram;
  tokens_ = std::min(kBurst, tokens_ + earned) - static_cast<double>(tally.control_frames);
  filled_at_ = now;
  return tokens_ >= 0;
}

}  // namespace culvert::quic
