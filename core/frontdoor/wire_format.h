// As much of the Protocol Buffers encoding as the stream header needs: reading fields one by one, and writing them.
// Source: https://protobuf.dev/programming-guides/encoding (wire types 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"

namespace culvert::frontdoor::wire {

enum class Type : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct Field {
  uint32_t number = 0;
  Type type = Type::kVarint;
  uint64_t value = 0;  // of kVarint, kFixed64 and kFixed32
  ByteView bytes;      // of kBytes: a loan of the message
};

// Reads the fields of one message. What is not well-formed, and groups, make ok() false for good.
class FieldReader {
 public:
  explicit FieldReader(ByteView message) : rest_(message) {}

  // False at the end of the message, and when it is not ok().
  [[nodiscard]] bool Next(Field& field) {
    if (!ok_ || rest_.empty()) return false;
    ok_ = ReadField(field);
    return ok_;
  }
  [[nodiscard]] bool ok() const { return ok_; }

 private:
  bool ReadField(Field& field) {
    uint64_t tag = 0;
    if (!ReadVarint(5, tag) || tag > UINT32_MAX || tag >> 3 == 0) return false;
    field.number = static_cast<uint32_t>(tag >> 3);
    field.type = static_cast<Type>(tag & 7);
    switch (field.type) {
      case Type::kVarint:
        return ReadVarint(10, field.value);
      case Type::kFixed64:
        return ReadFixed(8, field.value);
      case Type::kFixed32:
        return ReadFixed(4, field.value);
      case Type::kBytes: {
        uint64_t size = 0;
        if (!ReadVarint(5, size) || size > rest_.size()) return false;
        field.bytes = Take(static_cast<size_t>(size));
        return true;
      }
    }
    return false;
  }

  // Least significant group first, seven bits in each byte, the eighth says that more follow. Longer forms than needed are taken.
  bool ReadVarint(size_t max_bytes, uint64_t& value) {
    value = 0;
    for (size_t i = 0; i < max_bytes && i < rest_.size(); ++i) {
      const uint64_t bits = rest_[i] & 0x7f;
      if (i == 9 && bits > 1) return false;  // above 64 bits
      value |= bits << (7 * i);
      if ((rest_[i] & 0x80) != 0) continue;
      (void)Take(i + 1);
      return true;
    }
    return false;
  }

  // Little-endian.
  bool ReadFixed(size_t size, uint64_t& value) {
    if (rest_.size() < size) return false;
    const ByteView bytes = Take(size);
    value = 0;
    for (size_t i = size; i-- > 0;) value = value << 8 | bytes[i];
    return true;
  }

  ByteView Take(size_t size) {
    const ByteView taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }

  ByteView rest_;
  bool ok_ = true;
};

inline void AppendVarint(uint64_t value, std::vector<uint8_t>& out) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<uint8_t>(value | 0x80));
  out.push_back(static_cast<uint8_t>(value));
}

inline void AppendTag(uint32_t number, Type type, std::vector<uint8_t>& out) {
  AppendVarint(uint64_t{number} << 3 | static_cast<uint64_t>(type), out);
}

// A field with its default value is not on the wire.
inline void AppendVarintField(uint32_t number, uint64_t value, std::vector<uint8_t>& out) {
  if (value == 0) return;
  AppendTag(number, Type::kVarint, out);
  AppendVarint(value, out);
}

inline void AppendBytesField(uint32_t number, std::string_view value, std::vector<uint8_t>& out) {
  if (value.empty()) return;
  AppendTag(number, Type::kBytes, out);
  AppendVarint(value.size(), out);
  out.insert(out.end(), value.begin(), value.end());
}

}  // namespace culvert::frontdoor::wire
