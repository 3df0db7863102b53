// header || sealed payload: the outermost layer of a datagram, shared by the transports.
//   header = 0, 4 or 13 bytes (packet_header.h)
//   sealed = kPlain:  plain                      (profile XRAY)
//          | kSimple: simple(plain)              6 bytes more; not encryption, not keyed (spec/mkcp.md section 2)
//          | AEAD:    nonce(12) || ciphertext || tag(16), no associated data (section 3; spec/quic.md section 1)
// Source: spec/mkcp.md sections 1 to 3, spec/quic.md section 1.
// Thread: a DatagramSealer is immutable and may be shared; random bytes come from the caller.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "core/base/bytes.h"
#include "core/base/random.h"
#include "core/camouflage/packet_header.h"
#include "core/transport/datagram.h"

namespace culvert {

class DatagramSealer {
 public:
  virtual ~DatagramSealer() = default;

  // Bytes in front of the plaintext (nonce, or the simple authenticator's head) and behind it (tag).
  virtual size_t prefix_size() const = 0;
  virtual size_t suffix_size() const = 0;
  size_t overhead() const { return prefix_size() + suffix_size(); }
  // Bytes at the start of the sealed part that are the nonce: 12 or 0.
  virtual size_t nonce_size() const = 0;

  // Seals in place. `buffer` is prefix || plain || suffix, with the plaintext already at offset prefix_size();
  // the nonce is drawn from `random`. REQUIRES: buffer.size() == overhead() + plain size.
  virtual void SealInPlace(ByteSpan buffer, RandomSource& random) const = 0;
  // Opens in place. On kNone `plain` is the part of `sealed` that holds the plaintext (never empty).
  // kTruncated: no room for a plaintext of one byte. kBadAuthTag: anything else.
  [[nodiscard]] virtual DropReason OpenInPlace(ByteSpan sealed, ByteSpan& plain) const = 0;

  static std::unique_ptr<DatagramSealer> Plain();
  static std::unique_ptr<DatagramSealer> Simple();
  // Key = first 16 bytes of SHA-256(seed).
  static std::unique_ptr<DatagramSealer> Aes128Gcm(std::string_view seed);
  // The wrapper around QUIC (spec/quic.md section 1): the key is SHA-256(key || "v2ray-quic-salt"), of which AES takes the first 16
  // bytes. Any key will do, the empty one included.
  static std::unique_ptr<DatagramSealer> QuicAes128Gcm(std::string_view key);
  static std::unique_ptr<DatagramSealer> QuicChacha20Poly1305(std::string_view key);
};

}  // namespace culvert
