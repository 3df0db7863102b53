#include <array>

#include "core/transport/datagram.h"
#include "core/transport/event.h"
#include "core/transport/session_stats.h"

namespace culvert {

std::string_view DropReasonName(DropReason reason) {
  static constexpr std::array<std::string_view, kDropReasonCount> kNames = {
      "none",
      "truncated",
      "bad_auth_tag",
      "no_segment",
      "unknown_conversation",
      "recently_ended",
      "replayed",
      "too_many_unvalidated",
      "too_many_sessions",
      "refused_source",
      "not_accepting",
      "malformed",
      "unknown_connection",
      "unsupported_version",
      "asked_to_retry",
      "handed_over",
  };
  return kNames[static_cast<size_t>(reason)];
}

std::string_view CloseReasonName(CloseReason reason) {
  static constexpr std::array<std::string_view, 13> kNames = {
      "NONE",  "LOCAL",           "PEER",           "IDLE_TIMEOUT",     "UNACKNOWLEDGED",    "ABORTED",
      "ADMIN", "NEVER_VALIDATED", "PROTOCOL_ERROR", "HANDSHAKE_FAILED", "HANDSHAKE_TIMEOUT", "PATH_DOWN",
      "REFUSED",
  };
  return kNames[static_cast<size_t>(reason)];
}

std::string_view SendLimitName(SendLimit limit) {
  static constexpr std::array<std::string_view, kSendLimitCount> kNames = {
      "APPLICATION", "CONGESTION", "PACING", "PEER_WINDOW", "BUFFER", "PATH_DOWN",
  };
  return kNames[static_cast<size_t>(limit)];
}

}  // namespace culvert
