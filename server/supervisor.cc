// The life of a change, in the order of the functions below: Change -> BeginNextChange -> Plan -> Execute -> OnInForce ->
// AnswerChange -> BeginNextChange.
#include "server/supervisor.h"

#include <algorithm>
#include <utility>

#include "core/base/log.h"
#include "core/io/monotonic_clock.h"
#include "server/config_from_proto.h"
#include "server/error_builder.h"
#include "server/rollout.h"
#include "server/stats_proto.h"

namespace culvert::server {
namespace {

using Action = ChangeResult::Action;
constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;
// How old counters in a list may be.
constexpr Duration kListingAge = std::chrono::milliseconds(50);

const char* ActionText(Action action) {
  switch (action) {
    case Action::kCreated: return "created";
    case Action::kConfigured: return "configured";
    case Action::kDeleted: return "deleted";
    case Action::kUnchanged: return "unchanged";
    case Action::kDraining: return "draining";
    case Action::kResumed: return "resumed";
    case Action::kMissing: break;
  }
  return "missing";
}

bool ChangesAnything(const ChangePlan& plan) {
  for (const ChangeResult& result : plan.results) {
    if (result.action != Action::kUnchanged && result.action != Action::kMissing) return true;
  }
  return false;
}

// The counters of one object, or of all of its kind.
ReportWants::Objects& ObjectsOf(Kind kind, ReportWants& wants) {
  return kind == Kind::kListener ? wants.listeners : kind == Kind::kDialer ? wants.dialers : wants.forwards;
}

std::string PathsText(const ChangeResult& result) {
  std::string paths;
  for (const std::string& path : result.changed_paths) paths += (paths.empty() ? "" : ",") + path;
  return paths;
}

// The audit trail: who asked (the manager) and what became of it; paths, never values.
void LogResults(const ChangePlan& plan, const std::string& manager) {
  for (const ChangeResult& result : plan.results) {
    if (result.action == Action::kUnchanged || result.action == Action::kMissing) continue;
    Log(LogLevel::kInfo, "control", result.key.ToString() + " " + ActionText(result.action),
        {{"manager", manager}, {"changed", PathsText(result)}, {"disruptive", result.disruptive ? "true" : "false"}});
    for (const v1::Warning& warning : result.warnings) {
      Log(LogLevel::kWarning, "control", result.key.ToString() + ": " + warning.field() + ": " + warning.message(),
          {{"reason", warning.reason()}});
    }
  }
  for (const ObjectKey& key : plan.also_deleted) {
    Log(LogLevel::kInfo, "control", key.ToString() + " deleted with what it refers to", {{"manager", manager}});
  }
}

}  // namespace

Supervisor::Supervisor(ControlThread& thread, SupervisorOptions options)
    : thread_(thread),
      options_(std::move(options)),
      revisions_(options_.facts.start_unix_ns),
      events_(thread, revisions_),
      collector_(thread, options_.workers),
      running_state_(*options_.binder, options_.workers.size()),
      hash_(options_.etag_key ? KeyedHash(*options_.etag_key) : KeyedHash(*options_.random)),
      watches_(thread, revisions_, collector_, events_, [this](const ReportPtr& report, SubjectBook& book, std::function<void()> done) { Look(report, book, std::move(done)); }),
      log_levels_(thread),
      config_status_(options_.config_status) {
  // Timers are made on the thread itself.
  static_cast<void>(thread_.Post([this] {
    LookAtFiles();
    Tick();
    if (options_.quic_identity != nullptr) thread_.RunAt(io::Now() + options_.identity_interval, [this] { RenewIdentity(); });
  }));
}

void Supervisor::BeginStop() {
  stopping_ = true;
  events_.BeginStop();
  watches_.BeginStop();
}

bool Supervisor::Post(ControlThread::Task task) { return !stopping_ && thread_.Post(std::move(task)); }

absl::Status Supervisor::RefusalStatus() const { return stopping_ ? DaemonStopping() : ControlOverloaded(); }

PlanContext Supervisor::MakeContext() {
  return {&hash_, options_.random, &next_incarnation_, io::UnixNanoseconds(), io::Now(), options_.read_seed_file,
          options_.read_file, &options_.credential_folders, options_.quic_identity != nullptr ? options_.quic_identity->shared() : nullptr};
}

void Supervisor::Change(ChangeSet set, bool validate_only, Done<ChangeOutcome> done) {
  const auto waiting = std::make_shared<Waiting>(Waiting{std::move(set), validate_only, done});
  const bool is_posted = Post([this, waiting] {
    if (waiting_.size() >= kMaxWaitingChanges) return waiting->done(ControlOverloaded());
    waiting_.push_back(std::move(*waiting));
    BeginNextChange();
  });
  if (!is_posted) done(RefusalStatus());
}

void Supervisor::BeginNextChange() {
  while (!change_is_running_ && !waiting_.empty()) {
    Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    Plan(std::move(next));
  }
}

// Renewed certificates are a change like any other: in its turn, put into force on every worker. Nobody waits for it.
void Supervisor::LookAtFiles() {
  thread_.RunAt(io::Now() + options_.reload_interval, [this] { LookAtFiles(); });
  if (change_is_running_ || stopping_ || !options_.read_file) return;  // the next look is soon enough
  LookAtSecretFiles();
  if (change_is_running_) return;
  const std::vector<EntryPtr> renewed = WithRenewedIdentity(tls_reload_.Look(table_, options_.read_file, hash_));
  RecordReloadFaults();
  if (renewed.empty()) return;
  ChangePlan plan;
  plan.table = table_;
  for (const EntryPtr& entry : renewed) plan.table.Put(entry);
  Waiting waiting;
  waiting.done = [](const absl::StatusOr<ChangeOutcome>& outcome) {
    if (!outcome.ok()) Log(LogLevel::kWarning, "control", "renewed files are not in use yet", {{"error", std::string(outcome.status().message())}});
  };
  Execute(std::move(waiting), std::move(plan));
}

// What it changes reaches the objects with the next look at files.
void Supervisor::RenewIdentity() {
  thread_.RunAt(io::Now() + options_.identity_interval, [this] { RenewIdentity(); });
  options_.quic_identity->Renew(io::UnixNanoseconds() / kNanosecondsPerSecond);
}

std::vector<EntryPtr> Supervisor::WithRenewedIdentity(std::vector<EntryPtr> renewed) const {
  if (options_.quic_identity == nullptr) return renewed;
  const std::shared_ptr<const QuicShared>& shared = options_.quic_identity->shared();
  for (const auto& [key, entry] : table_.entries()) {
    if (entry->quic_shared == nullptr || entry->quic_shared == shared) continue;
    const auto at = std::ranges::find_if(renewed, [&key](const EntryPtr& one) { return KeyOf(one->object) == key; });
    auto next = std::make_shared<Entry>(at != renewed.end() ? **at : *entry);
    next->quic_shared = shared;
    if (key.kind == Kind::kListener && TlsOf(next->object) == nullptr) next->tls = shared->server_tls;
    if (at != renewed.end()) {
      *at = std::move(next);
    } else {
      renewed.push_back(std::move(next));
    }
  }
  return renewed;
}

void Supervisor::RecordResults(const ChangePlan& plan, const std::string& manager) {
  const std::string by = "by manager " + manager;
  for (const ChangeResult& result : plan.results) {
    const std::string subject = result.key.ToString();
    switch (result.action) {
      case Action::kCreated: events_.Record(EventType::kNormal, "Created", subject, by); break;
      case Action::kConfigured: events_.Record(EventType::kNormal, "Configured", subject, PathsText(result)); break;
      case Action::kDeleted: events_.Record(EventType::kNormal, "Deleted", subject, by); break;
      case Action::kDraining: events_.Record(EventType::kNormal, "Draining", subject, "is to be deleted and takes nothing new"); break;
      case Action::kResumed: events_.Record(EventType::kWarning, "Resumed", subject, "could not be deleted and goes on"); break;
      case Action::kUnchanged:
      case Action::kMissing: break;
    }
  }
  for (const ObjectKey& key : plan.also_deleted) {
    events_.Record(EventType::kNormal, "Deleted", key.ToString(), "with what it refers to");
  }
}

// A fault lasts until the files change again; it is an event once.
void Supervisor::RecordReloadFaults() {
  std::map<ObjectKey, std::string> faults;
  for (const auto& [key, entry] : table_.entries()) {
    if (entry->tls == nullptr) continue;
    std::string fault = tls_reload_.FaultOf(*entry);
    if (fault.empty()) continue;
    const auto known = reload_faults_.find(key);
    if (known == reload_faults_.end() || known->second != fault) {
      events_.Record(EventType::kWarning, "CertificateNotTaken", key.ToString(), "changed files are not used: " + fault);
    }
    faults.emplace(key, std::move(fault));
  }
  reload_faults_ = std::move(faults);
}

// What a dialer is to be told of a listener that shows a certificate of our own making.
void Supervisor::LogPins(const ChangePlan& plan) const {
  for (const ChangeResult& result : plan.results) {
    if (result.after == nullptr || result.action == Action::kUnchanged || result.key.kind != Kind::kListener) continue;
    if (result.after->quic == nullptr || TlsOf(result.after->object) != nullptr) continue;
    const auto& own = result.after->tls->own_certificate();
    if (!own) continue;
    Log(LogLevel::kInfo, "control", result.key.ToString() + " shows a self-signed certificate",
        {{"spki", tls::FormatSpkiPin(own->spki)}});
  }
}

void Supervisor::Plan(Waiting waiting) {
  // What was deleted while its restoration waited stays deleted.
  if (waiting.set.is_restored) {
    std::erase_if(waiting.set.changes, [this](const server::Change& change) { return !kept_.contains(KeyOf(change.object)); });
  }
  if (DeletePending(waiting)) return;
  if (waiting.drain) {
    running_state_.set_drain(*waiting.drain);
    ChangePlan as_it_is;
    as_it_is.table = table_;
    return Execute(std::move(waiting), std::move(as_it_is));
  }
  change_is_running_ = true;
  const auto planning = std::make_shared<Planning>(std::move(waiting), table_, MakeContext());
  if (planning->plan.GoOn()) return GoOnPlanning(planning);
  change_is_running_ = false;
  ActOn(std::move(planning->waiting), planning->plan.Take());
}

void Supervisor::GoOnPlanning(const std::shared_ptr<Planning>& planning) {
  thread_.PostRest([this, planning] {
    if (planning->plan.GoOn()) return GoOnPlanning(planning);
    change_is_running_ = false;
    ActOn(std::move(planning->waiting), planning->plan.Take());
    BeginNextChange();
  });
}

void Supervisor::ActOn(Waiting waiting, absl::StatusOr<ChangePlan> plan) {
  if (!plan.ok()) return waiting.done(std::move(plan).status());
  if (!waiting.validate_only && ChangesAnything(*plan)) return Execute(std::move(waiting), *std::move(plan));

  change_is_running_ = true;
  const auto running = std::make_shared<Running>();
  running->plan = *std::move(plan);
  running->done = std::move(waiting.done);
  // Leases that were put off take effect by replacing the table; the workers know nothing of them.
  running->is_trial = waiting.validate_only;
  if (!running->is_trial) table_ = std::move(running->plan.table);
  AnswerChange(running);
}

void Supervisor::Execute(Waiting waiting, ChangePlan plan) {
  const auto running = std::make_shared<Running>();
  absl::StatusOr<RunningState::Prepared> prepared = running_state_.Prepare(plan, waiting.set.is_apply);
  if (!prepared.ok()) return waiting.done(std::move(prepared).status());
  running->plan = std::move(plan);
  running->prepared = *std::move(prepared);
  running->manager = waiting.set.manager;
  running->done = std::move(waiting.done);
  change_is_running_ = true;
  // Its caller is told by the deadline of the call (call_book.h), under whose request id the change goes on.
  thread_.RunAt(io::Now() + kChangeTimeout, [weak = std::weak_ptr<Running>(running)] {
    const std::shared_ptr<Running> late = weak.lock();
    if (late == nullptr || late->done == nullptr) return;
    Log(LogLevel::kError, "control", "a change takes too long: a worker or the disk does not answer");
  });
  // Kept first: what a caller is told is done must outlive whatever happens next. What then cannot come into force is taken back.
  if (options_.store && !waiting.set.is_restored) running->kept = ChangesToKeep(running->plan, waiting.set);
  if (running->kept.empty()) return BeginRollout(running);
  // What is over is over, whether the disk can be told now or once it takes writes again.
  const bool goes_on = !waiting.set.changes.empty() && waiting.set.changes.front().if_expired;
  options_.store(running->kept, [this, running, goes_on](const absl::Status& kept) {
    if (kept.ok() || goes_on) {
      running->undo = Keep(running->kept);
      return BeginRollout(running);
    }
    running->prepared = {};  // ports are free again before the caller learns of it
    EndChange(running, kept);
  });
}

void Supervisor::EndChange(const std::shared_ptr<Running>& running, absl::StatusOr<ChangeOutcome> outcome) {
  change_is_running_ = false;
  if (running->done) std::exchange(running->done, nullptr)(std::move(outcome));
  BeginNextChange();
}

void Supervisor::BeginRollout(const std::shared_ptr<Running>& running) {
  const absl::Status begun = Rollout::Begin(
      thread_, options_.workers, running->prepared.routing,
      [running](size_t worker) { return RunningState::HandlesFor(running->prepared, worker); },
      [this, running](const WorkerReport& gone) { OnInForce(running, gone); });
  if (begun.ok()) return;
  running->prepared = {};
  TakeBack(running, begun);
}

void Supervisor::OnInForce(const std::shared_ptr<Running>& running, const WorkerReport& gone) {
  LogResults(running->plan, running->manager);
  RecordResults(running->plan, running->manager);
  LogPins(running->plan);
  // Before Commit, which forgets what the objects that went had counted under earlier incarnations.
  for (const ChangeResult& result : running->plan.results) {
    const bool is_deleted = result.action == Action::kDeleted;
    running->final_views.push_back(is_deleted ? running_state_.FinalView(*result.before, gone) : v1::Object());
  }
  running_state_.Commit(running->plan, std::move(running->prepared), gone);
  table_ = std::move(running->plan.table);
  running->is_in_force = true;
  AnswerChange(running);
}

void Supervisor::AnswerChange(const std::shared_ptr<Running>& running) {
  ReportWants wants;
  for (const ChangeResult& result : running->plan.results) ObjectsOf(result.key.kind, wants).names.insert(result.key.name);
  collector_.Collect(wants, Duration::zero(), [this, running](const ReportPtr& report) {
    ChangeOutcome outcome;
    for (size_t i = 0; i < running->plan.results.size(); ++i) {
      outcome.objects.push_back(ViewOfResult(*running, i, *report));
    }
    TellWatchers(*running, outcome.objects);
    outcome.results = std::move(running->plan.results);
    outcome.revision = revisions_.current();
    EndChange(running, std::move(outcome));
  });
}

v1::Object Supervisor::ViewOfResult(const Running& running, size_t index, const MergedReport& report) {
  const ChangeResult& result = running.plan.results[index];
  switch (result.action) {
    case Action::kMissing: return v1::Object();
    case Action::kDeleted:
      return running.is_in_force ? running.final_views[index] : ViewOf(result.key, result.before).In(report);
    case Action::kCreated:
      // Of a creation that was only tried there is nothing to observe.
      return running.is_in_force ? ViewOf(result.key, result.after).In(report) : RedactedObject(*result.after);
    default: return ViewOf(result.key, result.after).In(report);
  }
}

void Supervisor::Get(ObjectKey key, Done<v1::Object> done) {
  const bool is_posted = Post([this, key, done] {
    if (table_.Find(key) == nullptr) return done(NotFound(key));
    ReportWants wants;
    ObjectsOf(key.kind, wants).names.insert(key.name);
    collector_.Collect(wants, Duration::zero(), [this, key, done](const ReportPtr& report) {
      const EntryPtr entry = table_.Find(key);  // it may have gone while the workers were asked
      if (entry == nullptr) return done(NotFound(key));
      done(ViewOf(key, entry).In(*report));
    });
  });
  if (!is_posted) done(RefusalStatus());
}

void Supervisor::List(Kind kind, SelectRange select, Done<Listing> done) {
  const bool is_posted = Post([this, kind, select, done] {
    const std::vector<EntryPtr> entries = table_.OfKind(kind);
    const absl::StatusOr<Range> range = select(entries);
    if (!range.ok()) return done(range.status());
    const auto selected = std::make_shared<std::vector<EntryPtr>>(entries.begin() + static_cast<ptrdiff_t>(range->begin),
                                                                  entries.begin() + static_cast<ptrdiff_t>(range->end));
    ReportWants wants;
    ReportWants::Objects& objects = ObjectsOf(kind, wants);
    objects.all = selected->size() == entries.size();
    if (!objects.all) {
      for (const EntryPtr& entry : *selected) objects.names.emplace_hint(objects.names.end(), MetadataOf(entry->object).name());
    }
    const int64_t revision = revisions_.current();
    collector_.Collect(wants, kListingAge, [this, selected, revision, done](const ReportPtr& report) {
      const auto listing = std::make_shared<Listing>();
      listing->objects.reserve(selected->size());
      for (const EntryPtr& entry : *selected) listing->objects.push_back(ViewOf(KeyOf(entry->object), entry));
      listing->report = report;
      listing->revision = revision;
      if (!Aside([done, listing] { done(std::move(*listing)); })) done(ControlOverloaded());
    });
  });
  if (!is_posted) done(RefusalStatus());
}

void Supervisor::Export(std::string manager, Done<std::vector<v1::Object>> done) {
  const bool is_posted = Post([this, manager, done] {
    std::vector<v1::Object> objects;
    for (const auto& [key, entry] : table_.entries()) {
      if (manager.empty() || MetadataOf(entry->object).manager() == manager) objects.push_back(RedactedObject(*entry));
    }
    done(std::move(objects));
  });
  if (!is_posted) done(RefusalStatus());
}

}  // namespace culvert::server
