// What a draining daemon refuses. What runs is left alone.
#include "server/data_plane.h"

namespace culvert::server {
namespace {

// Whether sessions of the transport come from another daemon.
bool IsFromFar(Transport transport) { return transport == Transport::kKcp || transport == Transport::kQuic; }

}  // namespace

bool DataPlane::Drains(const ListenerConfig& listener) const {
  return routing_->drain == DrainMode::kWhole || (routing_->drain == DrainMode::kInbound && IsFromFar(listener.transport));
}

bool DataPlane::Drains(const ForwardConfig& forward) const {
  if (routing_->drain == DrainMode::kNone) return false;
  const auto listener = listeners_.find(forward.listener);
  if (listener != listeners_.end()) return Drains(*listener->second->config());
  // The private side of a reverse forward takes streams from far without a listener.
  const bool is_private = !forward.reverse.empty() && !forward.dialer.empty();
  return is_private || routing_->drain == DrainMode::kWhole;
}

bool DataPlane::AdmitsSessions(const ListenerRuntime& listener) { return !Drains(*listener.config()); }

}  // namespace culvert::server
