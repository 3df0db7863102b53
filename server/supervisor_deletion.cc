// Deletions that let what runs through an object end by itself first.
#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "core/io/monotonic_clock.h"
#include "server/supervisor.h"

namespace culvert::server {
namespace {

constexpr Duration kLookInterval = std::chrono::milliseconds(100);

// Whether a stream or flow of `report` runs through the object. Sessions on which nothing runs keep nobody waiting.
bool IsInUse(const ObjectKey& key, const MergedReport& report) {
  std::set<std::string> sessions;  // of the listener or dialer
  for (const SessionSnapshot& session : report.sessions) {
    const bool is_its = key.kind == Kind::kListener ? session.listener == key.name : key.kind == Kind::kDialer && session.dialer == key.name;
    if (is_its) sessions.insert(session.id);
  }
  const auto is_by_session = [&](const std::string& id) { return sessions.contains(id); };
  const auto is_by_forward = [&](const std::string& forward) { return key.kind == Kind::kForward && forward == key.name; };
  return std::ranges::any_of(report.streams, [&](const StreamSnapshot& stream) {
           return is_by_forward(stream.forward) || is_by_session(stream.session_id) || is_by_session(stream.far_session_id);
         }) ||
         std::ranges::any_of(report.udp_flows, [&](const UdpFlowSnapshot& flow) {
           const bool is_by_listener = key.kind == Kind::kListener && flow.listener == key.name;
           return is_by_forward(flow.forward) || is_by_listener || is_by_session(flow.session_id);
         });
}

}  // namespace

struct Supervisor::Draining {
  server::Change change;
  TimePoint deadline{};
  Done<ChangeOutcome> done;
};

void Supervisor::DrainAndDelete(server::Change change, Duration timeout, Done<ChangeOutcome> done) {
  ChangeSet set;
  set.manager = kApiManager;
  set.changes.push_back(change);
  set.changes.front().verb = server::Change::Verb::kDrain;
  Change(std::move(set), /*validate_only=*/false, [this, change = std::move(change), timeout, done](absl::StatusOr<ChangeOutcome> outcome) {
    // Of an object that is not in force there is nothing to drain: it is missing, or kept for better times.
    const bool is_missing = absl::IsNotFound(outcome.status()) || (outcome.ok() && outcome->results.front().after == nullptr);
    if (is_missing) {
      ChangeSet at_once;
      at_once.manager = kApiManager;
      at_once.changes.push_back(change);
      return Change(std::move(at_once), /*validate_only=*/false, done);
    }
    if (!outcome.ok()) return done(std::move(outcome));
    const auto draining = std::make_shared<Draining>(Draining{change, io::Now() + timeout, done});
    draining->change.etag.clear();  // it was the right one; status is no part of it
    draining->change.uid = MetadataOf(outcome->results.front().after->object).uid();
    AwaitDrained(draining);
  });
}

void Supervisor::AwaitDrained(const std::shared_ptr<Draining>& draining) {
  if (stopping_ || io::Now() >= draining->deadline) return EndDraining(draining);
  collector_.Collect({.sessions = true}, kLookInterval / 2, [this, draining](const ReportPtr& report) {
    if (report->is_complete && !IsInUse(draining->change.key, *report)) return EndDraining(draining);
    thread_.RunAt(io::Now() + kLookInterval, [this, draining] { AwaitDrained(draining); });
  });
}

void Supervisor::EndDraining(const std::shared_ptr<Draining>& draining) {
  ChangeSet set;
  set.manager = kApiManager;
  set.changes.push_back(draining->change);
  Change(set, /*validate_only=*/false, [this, draining, set](absl::StatusOr<ChangeOutcome> outcome) mutable {
    if (!outcome.ok() && !stopping_) {
      set.changes.front().verb = server::Change::Verb::kResume;
      set.changes.front().allow_missing = true;
      Change(std::move(set), /*validate_only=*/false, [](const absl::StatusOr<ChangeOutcome>&) {});
    }
    draining->done(std::move(outcome));
  });
}

}  // namespace culvert::server
