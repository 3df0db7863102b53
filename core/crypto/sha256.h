// SHA-256 of bytes that are at hand as a whole.
#pragma once

#include <array>
#include <cstdint>

#include "core/base/bytes.h"

namespace culvert {

inline constexpr size_t kSha256Size = 32;

std::array<uint8_t, kSha256Size> Sha256(ByteView bytes);

}  // namespace culvert
