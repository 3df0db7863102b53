// Why a stream or flow that somebody asked for is not opened. The numbers are those of culvert.v1.RefusalReason.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace culvert {

enum class Refusal : uint8_t {
  kNone = 0,
  kDestinationDenied = 1,
  kResolveFailed = 2,
  kConnectRefused = 3,
  kConnectTimeout = 4,
  kUnreachable = 5,
  kNoForward = 6,
  kMalformed = 7,
  kLimitExceeded = 8,
  kNotSupported = 9,
  kUnauthenticated = 10,
  kDialFailed = 11,
  kHeaderMismatch = 12,
  kShuttingDown = 13,
  kInternal = 14,
};
inline constexpr size_t kRefusalCount = static_cast<size_t>(Refusal::kInternal) + 1;
// "DESTINATION_DENIED"; kNone: empty. Static storage.
std::string_view RefusalName(Refusal refusal);
// The reverse; kInternal for what is not known.
Refusal RefusalFromNumber(uint64_t number);

}  // namespace culvert
