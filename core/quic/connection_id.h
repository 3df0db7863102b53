// Connection ids as this daemon makes them: 12 bytes (v2ray's length too), eleven random ones and one that says which worker owns
// the connection, hidden under bytes that only we can take away.
//
//   byte 11 = worker ^ byte 3 ^ byte 7 ^ key byte
//
// A NAT may move a peer to a socket of another worker; the id leads its datagrams back. The form is one that the kernel's classic BPF
// can compute. The key byte comes from the reset key, so that all workers, and the daemon after a restart, agree.
// Thread: values. Source: RFC 9000 section 5.1; design.md section 3.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/base/bytes.h"
#include "core/base/random.h"

namespace culvert::quic {

inline constexpr size_t kConnectionIdSize = 12;
inline constexpr size_t kMaxConnectionIdSize = 20;  // RFC 9000 section 17.2

// Any connection id, ours or a peer's.
struct ConnectionId {
  std::array<uint8_t, kMaxConnectionIdSize> bytes{};
  uint8_t size = 0;

  ConnectionId() = default;
  // REQUIRES: at most kMaxConnectionIdSize bytes; more are cut off.
  explicit ConnectionId(ByteView from) : size(static_cast<uint8_t>(std::min(from.size(), kMaxConnectionIdSize))) {
    if (size > 0) std::memcpy(bytes.data(), from.data(), size);
  }
  ByteView view() const { return ByteView(bytes.data(), size); }
  friend bool operator==(const ConnectionId&, const ConnectionId&) = default;
};

// REQUIRES: a reset key of EndpointKeys.
inline uint8_t WorkerKeyByte(ByteView reset_key) {
  uint8_t byte = 0x5a;
  for (const uint8_t part : reset_key) byte = static_cast<uint8_t>(byte * 31 + part);
  return byte;
}

inline void MakeConnectionId(ByteSpan out, uint8_t worker, uint8_t key_byte, RandomSource& random) {
  random.Fill(out);
  out[11] = static_cast<uint8_t>(worker ^ out[3] ^ out[7] ^ key_byte);
}

// REQUIRES: an id of kConnectionIdSize bytes. For an id that is not ours it is any number.
inline uint8_t WorkerOf(ByteView id, uint8_t key_byte) { return static_cast<uint8_t>(id[11] ^ id[3] ^ id[7] ^ key_byte); }

}  // namespace culvert::quic
