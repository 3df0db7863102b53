// What the daemon says of itself, and what it does by the clock. Changes are in supervisor.cc.
#include <utility>

#include "core/io/monotonic_clock.h"
#include "server/lease.h"
#include "server/process.h"
#include "server/stats_proto.h"
#include "server/supervisor.h"

namespace culvert::server {

void Supervisor::GetDaemon(Done<v1::Daemon> done) {
  const bool is_posted = Post([this, done] {
    collector_.Collect(ReportWants::Everything(/*sessions=*/false), Duration::zero(), [this, done](const ReportPtr& report) { done(DescribeDaemon(*report)); });
  });
  if (!is_posted) done(RefusalStatus());
}

v1::Daemon Supervisor::DescribeDaemon(const MergedReport& report) const {
  const DaemonFacts& facts = options_.facts;
  v1::Daemon daemon;
  daemon.set_version(facts.version);
  for (const char* feature :
       {"tcp", "udp", "kcp", "kcp-xray", "quic", "tls", "culvert", "socks5", "http-connect", "reverse"}) {
    daemon.add_features(feature);
  }
  *daemon.mutable_start_time() = ToTimestamp(facts.start_unix_ns);
  *daemon.mutable_uptime() = ToProto(io::Now() - facts.started_at);
  daemon.set_udp_gso(facts.udp_gso);
  daemon.set_udp_gro(facts.udp_gro);
  daemon.set_hostname(facts.hostname);
  daemon.set_pid(facts.pid);
  *daemon.mutable_time() = ToTimestamp(io::UnixNanoseconds());
  daemon.set_clock_is_synchronized(ClockIsSynchronized());
  daemon.set_open_files(OpenFiles());
  daemon.set_open_files_limit(MaxOpenFiles());
  daemon.set_listeners(static_cast<int32_t>(table_.CountOf(Kind::kListener)));
  daemon.set_dialers(static_cast<int32_t>(table_.CountOf(Kind::kDialer)));
  daemon.set_forwards(static_cast<int32_t>(table_.CountOf(Kind::kForward)));
  daemon.set_sessions(static_cast<int64_t>(report.total.active));
  *daemon.mutable_counters() = ToProto(report.total);
  for (const MergedReport::Worker& worker : report.workers) {
    v1::WorkerStatus& status = *daemon.add_workers();
    status.set_index(worker.index);
    status.set_sessions(static_cast<int64_t>(worker.total.active));
    *status.mutable_counters() = ToProto(worker.total);
    *status.mutable_cpu_time() = ToProto(worker.cpu_time);
  }
  *daemon.mutable_drain() = drain_.ToProto();
  std::vector<v1::Warning> warnings;
  for (const auto& [key, entry] : table_.entries()) {
    if (warnings.size() >= kMaxViolations) break;
    if (key.kind == Kind::kForward) continue;
    AppendWarnings(*entry, key.kind == Kind::kListener ? running_state_.BoundOf(key.name) : std::nullopt, tls_reload_.FaultOf(*entry), io::UnixNanoseconds(), warnings);
  }
  if (options_.store && !store_health_.ok()) {
    v1::Warning& warning = warnings.emplace_back();
    warning.set_field("state_dir");
    warning.set_reason("STATE_NOT_KEPT");
    warning.set_message(std::string(store_health_.message()));
  }
  for (const auto& [key, pending] : pending_) {
    if (warnings.size() >= kMaxViolations) break;
    v1::Warning& warning = warnings.emplace_back();
    warning.set_field(key.ToString());
    warning.set_reason("NOT_IN_FORCE");
    warning.set_message("is kept, but not in force: " + pending.why);
  }
  AddConditions({.has_store = options_.store != nullptr,
                 .store_health = store_health_,
                 .has_config_dirs = config_status_.config_dirs_size() > 0,
                 .rejected_message = config_status_.rejected_message(),
                 .pending = pending_.size(),
                 .now_unix_ns = io::UnixNanoseconds()},
                *conditions_, daemon);
  for (v1::Warning& warning : warnings) *daemon.add_warnings() = std::move(warning);
  return daemon;
}

void Supervisor::GetConfigStatus(Done<v1::GetConfigStatusResponse> done) {
  const bool is_posted = Post([this, done] {
    v1::GetConfigStatusResponse status = config_status_;
    status.set_revision(revisions_.current());
    status.set_state_is_kept(options_.store != nullptr && store_health_.ok());
    if (!store_health_.ok()) status.set_state_message(std::string(store_health_.message()));
    for (const auto& [key, pending] : pending_) {
      v1::PendingObject& out = *status.add_pending();
      out.set_subject(key.ToString());
      out.set_message(pending.why);
    }
    done(std::move(status));
  });
  if (!is_posted) done(RefusalStatus());
}

void Supervisor::SetLogLevel(std::string component, LogLevel level, Duration revert_after, Done<LogLevel> done) {
  const bool is_posted = Post([this, component, level, revert_after, done] { done(log_levels_.Set(component, level, revert_after)); });
  if (!is_posted) done(RefusalStatus());
}

void Supervisor::EverySecond(std::function<void()> task) {
  static_cast<void>(thread_.Post([this, task = std::move(task)] { every_second_.push_back(task); }));
}

void Supervisor::Tick() {
  thread_.RunAt(io::Now() + std::chrono::seconds(1), [this] { Tick(); });
  for (const auto& task : every_second_) task();
  if (stopping_) return;
  EndLeases();
  EndPendingLeases();
  RetryPending();
}

// An object whose lease is over goes as if its creator had deleted it.
void Supervisor::EndLeases() {
  const std::vector<ObjectKey> gone = ExpiredIn(table_, io::UnixNanoseconds(), io::Now());
  if (gone.empty()) return;
  ChangeSet set;
  set.manager = "lease";
  for (const ObjectKey& key : gone) {
    server::Change& change = set.changes.emplace_back();
    change.verb = server::Change::Verb::kDelete;
    change.key = key;
    change.allow_missing = true;
    change.if_expired = true;
  }
  Change(std::move(set), /*validate_only=*/false, [](const absl::StatusOr<ChangeOutcome>&) {});
}

}  // namespace culvert::server
