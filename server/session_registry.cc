#include "server/session_registry.h"

#include <charconv>
#include <system_error>
#include <utility>

#include "core/io/monotonic_clock.h"
#include "server/endpoint_driver.h"
#include "server/tcp_stream.h"

namespace culvert::server {
namespace {

constexpr int kIdBase = 36;

void AppendNumber(std::string& text, uint64_t number, int base) {
  char digits[24];
  const auto result = std::to_chars(digits, digits + sizeof digits, number, base);
  text.append(digits, result.ptr);
}

template <typename Number>
bool ReadNumber(std::string_view& text, Number& number, int base) {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (result.ec != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(result.ptr - text.data()));
  return true;
}

}  // namespace

SlotHandle SessionRegistry::Begin(Session session) {
  session.opened_at_unix_ns = io::UnixNanoseconds();
  session.tally->OnOpened();
  if (session.target != nullptr) ++session.target->sessions;
  return sessions_.Emplace(std::move(session));
}

void SessionRegistry::End(SlotHandle handle, const SessionStats& final_stats) {
  Session* session = sessions_.Find(handle);
  if (session == nullptr) return;
  AddSession(final_stats, session->tally->counters);
  session->tally->OnClosed();
  if (session->target != nullptr) --session->target->sessions;
  sessions_.Erase(handle);
}

std::string SessionRegistry::IdOf(SlotHandle handle) const {
  std::string id = "s";
  AppendNumber(id, worker_, 10);
  id += 'x';
  // The index above the generation keeps the number short for the first users of a slot.
  AppendNumber(id, static_cast<uint64_t>(handle.index) << 32 | handle.generation, kIdBase);
  return id;
}

std::optional<SlotHandle> SessionRegistry::Parse(std::string_view id) const {
  uint32_t worker = 0;
  uint64_t number = 0;
  if (id.empty() || id[0] != 's') return std::nullopt;
  id.remove_prefix(1);
  if (!ReadNumber(id, worker, 10) || worker != worker_ || id.empty() || id[0] != 'x') return std::nullopt;
  id.remove_prefix(1);
  if (!ReadNumber(id, number, kIdBase) || !id.empty()) return std::nullopt;
  return SlotHandle{static_cast<uint32_t>(number >> 32), static_cast<uint32_t>(number)};
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
