// ObjectTally: what one listener, dialer or forward has to account for on one worker.
// Thread: confined to one worker.
#pragma once

#include "core/transport/endpoint.h"
#include "core/transport/session_stats.h"
#include "server/session_counts.h"
#include "server/worker.h"

namespace culvert::server {

// `counters` holds the sessions that have ended, and how many were opened, closed and failed. What live sessions and
// endpoints have to add is summed up when a report is made.
struct ObjectTally {
  ObjectCounters counters;
  SessionCounts::Count everywhere = std::make_shared<std::atomic<uint64_t>>(0);  // live ones, all workers together

  void OnOpened() {
    ++counters.opened;
    ++counters.active;
    everywhere->fetch_add(1, std::memory_order_relaxed);
  }
  void OnFailed() { ++counters.failed; }
  void OnClosed() {
    ++counters.closed;
    --counters.active;
    everywhere->fetch_sub(1, std::memory_order_relaxed);
  }
};

// Application bytes and segments; the datagrams are counted by the endpoint.
void AddSession(const SessionStats& stats, ObjectCounters& to);
// Datagrams and why some were dropped.
void AddEndpoint(const EndpointCounters& endpoint, ObjectCounters& to);

}  // namespace culvert::server
