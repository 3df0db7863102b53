// The wire of mKCP a second time, as plainly as it can be written: no view, no cleverness, nothing shared with core/kcp. What the
// engine reads and writes is compared with this (tests/sim/reference, tests/fuzz).
// Source: spec/mkcp.md sections 1, 2 and 4; spec/headers.md for the sizes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace culvert::reference {

using Bytes = std::vector<uint8_t>;

constexpr uint8_t kAck = 0;
constexpr uint8_t kData = 1;
constexpr uint8_t kTerminate = 2;
constexpr uint8_t kPing = 3;

// Any segment; which fields count depends on the command.
struct Segment {
  uint16_t conversation = 0;
  uint8_t command = kPing;
  uint8_t option = 0;
  uint32_t timestamp = 0;         // data, ack
  uint32_t number = 0;            // data
  uint32_t sending_next = 0;      // data, command-only
  uint32_t receiving_next = 0;    // ack, command-only
  uint32_t receiving_window = 0;  // ack
  uint32_t peer_rto = 0;          // command-only, milliseconds
  Bytes payload;                  // data
  std::vector<uint32_t> numbers;  // ack

  bool closes() const { return (option & 1) != 0; }
  friend bool operator==(const Segment&, const Segment&) = default;
};

// The segments at the front of a plaintext, and how many bytes each took. What follows the last one is no segment.
struct Parsed {
  std::vector<Segment> segments;
  std::vector<size_t> sizes;
};
Parsed Parse(const Bytes& plain);
Bytes Serialize(const Segment& segment);

// The unkeyed authenticator of section 2; nullopt: it does not open, or around nothing (section 1.1 rule 2).
Bytes SealSimple(const Bytes& plain);
std::optional<Bytes> OpenSimple(const Bytes& sealed);

}  // namespace culvert::reference
