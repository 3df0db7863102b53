// The wire codec of mKCP segments: what stands in the plaintext of a datagram, one or more of
//
//   head     conv u16 | cmd u8 | option u8                                     (bit 0 of option: close)
//   data     head | timestamp u32 | sn u32 | una u32 | len u16 | payload       cmd 1, 18 + len bytes
//   ack      head | wnd u32 | next u32 | timestamp u32 | count u8 | sn u32 ... cmd 0, 17 + 4 * count bytes
//   command  head | una u32 | next u32 | rto u32                               every other cmd, 16 bytes
//
// Numbers are big-endian. In names: sn = number, una = sending_next (lowest number the sender still holds), next =
// receiving_next (lowest number the receiver has not consumed), wnd = receiving_window (absolute upper edge).
// Source: spec/mkcp.md section 4.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <variant>

#include "core/base/bytes.h"
#include "core/base/serial_number.h"

namespace culvert::kcp {

enum class Command : uint8_t { kAck = 0, kData = 1, kTerminate = 2, kPing = 3 };  // every other value acts like a ping

inline constexpr uint8_t kOptionClose = 1;
inline constexpr size_t kDataHeadSize = 18;
inline constexpr size_t kAckHeadSize = 17;
inline constexpr size_t kCommandSize = 16;
inline constexpr size_t kMaxAckNumbersParsed = 255;
inline constexpr size_t kMaxAckNumbersSent = 128;  // what v2ray sends at most
inline constexpr size_t kMaxSegmentPayload = 2048;

struct DataSegment {
  uint16_t conversation_id = 0;
  uint8_t option = 0;
  uint32_t timestamp = 0;  // sender's clock, milliseconds
  SerialNumber number;
  SerialNumber sending_next;
  ByteView payload;  // a view into the datagram
};

struct AckSegment {
  uint16_t conversation_id = 0;
  uint8_t option = 0;
  SerialNumber receiving_window;
  SerialNumber receiving_next;
  uint32_t timestamp = 0;
  ByteView numbers;  // big-endian u32 each; a view into the datagram

  size_t count() const { return numbers.size() / 4; }
  SerialNumber number(size_t i) const { return SerialNumber(LoadBigEndian32(numbers.data() + 4 * i)); }
};

struct CommandSegment {
  uint16_t conversation_id = 0;
  uint8_t command = static_cast<uint8_t>(Command::kPing);
  uint8_t option = 0;
  SerialNumber sending_next;
  SerialNumber receiving_next;
  uint32_t peer_rto = 0;  // milliseconds

  bool is_terminate() const { return command == static_cast<uint8_t>(Command::kTerminate); }
};

using Segment = std::variant<DataSegment, AckSegment, CommandSegment>;

// Takes segments off the front of a plaintext one by one.
class SegmentParser {
 public:
  explicit SegmentParser(ByteView plain) : rest_(plain) {}
  // The next segment; nullopt at the end or at the first bytes that are no segment (which ends the datagram: what parsed
  // before is kept). A data segment with an empty payload at the very end does not parse, as in v2ray (section 4.1).
  std::optional<Segment> Next();
  // Bytes not yet parsed.
  ByteView rest() const { return rest_; }

 private:
  ByteView rest_;
};

uint16_t ConversationId(const Segment& segment);
uint8_t Option(const Segment& segment);

// Encoders: write at the front of `out` and return the size. REQUIRES: out is large enough.
size_t EncodeDataHead(const DataSegment& segment, size_t payload_size, ByteSpan out);  // 18 bytes; payload follows
size_t EncodeData(const DataSegment& segment, ByteSpan out);
size_t EncodeAck(const AckSegment& segment, ByteSpan out);
size_t EncodeCommand(const CommandSegment& segment, ByteSpan out);

}  // namespace culvert::kcp
