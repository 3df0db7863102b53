// ObjectTally: what one listener, dialer or forward has to account for on one worker.
// Thread: confined to one worker.
#pragma once

#include "core/transport/endpoint.h"
#include "core/transport/session_stats.h"
#include "server/worker.h"

namespace culvert::server {

// `counters` holds the sessions that have ended, and how many were opened, closed and failed. What live sessions and
// endpoints have to add is summed up when a report is made.
struct ObjectTally {
  ObjectCounters counters;

  void OnOpened() {
    ++counters.opened;
    ++counters.active;
  }
  void OnFailed() { ++counters.failed; }
  void OnClosed() {
    ++counters.closed;
    --counters.active;
  }
};

// Application bytes and segments; the datagrams are counted by the endpoint.
void AddSession(const SessionStats& stats, ObjectCounters& to);
// Datagrams and why some were dropped.
void AddEndpoint(const EndpointCounters& endpoint, ObjectCounters& to);

}  // namespace culvert::server
