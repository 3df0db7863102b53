// Way: where a forward leads a stream or flow that wants to go somewhere, and whether it may.
// Thread: confined to one worker.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/egress/destination_policy.h"
#include "core/frontdoor/door.h"
#include "server/dial.h"

namespace culvert::server {

struct Way {
  enum class Kind : uint8_t {
    kRefused,
    kDial,     // `plan`; for datagrams the stream that comes of it
    kSocket,   // datagrams: a socket of ours
    kReverse,  // a stream that somebody offered for `reverse`
  };
  Kind kind = Kind::kRefused;
  Refusal refusal = Refusal::kNone;  // kRefused
  std::string message;

  DialerRuntime* dialer = nullptr;  // nullptr: direct
  DialPlan plan;                    // kDial; without targets when `destination` is to be dialled
  // What is said at the start of the stream; nullopt: nothing (raw).
  std::optional<frontdoor::Request> open;
  // Direct: where to. kSocket: where datagrams go that name nothing themselves; host empty: they must.
  HostPort destination;
  // Destinations were named by others, and these are the rules for them; nullptr: they are ours.
  std::shared_ptr<const egress::DestinationPolicy> policy;
  std::string reverse;

  [[nodiscard]] static Way Refused(Refusal refusal, std::string message) {
    Way way;
    way.refusal = refusal;
    way.message = std::move(message);
    return way;
  }
};

// The refusal that a failed dial amounts to; `reason`: see Dial::error_reason.
[[nodiscard]] Refusal RefusalOfDial(const std::string& reason, bool has_dialer);

}  // namespace culvert::server
