// Supervisor: owns desired state and makes it real. All changes have one order: each is planned against the table as it is
// (change_plan.h), its sockets are bound (running_state.h), every worker puts it into force (rollout.h), and only then
// is it answered and the next one begun. Until the first worker has accepted, a failure leaves everything as it was.
// Thread: every method may be called from any thread and returns at once; `done` is called exactly once, on the control
// thread (where it says so: aside), or at once on the caller's when the request cannot be queued.
// Limits: kMaxWaitingChanges changes wait at a time; beyond, CONTROL_OVERLOADED.
#pragma once

#include <array>
#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/crypto/keyed_hash.h"
#include "culvert/v1/daemon.pb.h"
#include "server/change_plan.h"
#include "server/control_thread.h"
#include "server/drain.h"
#include "server/event_hub.h"
#include "server/file_objects.h"
#include "server/log_book.h"
#include "server/log_levels.h"
#include "server/observe/observation.h"
#include "server/report_collector.h"
#include "server/running_state.h"
#include "server/store/object_store.h"
#include "server/tls_reload.h"
#include "server/watch/revision.h"
#include "server/watch/watch_hub.h"

namespace culvert::server {

// What the daemon says of itself that does not change while it runs.
struct DaemonFacts {
  std::string version;
  std::string hostname;
  int64_t pid = 0;
  int64_t start_unix_ns = 0;
  TimePoint started_at{};
  bool udp_gso = false;
  bool udp_gro = false;
};

struct SupervisorOptions {
  std::vector<WorkerControl*> workers;  // at least one; outlive the supervisor
  SocketBinder* binder = nullptr;       // outlives it
  RandomSource* random = nullptr;       // outlives it; used on the control thread only
  std::function<absl::StatusOr<std::string>(const std::string& path, const std::string& field)> read_seed_file;
  ReadFile read_file;                   // of keys, certificates and users
  CredentialFolders credential_folders; // below which callers who are no admins may name files
  Duration reload_interval = std::chrono::seconds(3);  // how often those are looked at
  QuicIdentity* quic_identity = nullptr;  // outlives it; used on the control thread only; nullptr: no object is of transport QUIC
  Duration identity_interval = std::chrono::hours(1);  // how often it is renewed
  // Makes changes of what the API made last (store/store_writer.h): `done` is called on the control thread, OK once they are on the
  // disk. Empty: nothing is kept.
  std::function<void(std::vector<StoreChange> changes, std::function<void(absl::Status)> done)> store;
  std::optional<std::array<uint64_t, 2>> etag_key;  // of the store, so that etags outlive a run
  const LogBook* logs = nullptr;  // the daemon's log; outlives it
  DaemonFacts facts;
  v1::GetConfigStatusResponse config_status;  // what does not change while it runs
  Duration drain_timeout = std::chrono::seconds(10);  // where a drain names none
  std::function<void()> on_drained;  // a drain is over that was to end the daemon; on the control thread
  // Of a file of seeds, keys or users: differs when it may have changed; 0: it is not there. Empty: none of them is looked at again.
  std::function<uint64_t(const std::string& path)> stamp_file;
};

class Supervisor {
 public:
  static constexpr size_t kMaxWaitingChanges = 256;
  static constexpr size_t kMaxProbes = 16;
  static constexpr size_t kMaxAside = 256;
  static constexpr int kAsideNiceness = 5;
  // How long a change may take before its caller is told that the workers do not answer. It goes on all the same.
  static constexpr Duration kChangeTimeout = std::chrono::seconds(10);

  struct ChangeOutcome {
    std::vector<ChangeResult> results;
    std::vector<v1::Object> objects;  // one a result: with status; of deleted ones the final one; empty for kMissing
    int64_t revision = 0;             // of the declared objects now
  };
  // What there is at a moment.
  struct Listing {
    std::vector<ObjectView> objects;  // those that were selected, sorted by name
    ReportPtr report;                 // what ObjectView::In takes
    int64_t revision = 0;
  };
  template <typename T>
  using Done = std::function<void(absl::StatusOr<T>)>;

  Supervisor(ControlThread& thread, SupervisorOptions options);

  void Change(ChangeSet set, bool validate_only, Done<ChangeOutcome> done);
  // Deletes an object as `change` (kDelete) says, after it took nothing new for `timeout`, or less when nothing was left before. `done`: the
  // deletion's, or why it cannot be; then the object goes on as before.
  void DrainAndDelete(server::Change change, Duration timeout, Done<ChangeOutcome> done);
  void Get(ObjectKey key, Done<v1::Object> done);
  // Which of the objects of a kind, sorted by name, are wanted: from `begin`, before `end`. Runs on the control thread.
  struct Range {
    size_t begin = 0;
    size_t end = 0;
  };
  using SelectRange = std::function<absl::StatusOr<Range>(const std::vector<EntryPtr>& entries)>;
  // `done` runs aside (see Aside), where it may take its time.
  void List(Kind kind, SelectRange select, Done<Listing> done);
  // Without status, sorted by kind and name. `manager` empty: all.
  void Export(std::string manager, Done<std::vector<v1::Object>> done);
  // Sessions, streams and flows of all workers, sorted by id. `done` runs aside.
  void Sessions(Done<ReportPtr> done);
  // The last ones that ended, on all workers, sorted by id. `done` runs aside.
  void ClosedSessions(Done<std::vector<SessionSnapshot>> done);
  // Runs `task` on a thread where lists are made, one after the other: making one of ten thousand objects must not hold up a change, and
  // it gives way to workers. False, and no effect: too many wait.
  [[nodiscard]] bool Aside(ControlThread::Task task) { return aside_.Post(std::move(task)); }
  // And back to the control thread.
  void PostBack(ControlThread::Task task) { thread_.PostReply(std::move(task)); }
  // NOT_FOUND when no worker knows it.
  void CloseSession(std::string id, bool graceful, bool validate_only, std::function<void(absl::Status)> done);
  // The same of a stream or a UDP flow, by the ids of their snapshots.
  void CloseStream(std::string id, bool graceful, bool validate_only, std::function<void(absl::Status)> done);
  void CloseUdpFlow(std::string id, bool validate_only, std::function<void(absl::Status)> done);
  // Puts what a store kept into force, as far as that is possible; the rest is tried again every few seconds. An object of a name that
  // a configuration folder has taken stays in the store. `done`: all of it was tried.
  void Restore(std::vector<v1::Object> objects, std::function<void()> done);
  // The same on the control thread: they count as kept when it returns.
  void RestoreHere(std::vector<v1::Object> objects) { RestoreNow(std::move(objects), nullptr); }
  // Everything that was acknowledged and is kept. The control thread.
  [[nodiscard]] std::vector<v1::Object> KeptObjects() const;
  // Whether what is declared can be kept: at the start and at every change. The control thread, or before it runs anything.
  void SetStoreHealth(absl::Status health);
  // Hands a call to a worker; `done` says whether one took it. How it goes the channel is told. NOT_FOUND, INVALID_ARGUMENT.
  void Connect(ConnectRequest request, std::shared_ptr<ConnectChannel> channel, std::function<void(absl::Status)> done);
  void GetDaemon(Done<v1::Daemon> done);
  void GetConfigStatus(Done<v1::GetConfigStatusResponse> done);
  // Draining the daemon; see culvert/v1/daemon.proto. CancelDrain without a drain does nothing.
  void StartDrain(const DrainRequest& request, Done<v1::Drain> done);
  void CancelDrain(Done<v1::Drain> done);
  // Makes what the configuration folders declare so, and prunes what they declared before: all of it or, on any error, none. What became of
  // it GetConfigStatus tells; `done` gets what was wrong, also in lines of the files.
  void LoadConfig(ConfigFiles files, std::function<void(absl::Status status, std::vector<std::string> faults)> done);
  // Reads the files again that objects name; a result for each object that names some.
  void ReloadCredentials(Done<v1::ReloadCredentialsResponse> done);
  // For probes and metrics. `done` runs aside.
  void Observe(Done<Observation> done);
  // See log_levels.h. The level before.
  void SetLogLevel(std::string component, LogLevel level, Duration revert_after, Done<LogLevel> done);
  // From now on, `task` runs on the control thread about every second.
  void EverySecond(std::function<void()> task);
  // Runs `task` aside, `delay` from now; with an error when the daemon stops or too much waits there.
  void After(Duration delay, std::function<void(absl::Status)> task);
  // What has ended since record number after[i] of worker i (worker.h); `after` empty: all that is remembered. `done` gets a batch for each
  // worker, in their order, and runs aside.
  void ReadEnded(std::vector<uint64_t> after, Done<std::vector<EndedBatch>> done);
  [[nodiscard]] const LogBook& logs() const { return *options_.logs; }
  // How many streams of each there are now.
  struct TailReaders {
    std::atomic<int> taps{0};
    std::atomic<int> logs{0};
  };
  [[nodiscard]] TailReaders& tail_readers() { return tail_readers_; }

  struct ProbeSubject {
    std::string name;     // a dialer that exists, or else
    v1::DialerSpec spec;  // settings to try
    bool may_name_any_file = false;  // as in ChangeSet
  };
  // `on_step` is called on the control thread for every step; one whose `last` is set, or an error, ends it.
  // NOT_FOUND, INVALID_ARGUMENT, RESOURCE_EXHAUSTED (at most kMaxProbes at a time).
  void Probe(ProbeSubject subject, uint32_t attempts, Duration timeout,
             std::function<void(absl::StatusOr<ProbeStep>)> on_step);

  // Puts it into the event log soon, unless too many are on their way. `subject`: "dialer/NAME".
  void RecordEvent(EventType type, std::string reason, std::string subject, std::string message) {
    events_.Post(type, std::move(reason), std::move(subject), std::move(message));
  }

  // From now on every new request is refused with DAEMON_STOPPING, and readers of events are sent away. Requests under way are
  // finished.
  void BeginStop();
  ReportCollector& collector() { return collector_; }
  EventHub& events() { return events_; }
  WatchHub& watches() { return watches_; }

 private:
  struct Waiting {
    ChangeSet set;
    bool validate_only = false;
    Done<ChangeOutcome> done;
    std::optional<DrainMode> drain;  // then it is nothing but that
  };
  // ReloadCredentials under way.
  struct Reloading;
  // A change that is being planned, a piece at a time.
  struct Planning {
    Planning(Waiting waiting_in, const ObjectTable& table, PlanContext context)
        : waiting(std::move(waiting_in)), plan(table, waiting.set, std::move(context)) {}
    Waiting waiting;
    PlanInPieces plan;
  };
  // What was kept under a key before a change.
  struct Undo {
    ObjectKey key;
    std::shared_ptr<const v1::Object> object;  // nullptr: nothing
    std::string pending;                       // why it was not in force; empty: it was
  };
  // A change whose rollout is under way.
  struct Running {
    ChangePlan plan;
    RunningState::Prepared prepared;
    std::string manager;
    Done<ChangeOutcome> done;             // empty once called
    bool is_in_force = false;             // else it was only tried, or changes nothing
    bool is_trial = false;                // validate_only
    std::vector<v1::Object> final_views;  // of deleted objects, one a result
    std::vector<StoreChange> kept;        // what the store was told
    std::vector<Undo> undo;               // and what it held before
  };
  // An object that is kept and not in force.
  struct Pending {
    v1::Object object;
    std::string why;
    std::optional<TimePoint> lease_end;  // of one with a ttl, which began anew when it was tried first
  };

  struct Draining;
  void AwaitDrained(const std::shared_ptr<Draining>& draining);
  void EndDraining(const std::shared_ptr<Draining>& draining);
  // Posts `task`; false: `done`'s owner is to be told RefusalStatus().
  [[nodiscard]] bool Post(ControlThread::Task task);
  absl::Status RefusalStatus() const;
  void BeginNextChange();
  void LookAtFiles();
  void LookAtSecretFiles();
  void ReloadKeys(std::vector<ObjectKey> keys, Done<v1::ReloadCredentialsResponse> done);
  void ReloadNext(const std::shared_ptr<Reloading>& reloading);
  void SetDrainMode(DrainMode mode, std::function<void(absl::Status)> done);
  void LookAtDrain();
  void EndDrain();
  void NoteConfig(const ConfigFiles& files, const std::vector<std::string>& faults);
  void Tick();
  void EndLeases();
  void EndPendingLeases();
  void EndChange(const std::shared_ptr<Running>& running, absl::StatusOr<ChangeOutcome> outcome);
  void BeginRollout(const std::shared_ptr<Running>& running);
  [[nodiscard]] std::vector<StoreChange> ChangesToKeep(const ChangePlan& plan, const ChangeSet& set) const;
  std::vector<Undo> Keep(const std::vector<StoreChange>& changes);
  void TakeBack(const std::shared_ptr<Running>& running, const absl::Status& why);
  bool DeletePending(const Waiting& waiting);
  void RestoreNow(std::vector<v1::Object> objects, std::function<void()> done);
  void RestoreNext();
  void NoteRestored(std::vector<v1::Object> batch, const absl::Status& status);
  void RetryPending();
  // What a change did, to who watches.
  void TellWatchers(const Running& running, const std::vector<v1::Object>& views);
  // What is, for who watches (WatchHub::Look).
  struct LookWork;
  void Look(const ReportPtr& report, SubjectBook& book, std::function<void()> done);
  void Compare(const std::shared_ptr<LookWork>& work, std::function<void()> done);
  void TakeLooked(LookWork& work, SubjectBook& book);
  void RenewIdentity();
  // Entries of QUIC that share what is not in use any more, with what is.
  std::vector<EntryPtr> WithRenewedIdentity(std::vector<EntryPtr> renewed) const;
  void RecordResults(const ChangePlan& plan, const std::string& manager);
  void RecordReloadFaults();
  void LogPins(const ChangePlan& plan) const;
  ObjectView ViewOf(const ObjectKey& key, const EntryPtr& entry) const {
    return running_state_.ViewOf(key, entry, entry->tls != nullptr ? tls_reload_.FaultOf(*entry) : std::string());
  }
  void Plan(Waiting waiting);
  void GoOnPlanning(const std::shared_ptr<Planning>& planning);
  void ActOn(Waiting waiting, absl::StatusOr<ChangePlan> plan);
  void Execute(Waiting waiting, ChangePlan plan);
  void OnInForce(const std::shared_ptr<Running>& running, const WorkerReport& gone);
  void AnswerChange(const std::shared_ptr<Running>& running);
  v1::Object ViewOfResult(const Running& running, size_t index, const MergedReport& report);
  void CloseOnWorkers(std::function<bool(WorkerControl&, std::function<void(bool)>)> ask, absl::Status not_found,
                      std::function<void(absl::Status)> done);
  absl::StatusOr<std::shared_ptr<const DialerConfig>> ProbeConfig(const ProbeSubject& subject);
  v1::Daemon DescribeDaemon(const MergedReport& report) const;
  PlanContext MakeContext();

  ControlThread& thread_;
  const SupervisorOptions options_;
  std::atomic<bool> stopping_{false};
  TailReaders tail_readers_;
  RevisionClock revisions_;  // the control thread's
  EventHub events_;
  // The control thread's, like all below.
  ReportCollector collector_;
  RunningState running_state_;
  const KeyedHash hash_;
  TlsReload tls_reload_;
  std::map<ObjectKey, std::string> reload_faults_;  // that have become events
  ObjectTable table_;
  WatchHub watches_;
  // What the store holds, secrets included.
  std::map<ObjectKey, std::shared_ptr<const v1::Object>> kept_;
  std::map<ObjectKey, Pending> pending_;
  std::deque<std::vector<v1::Object>> to_restore_;  // each at once
  std::vector<std::function<void()>> when_restored_;
  bool is_restoring_ = false;
  absl::Status store_health_;
  const std::unique_ptr<ConditionMemory> conditions_ = std::make_unique<ConditionMemory>();  // of the daemon
  int seconds_to_retry_ = 0;
  int retry_after_seconds_ = 0;
  LogLevels log_levels_;
  Drain drain_;
  v1::GetConfigStatusResponse config_status_;
  std::string loaded_content_;  // ConfigFiles::content of what is in force
  std::map<std::string, uint64_t> secret_stamps_;  // of the files of seeds, keys and users that are named
  std::vector<std::function<void()>> every_second_;
  uint64_t next_incarnation_ = 1;
  std::deque<Waiting> waiting_;
  bool change_is_running_ = false;
  size_t probes_running_ = 0;
  uint32_t next_probe_worker_ = 0;
  ControlThread aside_{kMaxAside, "lists", kAsideNiceness};  // last: what it runs uses the others
};

}  // namespace culvert::server
