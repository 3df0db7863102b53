// The bytes of bulk streams: cheap to send and to check at many Gbit/s, as the load shares the machine with what is measured,
// and wrong when anything is lost, doubled, moved or taken from another place.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/bytes.h"

namespace culvert::bench {

inline constexpr size_t kChunkBytes = 256 * 1024;  // the most that is sent or read at a time

// The `size` bytes of the stream at `offset`: random ones, repeated after a prime number of bytes, so that no shift by a
// whole number of packets, records or buffers goes unseen. The view is valid for ever. REQUIRES: size <= kChunkBytes.
ByteView PatternAt(uint64_t offset, size_t size);

// Whether `bytes` are those of the stream at `offset`. REQUIRES: as above.
bool IsPattern(uint64_t offset, ByteView bytes);

}  // namespace culvert::bench
