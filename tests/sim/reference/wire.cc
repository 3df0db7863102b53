#include "tests/sim/reference/wire.h"

#include <algorithm>

namespace culvert::reference {
namespace {

// A cursor that remembers whether it ran off the end.
class Cursor {
 public:
  Cursor(const Bytes& bytes, size_t at) : bytes_(bytes), at_(at) {}
  uint32_t Read(size_t width) {
    uint32_t value = 0;
    for (size_t i = 0; i < width; ++i) {
      if (at_ >= bytes_.size()) {
        good_ = false;
        return 0;
      }
      value = value * 256 + bytes_[at_++];
    }
    return value;
  }
  size_t left() const { return bytes_.size() - at_; }
  size_t at() const { return at_; }
  bool good() const { return good_; }

 private:
  const Bytes& bytes_;
  size_t at_;
  bool good_ = true;
};

void Put(Bytes& out, uint32_t value, size_t width) {
  for (size_t i = width; i > 0; --i) out.push_back(static_cast<uint8_t>(value >> (8 * (i - 1))));
}

// One segment at `at`; moves `at` behind it.
std::optional<Segment> ParseOne(const Bytes& plain, size_t& at) {
  Cursor in(plain, at);
  Segment segment;
  segment.conversation = static_cast<uint16_t>(in.Read(2));
  segment.command = static_cast<uint8_t>(in.Read(1));
  segment.option = static_cast<uint8_t>(in.Read(1));
  if (!in.good()) return std::nullopt;
  if (segment.command == kData) {
    if (in.left() < 15) return std::nullopt;  // one more than the fields need: section 4.1
    segment.timestamp = in.Read(4);
    segment.number = in.Read(4);
    segment.sending_next = in.Read(4);
    const size_t length = in.Read(2);
    if (in.left() < length) return std::nullopt;
    for (size_t i = 0; i < length; ++i) segment.payload.push_back(static_cast<uint8_t>(in.Read(1)));
    if (segment.payload.size() > 2048) segment.payload.resize(2048);
  } else if (segment.command == kAck) {
    segment.receiving_window = in.Read(4);
    segment.receiving_next = in.Read(4);
    segment.timestamp = in.Read(4);
    const size_t count = in.Read(1);
    for (size_t i = 0; i < count && in.good(); ++i) segment.numbers.push_back(in.Read(4));
  } else {
    segment.sending_next = in.Read(4);
    segment.receiving_next = in.Read(4);
    segment.peer_rto = in.Read(4);
  }
  if (!in.good()) return std::nullopt;
  at = in.at();
  return segment;
}

uint32_t Fnv1a(const Bytes& bytes, size_t from) {
  uint32_t hash = 0x811c9dc5;
  for (size_t i = from; i < bytes.size(); ++i) hash = (hash ^ bytes[i]) * 0x01000193;
  return hash;
}

}  // namespace

Parsed Parse(const Bytes& plain) {
  Parsed parsed;
  size_t at = 0;
  while (at < plain.size()) {
    const size_t before = at;
    std::optional<Segment> segment = ParseOne(plain, at);
    if (!segment) break;
    parsed.segments.push_back(*std::move(segment));
    parsed.sizes.push_back(at - before);
  }
  return parsed;
}

Bytes Serialize(const Segment& segment) {
  Bytes out;
  Put(out, segment.conversation, 2);
  Put(out, segment.command, 1);
  Put(out, segment.option, 1);
  if (segment.command == kData) {
    Put(out, segment.timestamp, 4);
    Put(out, segment.number, 4);
    Put(out, segment.sending_next, 4);
    Put(out, static_cast<uint32_t>(segment.payload.size()), 2);
    out.insert(out.end(), segment.payload.begin(), segment.payload.end());
  } else if (segment.command == kAck) {
    Put(out, segment.receiving_window, 4);
    Put(out, segment.receiving_next, 4);
    Put(out, segment.timestamp, 4);
    Put(out, static_cast<uint32_t>(segment.numbers.size()), 1);
    for (const uint32_t number : segment.numbers) Put(out, number, 4);
  } else {
    Put(out, segment.sending_next, 4);
    Put(out, segment.receiving_next, 4);
    Put(out, segment.peer_rto, 4);
  }
  return out;
}

Bytes SealSimple(const Bytes& plain) {
  Bytes out(4, 0);
  Put(out, static_cast<uint32_t>(plain.size()), 2);
  out.insert(out.end(), plain.begin(), plain.end());
  const uint32_t hash = Fnv1a(out, 4);
  for (size_t i = 0; i < 4; ++i) out[i] = static_cast<uint8_t>(hash >> (24 - 8 * i));
  for (size_t i = 4; i < out.size(); ++i) out[i] = static_cast<uint8_t>(out[i] ^ out[i - 4]);
  return out;
}

std::optional<Bytes> OpenSimple(const Bytes& sealed) {
  if (sealed.size() <= 6) return std::nullopt;
  Bytes x = sealed;
  for (size_t i = x.size() - 1; i >= 4; --i) x[i] = static_cast<uint8_t>(x[i] ^ x[i - 4]);
  uint32_t hash = 0;
  for (size_t i = 0; i < 4; ++i) hash = hash * 256 + x[i];
  const size_t length = x[4] * size_t{256} + x[5];
  if (hash != Fnv1a(x, 4) || length != x.size() - 6) return std::nullopt;
  return Bytes(x.begin() + 6, x.end());
}

}  // namespace culvert::reference
