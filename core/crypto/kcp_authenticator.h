// mKCP's check for datagrams without a seed: a length, an FNV-1a hash and a chained XOR.
//
//   hash u32 | length u16 | plain          hash = FNV-1a-32 of length and plain, then every byte from offset 4 on is
//                                          XORed with the (already changed) byte four before it
//
// It finds damage and hides nothing: there is no key, anyone can make or read such a datagram. Wire compatibility only.
// Source: spec/mkcp.md section 2.
// Thread: free functions without state.
#pragma once

#include <cstddef>

#include "core/base/bytes.h"

namespace culvert {

inline constexpr size_t kKcpAuthenticatorSize = 6;

// `buffer` is kKcpAuthenticatorSize bytes of room || plain. REQUIRES: kKcpAuthenticatorSize <= buffer.size(), plain
// fits a 16-bit length.
void SealKcpAuthenticated(ByteSpan buffer);

// True: the bytes behind the first kKcpAuthenticatorSize are the plaintext now. False: not sealed this way or damaged,
// and the content is unspecified.
[[nodiscard]] bool OpenKcpAuthenticated(ByteSpan buffer);

}  // namespace culvert
