// Where a request of a forward goes (FindWay), and whether it may.
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/frontdoor/text.h"
#include "server/data_plane.h"

namespace culvert::server {

Way DataPlane::FindWay(ForwardRuntime& forward, const frontdoor::Request& request, bool is_remote) {
  const ForwardConfig& config = *forward.config;
  const bool is_udp = request.network == frontdoor::Network::kUdp;
  if (is_stopping_) return Way::Refused(Refusal::kShuttingDown, "the daemon is stopping");
  if (Drains(config)) return Way::Refused(Refusal::kShuttingDown, "the daemon is draining");
  if (config.paused) return Way::Refused(Refusal::kNoForward, absl::StrCat("forward/", config.id.name, " is paused"));
  // Of a reverse forward's private side the dialer leads to who asks, not onwards.
  const bool is_private = !config.reverse.empty() && !config.dialer.empty();
  const bool is_public = !config.reverse.empty() && config.dialer.empty();
  const bool has_dialer = !config.dialer.empty() && !is_private;

  if (request.destination.host.size() > frontdoor::kMaxHostBytes || config.destination.host.size() > frontdoor::kMaxHostBytes) {
    return Way::Refused(Refusal::kMalformed, "a host name has at most 255 bytes");
  }
  Way way;
  way.destination = config.destination;
  const bool is_named = request.addressed_datagrams || (!request.destination.host.empty() && request.destination != config.destination);
  if (is_named) {
    // Somebody here who goes through a tunnel may name what the far side allows.
    const bool far_decides = !is_remote && config.allowed == nullptr && (has_dialer || is_public);
    if (!far_decides) {
      if (config.allowed == nullptr || (!request.addressed_datagrams && !config.allowed->AllowsNamed(request.destination))) {
        return Way::Refused(Refusal::kDestinationDenied,
                            absl::StrCat(request.addressed_datagrams ? "destinations" : request.destination.ToString(),
                                         " may not be named: see allowed_destinations of forward/", config.id.name));
      }
      way.policy = config.allowed;
    }
    way.destination = request.addressed_datagrams ? HostPort() : request.destination;
  }
  const auto onward = [&] {
    frontdoor::Request open;
    open.network = request.network;
    open.destination = way.destination;
    open.source = request.source;
    open.forward = config.id.name;
    open.trace_id = request.trace_id;
    open.addressed_datagrams = request.addressed_datagrams;
    return open;
  };
  if (is_public) {
    way.kind = Way::Kind::kReverse;
    way.reverse = config.reverse;
    way.open = onward();
    return way;
  }
  if (!has_dialer) {
    if (!request.addressed_datagrams && way.destination.host.empty()) {
      return Way::Refused(Refusal::kMalformed, absl::StrCat("no destination was named, and forward/", config.id.name, " has none"));
    }
    way.kind = is_udp ? Way::Kind::kSocket : Way::Kind::kDial;
    way.plan.timeout = DialerConfig().dial_timeout;
    way.plan.policy = way.policy;
    if (!is_named) way.plan.targets = {&forward.destination};
    return way;
  }
  const auto found = dialers_.find(config.dialer);
  if (found == dialers_.end() || !found->second->MayDial()) {
    if (found != dialers_.end()) found->second->tally().OnFailed();
    return Way::Refused(Refusal::kDialFailed, absl::StrCat("dialer/", config.dialer, " is paused, or at max_sessions"));
  }
  DialerRuntime& dialer = *found->second;
  const DialerConfig& to = *dialer.config();
  way.dialer = &dialer;
  if (to.transport == Transport::kUdp) {
    if (!is_udp) return Way::Refused(Refusal::kNotSupported, absl::StrCat("dialer/", config.dialer, " carries datagrams, not streams"));
    if (is_named) return Way::Refused(Refusal::kNotSupported, absl::StrCat("dialer/", config.dialer, " sends to its own targets"));
    way.kind = Way::Kind::kSocket;
    way.destination = dialer.NextTargets().front()->target;
    return way;
  }
  if (to.is_addressed) {
    way.open = onward();
  } else if (is_udp || is_named) {
    return Way::Refused(Refusal::kNotSupported, absl::StrCat("dialer/", config.dialer, " opens raw streams, which have no ",
                                                             is_udp ? "datagrams" : "destination"));
  }
  way.kind = Way::Kind::kDial;
  way.plan = {.transport = to.transport,
              .targets = dialer.NextTargets(),
              .dialer = &dialer,
              .socket = to.socket,
              .timeout = to.dial_timeout};
  return way;
}

}  // namespace culvert::server
