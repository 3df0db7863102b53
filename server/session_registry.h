// SessionRegistry: every transport session of one worker, for listings and for closing one by its id. The data path does not
// touch it.
// Thread: confined to one worker.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/slot_map.h"
#include "core/transport/event.h"
#include "core/transport/session_stats.h"
#include "server/config.h"
#include "server/object_tally.h"
#include "server/worker.h"

namespace culvert::server {

class EndpointDriver;
class TcpStream;

// How a dialer fares with one of its targets.
struct TargetState {
  HostPort target;
  std::vector<std::string> addresses;  // what it resolved to last
  uint32_t sessions = 0;
  std::string error_reason;            // of the last attempt; empty: none, or it went well
  std::string error_message;
  TimePoint skip_until{};              // it failed a moment ago: others first
};

struct Session {
  Transport transport = Transport::kTcp;
  std::shared_ptr<const ListenerConfig> listener;  // who accepted it, or
  std::shared_ptr<const DialerConfig> dialer;      // who opened it; neither: a direct forward
  std::shared_ptr<const ForwardConfig> forward;
  SocketAddress local;
  SocketAddress remote;
  int64_t opened_at_unix_ns = 0;
  ObjectTally* tally = nullptr;       // of the listener or dialer, or of all direct sessions; outlives the session
  TargetState* target = nullptr;      // of a dialer; outlives the session
  std::shared_ptr<const SessionTls> tls;  // nullptr: none, or not yet
  SlotHandle relay;                   // what joins it to its other half; stale or null: none, or (QUIC) many
  SlotHandle udp_relay;               // likewise, of datagrams
  const TcpStream* tcp = nullptr;     // one of the two is set
  EndpointDriver* driver = nullptr;
  StreamHandle stream;                // of the driver's endpoint; mKCP
  SessionHandle carrier;              // of the driver's endpoint; QUIC, where streams and their relays come and go
};

class SessionRegistry {
 public:
  explicit SessionRegistry(uint32_t worker) : worker_(worker) {}

  // Counts it as opened.
  SlotHandle Begin(Session session);
  // The last sessions that ended are remembered.
  static constexpr size_t kMaxClosed = 1024;

  // Counts it as closed and adds its final figures to its tally. A null or stale handle: nothing happens.
  void End(SlotHandle handle, const SessionStats& final_stats, CloseReason reason = CloseReason::kNone);
  // Oldest first, with closed_at_unix_ns.
  [[nodiscard]] const std::deque<SessionSnapshot>& closed() const { return closed_; }

  [[nodiscard]] Session* Find(SlotHandle handle) { return sessions_.Find(handle); }
  [[nodiscard]] size_t size() const { return sessions_.size(); }
  template <typename Visitor>
  void ForEach(Visitor&& visit) {
    sessions_.ForEach(visit);
  }

  // "s0x1a": worker 0, then the handle. Unique in a run of the daemon.
  [[nodiscard]] std::string IdOf(SlotHandle handle) const;
  // nullopt: not an id of this worker.
  [[nodiscard]] std::optional<SlotHandle> Parse(std::string_view id) const;

  [[nodiscard]] static SessionStats StatsOf(const Session& session, TimePoint now);
  [[nodiscard]] SessionSnapshot SnapshotOf(SlotHandle handle, const Session& session, const SessionStats& stats) const;

 private:
  const uint32_t worker_;
  SlotMap<Session> sessions_;
  std::deque<SessionSnapshot> closed_;
};

}  // namespace culvert::server
