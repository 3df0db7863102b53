// Views of bytes, and bounds-checked big-endian reading and writing of them.
// A view is a loan for the call it is passed to; who stores one says until when.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace culvert {

using ByteView = std::span<const uint8_t>;
using ByteSpan = std::span<uint8_t>;

inline ByteView AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline std::string_view AsText(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline void StoreBigEndian16(uint8_t* to, uint16_t value) {
  to[0] = static_cast<uint8_t>(value >> 8);
  to[1] = static_cast<uint8_t>(value);
}
inline void StoreBigEndian32(uint8_t* to, uint32_t value) {
  value = __builtin_bswap32(value);
  std::memcpy(to, &value, sizeof value);
}
inline uint16_t LoadBigEndian16(const uint8_t* from) { return static_cast<uint16_t>(from[0] << 8 | from[1]); }
inline uint32_t LoadBigEndian32(const uint8_t* from) {
  uint32_t value;
  std::memcpy(&value, from, sizeof value);
  return __builtin_bswap32(value);
}

// Reads big-endian integers front to back. Reading past the end yields zeros and makes ok() false for good, so that a
// parser may read a whole head and check once.
class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) : bytes_(bytes) {}

  uint8_t ReadU8() {
    const uint8_t* at = Take(1);
    return at ? *at : 0;
  }
  uint16_t ReadU16() {
    const uint8_t* at = Take(2);
    return at ? LoadBigEndian16(at) : 0;
  }
  uint32_t ReadU32() {
    const uint8_t* at = Take(4);
    return at ? LoadBigEndian32(at) : 0;
  }
  // The next `size` bytes; empty and !ok() when fewer are left.
  ByteView ReadBytes(size_t size) {
    const uint8_t* at = Take(size);
    return at ? ByteView(at, size) : ByteView();
  }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] size_t remaining() const { return bytes_.size() - offset_; }
  [[nodiscard]] size_t offset() const { return offset_; }

 private:
  const uint8_t* Take(size_t size) {
    if (!ok_ || remaining() < size) {
      ok_ = false;
      return nullptr;
    }
    const uint8_t* at = bytes_.data() + offset_;
    offset_ += size;
    return at;
  }

  ByteView bytes_;
  size_t offset_ = 0;
  bool ok_ = true;
};

// Writes big-endian integers front to back. Writing past the end writes nothing and makes ok() false for good.
class ByteWriter {
 public:
  explicit ByteWriter(ByteSpan bytes) : bytes_(bytes) {}

  void WriteU8(uint8_t value) {
    if (uint8_t* at = Take(1)) *at = value;
  }
  void WriteU16(uint16_t value) {
    if (uint8_t* at = Take(2)) StoreBigEndian16(at, value);
  }
  void WriteU32(uint32_t value) {
    if (uint8_t* at = Take(4)) StoreBigEndian32(at, value);
  }
  void WriteBytes(ByteView bytes) {
    uint8_t* at = Take(bytes.size());
    if (at && !bytes.empty()) std::memcpy(at, bytes.data(), bytes.size());
  }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] size_t written() const { return offset_; }
  [[nodiscard]] size_t remaining() const { return bytes_.size() - offset_; }

 private:
  uint8_t* Take(size_t size) {
    if (!ok_ || remaining() < size) {
      ok_ = false;
      return nullptr;
    }
    uint8_t* at = bytes_.data() + offset_;
    offset_ += size;
    return at;
  }

  ByteSpan bytes_;
  size_t offset_ = 0;
  bool ok_ = true;
};

}  // namespace culvert
