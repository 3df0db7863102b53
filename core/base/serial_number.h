// SerialNumber: a 32-bit sequence number that wraps (RFC 1982 arithmetic). There is no operator<: an ordinary comparison
// of wrapping numbers is wrong once every 2^32 segments.
#pragma once

#include <cstdint>

namespace culvert {

class SerialNumber {
 public:
  constexpr SerialNumber() = default;
  constexpr explicit SerialNumber(uint32_t value) : value_(value) {}

  constexpr uint32_t value() const { return value_; }
  // How far `*this` lies ahead of `other`, modulo 2^32.
  constexpr uint32_t DistanceFrom(SerialNumber other) const { return value_ - other.value_; }
  constexpr bool IsBefore(SerialNumber other) const { return static_cast<int32_t>(value_ - other.value_) < 0; }
  constexpr bool IsAfter(SerialNumber other) const { return other.IsBefore(*this); }
  constexpr SerialNumber Plus(uint32_t count) const { return SerialNumber(value_ + count); }
  constexpr SerialNumber& operator++() {
    ++value_;
    return *this;
  }
  friend constexpr bool operator==(SerialNumber, SerialNumber) = default;

  static constexpr SerialNumber Later(SerialNumber a, SerialNumber b) { return a.IsBefore(b) ? b : a; }
  static constexpr SerialNumber Earlier(SerialNumber a, SerialNumber b) { return a.IsBefore(b) ? a : b; }

 private:
  uint32_t value_ = 0;
};

}  // namespace culvert
