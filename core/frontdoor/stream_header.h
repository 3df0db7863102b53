// StreamOpen and StreamAccept (proto/culvert/v1/stream.proto): what two culvertds say at the start of a stream.
//
//   +--------+----------------------------------------------+
//   |  size  | message: 0d 31 54 56 43, then other fields   |   size: big-endian, 5 to 4096; 0d 31 54 56 43 is the magic, field 1
//   |   2    | size                                         |
//   +--------+----------------------------------------------+
//
// Written by hand, so that the data path does not link Protocol Buffers. Any message that we write is one that protobuf reads the same
// way. We read less than protobuf does: the magic comes first, a known field has its own wire type, strings are UTF-8 without
// control characters and no longer than below, numbers are those that mean something. Unknown fields are skipped, but groups are not.
// Of a field that is there twice the last one counts.
// Thread: an object is confined to its owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/frontdoor/door.h"

namespace culvert::frontdoor {

inline constexpr uint32_t kStreamMagic = 0x43565431;
inline constexpr size_t kMaxStreamHeaderBytes = 4096;  // of the message
inline constexpr size_t kMaxSourceBytes = 255;
inline constexpr size_t kMaxNameBytes = 255;  // of forward and reverse
inline constexpr size_t kTraceIdBytes = 16;
inline constexpr size_t kMaxRefusalMessageBytes = 512;

// Appends the size and the message. REQUIRES: what ParseStreamOpen takes.
void AppendStreamOpen(const Request& request, std::vector<uint8_t>& out);
// The same of an answer; kNone: accepted. `message` is made plain (text.h) and cut to 512 bytes.
void AppendStreamAccept(Refusal refusal, std::string_view message, std::vector<uint8_t>& out);

// Parses a message without its size. Empty: `out` is set; else what is wrong, in static storage, and `out` is as it was.
[[nodiscard]] std::string_view ParseStreamOpen(ByteView message, Request& out);
// A reason that we do not know is kInternal.
[[nodiscard]] std::string_view ParseStreamAccept(ByteView message, Refusal& refusal, std::string& text);

// Collects one message behind its size. Takes memory for it only once the size and the magic have been right.
class StreamHeaderBuffer {
 public:
  enum class State : uint8_t {
    kReading,
    kWhole,
    kForeign,  // no size or magic of ours: the peer speaks something else. Certain after seven bytes at most
  };

  // Takes bytes up to the end of the message, or to the one that makes it foreign; returns how many.
  [[nodiscard]] size_t OnBytes(ByteView bytes);
  [[nodiscard]] State state() const { return state_; }
  // REQUIRES: kWhole.
  [[nodiscard]] ByteView message() const { return message_; }
  void Free() { message_ = {}; }

 private:
  void OnHeadByte(uint8_t byte);

  State state_ = State::kReading;
  size_t head_bytes_ = 0;  // of size and magic, so far
  size_t size_ = 0;
  std::vector<uint8_t> message_;
};

// Reads the answer to a StreamOpen.
class StreamAcceptReader {
 public:
  enum class State : uint8_t { kReading, kAccepted, kRefused, kMalformed };

  // Takes a prefix of `bytes` and returns its length: all of it while kReading, up to the end of the answer, 0 in any other state.
  [[nodiscard]] size_t OnBytes(ByteView bytes);
  [[nodiscard]] State state() const { return state_; }
  // Of kRefused: why, and what the peer says about it (plain, may be empty). Of kMalformed: kMalformed, and what is wrong.
  [[nodiscard]] Refusal refusal() const { return refusal_; }
  [[nodiscard]] const std::string& message() const { return message_; }

 private:
  State state_ = State::kReading;
  StreamHeaderBuffer buffer_;
  Refusal refusal_ = Refusal::kNone;
  std::string message_;
};

// Reads a StreamOpen; Answer sends a StreamAccept. What is malformed behind the right magic is answered with MALFORMED; who does not
// begin with the magic hears nothing from us.
std::unique_ptr<Door> CreateAddressedDoor();

}  // namespace culvert::frontdoor
