#include "core/frontdoor/refusal.h"

#include <array>

namespace culvert {
namespace {

constexpr std::array<std::string_view, kRefusalCount> kNames = {
    "",          "DESTINATION_DENIED", "RESOLVE_FAILED", "CONNECT_REFUSED", "CONNECT_TIMEOUT", "UNREACHABLE",     "NO_FORWARD",
    "MALFORMED", "LIMIT_EXCEEDED",     "NOT_SUPPORTED",  "UNAUTHENTICATED", "DIAL_FAILED",     "HEADER_MISMATCH", "SHUTTING_DOWN",
    "INTERNAL",
};

}  // namespace

std::string_view RefusalName(Refusal refusal) { return kNames[static_cast<size_t>(refusal)]; }

Refusal RefusalFromNumber(uint64_t number) { return number < kRefusalCount ? static_cast<Refusal>(number) : Refusal::kInternal; }

}  // namespace culvert
