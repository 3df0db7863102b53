// A worker: one thread that owns a reactor, its sockets, endpoints and pumps, and shares nothing. The supervisor reaches it
// through WorkerControl, whose calls only post to the worker's mailbox; answers come back as callbacks on the worker's
// thread, which post on.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/time.h"
#include "core/base/slot_map.h"
#include "core/frontdoor/refusal.h"
#include "core/io/tcp_socket.h"
#include "core/io/udp_socket.h"
#include "core/tls/tls_connection.h"
#include "core/transport/session_stats.h"
#include "server/config.h"
#include "server/connect_channel.h"
#include "server/ended_log.h"
#include "server/event_sink.h"
#include "server/udp_drop.h"

namespace culvert::server {

// The socket of a listener for one worker. TCP listeners have one socket a worker too (SO_REUSEPORT).
struct ListenerSocket {
  ObjectId listener;
  io::TcpListenSocket tcp;  // one of the two is open
  io::UdpSocket udp;
};

// TLS of a session, once its handshake is done.
struct SessionTls {
  tls::TlsInfo info;
  Duration handshake_time{};
};

// One session as seen at one moment.
struct SessionSnapshot {
  std::string id;         // unique in this daemon run, [a-z0-9]+; which worker it lives on can be told from it
  Transport transport = Transport::kTcp;
  std::string listener;   // who accepted it, or
  std::string dialer;     // who opened it
  std::string forward;    // empty: none
  SocketAddress local;
  SocketAddress remote;
  uint32_t worker = 0;
  bool insecure = false;
  int64_t opened_at_unix_ns = 0;
  int64_t closed_at_unix_ns = 0;          // 0: it has not ended
  std::string_view close_reason;          // of a session that has ended; static storage; empty: it just ended
  std::shared_ptr<const SessionTls> tls;  // nullptr: no TLS, or not yet
  SessionStats stats;     // TCP: only the application byte counters, state and, from the kernel, the RTTs
};

// One tunnelled connection as seen at one moment; see culvert.v1.Stream.
struct StreamSnapshot {
  SlotHandle session;       // of the registry; may be stale
  SlotHandle far_session;   // likewise; null: not there yet
  std::string id;           // unique on its worker
  std::string session_id;
  std::string far_session_id;
  std::string forward;
  std::string source;
  std::string destination;
  bool is_open = false;     // else it is not dialled yet
  int64_t opened_at_unix_ns = 0;
  Duration connect_latency{};
  Duration idle{};
  uint64_t rx_bytes = 0, tx_bytes = 0;
  std::optional<TimeInLimit> time_in_limit;      // of sending over `session`; nullopt: TCP
  std::optional<TimeInLimit> far_time_in_limit;  // over `far_session`
  uint32_t worker = 0;
};

// One UDP flow as seen at one moment; see culvert.v1.UdpFlow.
struct UdpFlowSnapshot {
  std::string id;           // unique in this daemon run
  std::string forward;
  std::string listener;
  std::string session_id;   // empty: none
  std::string source;
  std::string destination;
  std::string outside;
  int64_t opened_at_unix_ns = 0;
  Duration idle{};
  Duration idle_timeout{};
  size_t queued_packets = 0;
  uint64_t rx_packets = 0, rx_bytes = 0, tx_packets = 0, tx_bytes = 0, dropped = 0;
  uint32_t worker = 0;
};

// Cumulative counts of one listener, dialer or forward on one worker. Units are those of culvert.v1.Counters.
struct ObjectCounters {
  uint64_t rx_bytes = 0, tx_bytes = 0;            // application bytes
  uint64_t rx_datagrams = 0, tx_datagrams = 0;
  uint64_t rx_datagram_bytes = 0, tx_datagram_bytes = 0;
  uint64_t lost_segments = 0, retransmitted_segments = 0;
  uint64_t rx_segments = 0, tx_segments = 0;
  uint64_t duplicate_segments = 0, out_of_window_segments = 0;
  uint64_t opened = 0, closed = 0, failed = 0, active = 0;  // sessions, or a forward's streams
  uint64_t tls_handshakes = 0, tls_resumed = 0, tls_failed = 0;  // done, resumed among them, failed
  std::array<uint64_t, kDropReasonCount> dropped{};         // UDP listeners and dialers
  uint64_t lost_handovers = 0;  // QUIC: datagrams for another worker's connection that it could not be given
  std::array<uint64_t, kRefusalCount> refused{};            // forwards and listeners: streams and flows, by Refusal
  std::array<uint64_t, kUdpDropCount> udp_dropped{};        // forwards and UDP listeners: datagrams, by UdpDrop
  uint64_t udp_flows = 0, udp_flows_opened = 0;             // forwards: now, ever
  uint64_t reverse_parked = 0;                              // reverse forwards: streams at hand, now
  ObjectCounters& operator+=(const ObjectCounters& other);
};

struct TargetReport {
  std::string target;
  std::vector<std::string> addresses;
  uint32_t sessions = 0;
  std::string last_error_reason;   // see TargetStatus in culvert/v1/dialer.proto; empty: none
  std::string last_error_message;
};

// What a report is to hold beside what it always does. A worker that carries traffic is asked for no more than somebody wants to know.
struct ReportWants {
  // The counters of all objects of a kind, or of those named.
  struct Objects {
    bool all = false;
    std::set<std::string> names;
    [[nodiscard]] bool Has(const std::string& name) const { return all || names.contains(name); }
  };
  Objects listeners;
  Objects dialers;
  Objects forwards;
  bool totals = false;    // of the worker. REQUIRES: all listeners and dialers are wanted
  bool sessions = false;  // those that are open, their streams, and UDP flows

  static ReportWants Everything(bool sessions);
  void Add(const ReportWants& other);
  // Whether a report of this holds what `other` wants.
  [[nodiscard]] bool Covers(const ReportWants& other) const;
};

struct WorkerReport {
  uint32_t worker = 0;
  TimePoint taken_at{};
  Duration cpu_time{};
  ObjectCounters total;                            // since the worker began, deleted objects included; all of this when it is wanted
  std::vector<SessionSnapshot> sessions;
  std::vector<StreamSnapshot> streams;
  std::vector<UdpFlowSnapshot> udp_flows;
  std::map<std::string, ObjectCounters> listeners;  // by name
  std::map<std::string, ObjectCounters> dialers;
  std::map<std::string, ObjectCounters> forwards;
  std::map<std::string, std::vector<TargetReport>> targets;  // by dialer
  std::map<std::string, io::UdpSocket::Granted> dialer_sockets;  // by dialer, once it has a socket
};

// One step of a probe; the last one is a failure (error_reason set) or kReady.
struct ProbeStep {
  enum class Phase : uint8_t { kResolve, kSocket, kHandshake, kReady };
  uint32_t attempt = 0;  // from 1
  std::string target;
  Phase phase = Phase::kResolve;
  std::string address;
  Duration elapsed{};
  SessionStats stats;           // kReady
  std::shared_ptr<const SessionTls> tls;  // kReady, when the dialer has TLS
  std::string error_reason;
  std::string error_message;
  bool last = false;            // no step follows, of any target or attempt
};

struct ProbeRequest {
  std::shared_ptr<const DialerConfig> dialer;  // need not be in the routing
  uint32_t attempts = 1;
  Duration timeout = std::chrono::seconds(5);
};

// Thread: every method may be called from any thread. A call that answers false found the mailbox full or the worker
// stopped, and has no effect.
class WorkerControl {
 public:
  virtual ~WorkerControl() = default;
  virtual uint32_t index() const = 0;
  // Runs `routing` from the next iteration on: objects whose id is unchanged live on under their new configuration; those
  // that are gone are ended (listeners: socket closed, sessions terminated). `sockets` belong to listeners new in it.
  // `done` is called once it is in force, with the final counters of the objects that went.
  [[nodiscard]] virtual bool Update(std::shared_ptr<const Routing> routing, std::vector<ListenerSocket> sockets,
                                    std::function<void(WorkerReport gone)> done) = 0;
  [[nodiscard]] virtual bool Report(ReportWants wants, std::function<void(WorkerReport)> done) = 0;
  // The last ones that ended (SessionRegistry::kMaxClosed), oldest first.
  [[nodiscard]] virtual bool ClosedSessions(std::function<void(std::vector<SessionSnapshot>)> done) = 0;
  // What has ended since record number `after` (EndedLog); 0: all that is remembered.
  [[nodiscard]] virtual bool ReadEnded(uint64_t after, std::function<void(EndedBatch)> done) = 0;
  // done(false): no such session.
  [[nodiscard]] virtual bool CloseSession(std::string id, bool graceful, std::function<void(bool found)> done) = 0;
  // `id`: of a StreamSnapshot or UdpFlowSnapshot. done(false): no such.
  [[nodiscard]] virtual bool CloseStream(std::string id, bool graceful, std::function<void(bool found)> done) = 0;
  [[nodiscard]] virtual bool CloseUdpFlow(std::string id, std::function<void(bool found)> done) = 0;
  // Opens a stream or flow through a dialer of the routing and joins it to the channel, which is told how that goes.
  [[nodiscard]] virtual bool Connect(ConnectRequest request, std::shared_ptr<ConnectChannel> channel) = 0;
  [[nodiscard]] virtual bool Probe(ProbeRequest request, std::function<void(ProbeStep)> on_step) = 0;
  // Stops accepting, lets what is moving or waits for a slow reader go on, ends in order what is silent, and ends the thread
  // when all are gone. After `grace` the rest is reset.
  virtual void BeginStop(Duration grace) = 0;
  virtual void Join() = 0;
};

class Resolver;
class SessionCounts;
class WorkerDirectory;

struct WorkerOptions {
  uint32_t index = 0;
  Resolver* resolver = nullptr;             // this and the next must outlive the worker
  Resolver* foreign_resolver = nullptr;     // of names that somebody else chose; nullptr: the same; outlives the worker too
  SessionCounts* session_counts = nullptr;
  // Sockets of UDP flows, all workers together.
  uint64_t max_udp_sockets = 65536;
  // Through which workers hand datagrams to each other: one for all of them, outlives them. nullptr: for a single worker.
  WorkerDirectory* directory = nullptr;
  // Told what happens, on the worker's thread. Empty: nobody listens.
  std::function<void(WorkerEvent)> on_event;
};

// Starts the thread. Errors: INTERNAL when the system refuses a thread, epoll set or eventfd.
absl::StatusOr<std::unique_ptr<WorkerControl>> StartWorker(const WorkerOptions& options);

}  // namespace culvert::server
