#include "server/session_registry.h"

#include <utility>

#include "core/io/monotonic_clock.h"
#include "server/endpoint_driver.h"
#include "server/handle_text.h"
#include "server/tcp_stream.h"

namespace culvert::server {
SlotHandle SessionRegistry::Begin(Session session) {
  session.opened_at_unix_ns = io::UnixNanoseconds();
  session.tally->OnOpened();
  if (session.target != nullptr) ++session.target->sessions;
  return sessions_.Emplace(std::move(session));
}

void SessionRegistry::End(SlotHandle handle, const SessionStats& final_stats, CloseReason reason) {
  Session* session = sessions_.Find(handle);
  if (session == nullptr) return;
  AddSession(final_stats, session->tally->counters);
  session->tally->OnClosed();
  if (session->target != nullptr) --session->target->sessions;
  SessionSnapshot& last = closed_.emplace_back(SnapshotOf(handle, *session, final_stats));
  last.closed_at_unix_ns = io::UnixNanoseconds();
  last.close_reason = reason == CloseReason::kNone ? "" : CloseReasonName(reason);
  if (closed_.size() > kMaxClosed) closed_.pop_front();
  sessions_.Erase(handle);
}

std::string SessionRegistry::IdOf(SlotHandle handle) const { return "s" + HandleText(worker_, handle); }

std::optional<SlotHandle> SessionRegistry::Parse(std::string_view id) const {
  if (id.empty() || id[0] != 's') return std::nullopt;
  return ParseHandleText(id.substr(1), worker_);
}

SessionStats SessionRegistry::StatsOf(const Session& session, TimePoint now) {
  if (session.tcp != nullptr) {
    SessionStats stats = session.tcp->Stats();
    stats.outgoing = session.listener == nullptr;
    return stats;
  }
  if (session.driver != nullptr) {
    const Endpoint& endpoint = session.driver->endpoint();
    const auto stats = session.transport == Transport::kQuic ? endpoint.GetSessionStats(now, session.carrier)
                                                             : endpoint.GetStats(now, session.stream);
    if (stats) return *stats;
  }
  return {};
}

SessionSnapshot SessionRegistry::SnapshotOf(SlotHandle handle, const Session& session, const SessionStats& stats) const {
  SessionSnapshot snapshot;
  snapshot.id = IdOf(handle);
  snapshot.transport = session.transport;
  if (session.listener) {
    snapshot.listener = session.listener->id.name;
    snapshot.insecure = session.listener->insecure;
  }
  if (session.dialer) {
    snapshot.dialer = session.dialer->id.name;
    snapshot.insecure = session.dialer->insecure;
  }
  if (session.forward) snapshot.forward = session.forward->id.name;
  snapshot.local = session.local;
  // The peer of a QUIC session may move.
  const bool may_move = session.transport == Transport::kQuic && stats.peer.ip.family() != IpAddress::Family::kNone;
  snapshot.remote = may_move ? stats.peer : session.remote;
  snapshot.worker = worker_;
  snapshot.opened_at_unix_ns = session.opened_at_unix_ns;
  snapshot.tls = session.tls;
  snapshot.stats = stats;
  return snapshot;
}

}  // namespace culvert::server
