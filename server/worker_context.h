// WorkerContext: what the parts of one worker share. One iteration's time is in `now`; nobody reads the clock but the loop.
// Thread: confined to one worker, except the mailbox.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/random.h"
#include "core/base/slot_map.h"
#include "core/io/datagram_batch.h"
#include "core/io/mailbox.h"
#include "core/io/reactor.h"
#include "core/io/udp_outbox.h"
#include "server/ended_log.h"
#include "server/event_sink.h"
#include "server/timer_queue.h"
#include "server/tls_handshake.h"

namespace culvert::server {

class EndpointDriver;
class NameRequest;
class Resolver;
class SessionCounts;
class SessionRegistry;
class WorkerDirectory;

struct WorkerContext {
  uint32_t index = 0;
  std::unique_ptr<io::Reactor> reactor;
  std::shared_ptr<io::Mailbox> mailbox;  // shared with name lookups that may outlive the worker
  RandomSource* random = nullptr;
  Resolver* resolver = nullptr;
  Resolver* foreign_resolver = nullptr;          // of names that others chose; nullptr: the same
  SessionCounts* session_counts = nullptr;
  WorkerDirectory* directory = nullptr;          // of the other workers; nullptr: there are none
  TimePoint now{};
  TimerQueue timers;
  SessionRegistry* sessions = nullptr;
  std::vector<EndpointDriver*> dirty_drivers;    // to be settled in this iteration
  SlotMap<NameRequest*> name_requests;           // who waits for an answer of the resolver
  TlsHandshake::TurnQueue handshakes;
  // Sockets of UDP flows, all workers together, and how many there may be (reliability T40: half of the descriptors).
  std::shared_ptr<std::atomic<uint64_t>> udp_sockets = std::make_shared<std::atomic<uint64_t>>(0);
  uint64_t max_udp_sockets = 65536;
  EventSink events;
  EndedLog ended;
  std::shared_ptr<const std::vector<SocketAddress>> own_addresses = std::make_shared<std::vector<SocketAddress>>();  // where the daemon listens
  io::UdpOutbox outbox;                          // of plain UDP sockets; sent at the end of an iteration
  io::ReceiveBatch receive_batch;                // for all sockets, one after the other
  std::vector<uint8_t> scratch = std::vector<uint8_t>(256 << 10);  // where TCP data is read to, and TLS opened
};

}  // namespace culvert::server
