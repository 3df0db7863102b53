#include "server/way.h"

#include <array>
#include <utility>

namespace culvert::server {

Refusal RefusalOfDial(const std::string& reason, bool has_dialer) {
  static constexpr std::array<std::pair<std::string_view, Refusal>, 7> kReasons = {{
      {"RESOLVE_FAILED", Refusal::kResolveFailed},
      {"CONNECT_REFUSED", Refusal::kConnectRefused},
      {"CONNECT_TIMEOUT", Refusal::kConnectTimeout},
      {"UNREACHABLE", Refusal::kUnreachable},
      {"DESTINATION_DENIED", Refusal::kDestinationDenied},
      {"NO_STREAMS", Refusal::kLimitExceeded},
      {"TOO_MANY_FILES", Refusal::kLimitExceeded},
  }};
  for (const auto& [name, refusal] : kReasons) {
    if (name == reason) return refusal;
  }
  return has_dialer ? Refusal::kDialFailed : Refusal::kInternal;
}

}  // namespace culvert::server
