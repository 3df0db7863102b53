#include "server/daemon.h"

#include <array>
#include <cstring>
#include <future>
#include <utility>

#include "core/base/log.h"
#include "core/io/file_stamp.h"
#include "core/io/monotonic_clock.h"
#include "server/access/control_credentials.h"
#include "server/error_builder.h"
#include "server/file_objects.h"
#include "server/process.h"
#include "server/seed_file.h"

namespace culvert::server {
namespace {

// How long calls that are under way at a stop may take (control-api.md section 1.1, graceful stop).
constexpr Duration kCallGrace = std::chrono::seconds(2);

constexpr size_t kMaxAccessPolicyBytes = 1 << 20;

constexpr size_t kMostGrowth = 12 << 20;  // of the heap, before what is unused of it is given back

std::unique_ptr<StartFailure> Fail(int exit_code, std::vector<std::string> lines) {
  return std::make_unique<StartFailure>(StartFailure{exit_code, std::move(lines)});
}

// "127.0.0.1:41235" of "127.0.0.1:0". Empty without a port.
std::string BoundText(const std::string& bind, int port) {
  return port != 0 ? bind.substr(0, bind.rfind(':') + 1) + std::to_string(port) : "";
}

}  // namespace

Daemon::~Daemon() { Stop(); }

std::unique_ptr<StartFailure> Daemon::Start() {
  const uint64_t config_stamp = ConfigWatcher::StampOf(options_.config_dirs);
  ConfigFiles files = ReadConfigFiles(options_.config_dirs);
  if (!files.faults.empty()) return Fail(2, files.faults);
  const size_t objects = files.objects.size();
  absl::StatusOr<std::unique_ptr<AccessBook>> access = OpenAccess();
  if (!access.ok()) return Fail(2, LinesOf(access.status()));
  if (!options_.control_tcp.bind.empty()) {
    if (const absl::Status status = JudgeControlCredentials(options_.control_tcp); !status.ok()) return Fail(2, LinesOf(status));
  }
  if (const absl::Status status = PrepareControlSocket(options_.control_path); !status.ok()) {
    return Fail(status.code() == absl::StatusCode::kInvalidArgument ? 2 : 1, LinesOf(status));
  }
  if (auto failure = OpenState()) return failure;
  OpenStore();
  if (auto failure = StartWorkers()) return failure;

  binder_ = CreateSocketBinder(quic_identity_->shared()->keys.get());
  tokens_ = std::make_unique<PageTokens>(random_);
  SupervisorOptions supervisor;
  for (const auto& worker : workers_) supervisor.workers.push_back(worker.get());
  supervisor.binder = binder_.get();
  supervisor.random = &random_;
  const CredentialFolders folders(options_.credentials_dirs);
  supervisor.read_seed_file = [folders](const std::string& path, const std::string& field) { return ReadSeedFile(path, field, folders); };
  supervisor.read_file = [folders](const std::string& path, const std::string& field, size_t max_bytes) {
    return ReadCredentialFile(path, field, max_bytes, folders);
  };
  supervisor.credential_folders = folders;
  supervisor.quic_identity = quic_identity_.get();
  supervisor.logs = &logs_;
  supervisor.facts = Facts();
  supervisor.drain_timeout = options_.drain_timeout;
  supervisor.on_drained = [] { StopProcess(); };
  supervisor.stamp_file = io::FileStamp;
  for (const std::string& folder : options_.config_dirs) supervisor.config_status.add_config_dirs(folder);
  if (opened_store_) {
    supervisor.config_status.set_state_file(state_path_ + "/" + kStoreFile);
    supervisor.store = [this](std::vector<StoreChange> changes, std::function<void(absl::Status)> done) {
      store_->Write(std::move(changes), std::move(done));
    };
    if (kept_.etag_key.size() >= sizeof(std::array<uint64_t, 2>)) {
      std::memcpy(supervisor.etag_key.emplace().data(), kept_.etag_key.data(), sizeof(std::array<uint64_t, 2>));
    }
  }
  thread_ = std::make_unique<ControlThread>();
  supervisor_ = std::make_unique<Supervisor>(*thread_, std::move(supervisor));
  event_taker_ = supervisor_.get();
  hub_ = std::make_unique<StatsHub>(*thread_, supervisor_->collector());
  supervisor_->EverySecond([this] {
    static_cast<void>(supervisor_->Aside([] { TrimGrownHeap(kMostGrowth); }));
  });
  if (auto failure = StartObserving()) return failure;
  TellOfStore();
  if (opened_store_) {
    StoreWriter::Callbacks callbacks;
    callbacks.snapshot = [this] { return StoreWriter::Snapshot{supervisor_->KeptObjects(), kept_.etag_key}; };
    callbacks.on_health = [this](absl::Status health) { supervisor_->SetStoreHealth(std::move(health)); };
    callbacks.on_content = [this](StoreContent content) { supervisor_->RestoreHere(std::move(content.objects)); };
    store_ = std::make_unique<StoreWriter>(*thread_, state_path_, *std::move(opened_store_), std::move(callbacks), StoreWriter::Options());
  }
  if (auto failure = ApplyFiles(std::move(files))) return failure;
  RestoreObjects();
  if (auto failure = WatchFiles(config_stamp)) return failure;

  ControlServer::Options control{.path = options_.control_path, .tcp = std::nullopt};
  if (const Options::ControlTcp& tcp = options_.control_tcp; !tcp.bind.empty()) {
    control.tcp = ControlTcpOptions{tcp.bind, tcp.certificate_file, tcp.private_key_file, tcp.trust_file, tcp.reflection};
  }
  auto server = ControlServer::Start(control, *std::move(access), *supervisor_, *hub_, *tokens_);
  if (!server.ok()) return Fail(1, LinesOf(server.status()));
  server_ = *std::move(server);
  server_->SetServing(true);
  if (observer_ != nullptr) observer_->SetStarted();
  Log(LogLevel::kInfo, "daemon", "serving",
      {{"version", CULVERT_VERSION},
       {"control", "unix:" + options_.control_path},
       {"control_tcp", BoundText(options_.control_tcp.bind, server_->tcp_port())},
       {"observe", http_ != nullptr ? BoundText(options_.observe, http_->port()) : ""},
       {"workers", std::to_string(workers_.size())},
       {"objects", std::to_string(objects)}});
  return nullptr;
}

absl::StatusOr<std::unique_ptr<AccessBook>> Daemon::OpenAccess() const {
  if (options_.access_policy.empty()) return std::make_unique<AccessBook>(AccessPolicy::BuiltIn(UserId(), GroupId()));
  return AccessBook::FromFile(options_.access_policy, [](const std::string& path) {
    return ReadCredentialFile(path, "--access-policy", kMaxAccessPolicyBytes);
  });
}

// A folder that nobody asked for need not be there; what should be kept in it is then kept in memory, which is said.
std::unique_ptr<StartFailure> Daemon::OpenState() {
  std::unique_ptr<StateDir> state;
  std::string why;
  for (const std::string& path : options_.state_dirs) {
    absl::StatusOr<std::unique_ptr<StateDir>> opened = StateDir::Open(path);
    if (opened.ok()) {
      state = *std::move(opened);
      break;
    }
    const std::string fault(opened.status().message());
    if (options_.state_dir_is_given) return Fail(1, {"--state-dir: " + fault});
    why += (why.empty() ? "" : "; ") + fault;
    // Another folder than a second daemon on this machine found taken would be another identity, by chance.
    if (absl::IsAborted(opened.status())) break;
  }
  if (state == nullptr) {
    if (why.empty()) {
      why = "--state-dir is none";
    } else {
      Log(LogLevel::kWarning, "state", "there is no state directory: certificate and keys of QUIC end with this run",
          {{"reason", "STATE_NOT_KEPT"}, {"error", why}});
    }
  }
  if (state != nullptr) state_path_ = state->path();
  auto identity = QuicIdentity::Create(std::move(state), why, random_, io::UnixNanoseconds() / 1'000'000'000);
  if (!identity.ok()) return Fail(1, LinesOf(identity.status()));
  quic_identity_ = *std::move(identity);
  return nullptr;
}

// Whatever the store is like, the daemon starts: with what can be read of it, and says what is amiss.
void Daemon::OpenStore() {
  if (state_path_.empty()) return;
  opened_store_ = ObjectStore::Open(state_path_, random_, kept_);
}

void Daemon::TellOfStore() const {
  if (!opened_store_) {
    Log(LogLevel::kWarning, "state", "objects made through the API end with this run: there is no state directory", {{"reason", "STATE_NOT_KEPT"}});
    return;
  }
  if (!opened_store_->ok()) {
    const absl::Status status = opened_store_->status();
    static_cast<void>(thread_->Post([this, status] { supervisor_->SetStoreHealth(status); }));
  }
  if (!kept_.fault.empty()) {
    Log(LogLevel::kError, "state", "the store of objects was not as it was left", {{"error", kept_.fault}});
    supervisor_->RecordEvent(EventType::kWarning, "StateDamaged", "daemon", kept_.fault);
  }
  for (const SetAsideRow& row : kept_.set_aside) {
    const std::string subject = row.kind + "/" + row.name;
    Log(LogLevel::kError, "state", "a kept object was damaged and is set aside", {{"object", subject}, {"error", row.reason}});
    supervisor_->RecordEvent(EventType::kWarning, "StateDamaged", subject, "its row in the store was damaged and is set aside: " + row.reason);
  }
}

void Daemon::RestoreObjects() {
  if (kept_.objects.empty()) return;
  Log(LogLevel::kInfo, "state", "restoring kept objects", {{"objects", std::to_string(kept_.objects.size())}});
  std::promise<void> restored;
  supervisor_->Restore(std::exchange(kept_.objects, {}), [&restored] { restored.set_value(); });
  restored.get_future().get();
}

std::unique_ptr<StartFailure> Daemon::StartWorkers() {
  resolver_ = std::make_unique<Resolver>();
  foreign_resolver_ = std::make_unique<Resolver>();
  const auto on_event = [this](WorkerEvent event) {
    Supervisor* taker = event_taker_;
    if (taker == nullptr) return;  // nothing happens to a worker that has no objects yet
    taker->RecordEvent(event.is_warning ? EventType::kWarning : EventType::kNormal, std::move(event.reason),
                       std::move(event.subject), std::move(event.message));
  };
  for (uint32_t i = 0; i < options_.workers; ++i) {
    auto worker = StartWorker({.index = i,
                               .resolver = resolver_.get(),
                               .foreign_resolver = foreign_resolver_.get(),
                               .session_counts = &session_counts_,
                               .max_udp_sockets = MaxOpenFiles() / 2,
                               .directory = &worker_directory_,
                               .on_event = on_event});
    if (!worker.ok()) return Fail(1, LinesOf(worker.status()));
    workers_.push_back(*std::move(worker));
  }
  return nullptr;
}

std::unique_ptr<StartFailure> Daemon::ApplyFiles(ConfigFiles files) {
  if (options_.config_dirs.empty()) return nullptr;
  std::promise<std::pair<absl::Status, std::vector<std::string>>> answered;
  supervisor_->LoadConfig(std::move(files), [&answered](absl::Status status, std::vector<std::string> faults) {
    answered.set_value({std::move(status), std::move(faults)});
  });
  auto [status, faults] = answered.get_future().get();
  if (status.ok()) return nullptr;
  // What the files say is a bad configuration; what the machine refuses them is not theirs.
  const bool is_files_fault = status.code() == absl::StatusCode::kInvalidArgument ||
                              ReasonOf(status) == "CREDENTIAL_UNREADABLE" || ReasonOf(status) == "LIMIT_EXCEEDED";
  return Fail(is_files_fault ? 2 : 1, std::move(faults));
}

// Early, so that a probe of the start is answered while it lasts, and a port that another process has ends it.
std::unique_ptr<StartFailure> Daemon::StartObserving() {
  if (options_.observe.empty()) return nullptr;
  observer_ = std::make_unique<Observer>(*supervisor_, Observer::Options{options_.unready_on_drain, options_.ready_requires});
  Observer& observer = *observer_;
  auto http = HttpServer::Start(options_.observe, {{"/metrics", [&observer] { return observer.Metrics(); }},
                                                   {"/livez", [&observer] { return observer.Alive(); }},
                                                   {"/readyz", [&observer] { return observer.Ready(); }},
                                                   {"/startupz", [&observer] { return observer.Started(); }}});
  if (!http.ok()) return Fail(absl::IsInvalidArgument(http.status()) ? 2 : 1, {"--observe: " + std::string(http.status().message())});
  http_ = *std::move(http);
  return nullptr;
}

std::unique_ptr<StartFailure> Daemon::WatchFiles(uint64_t stamp) {
  if (options_.config_dirs.empty()) return nullptr;
  ConfigWatcher::Options watch;
  watch.folders = options_.config_dirs;
  auto watcher = ConfigWatcher::Start(std::move(watch), stamp, [this](ConfigFiles files, std::function<void(bool)> accepted) {
    supervisor_->LoadConfig(std::move(files), [accepted](const absl::Status& status, const std::vector<std::string>&) { accepted(status.ok()); });
  });
  if (!watcher.ok()) return Fail(1, LinesOf(watcher.status()));
  config_watcher_ = *std::move(watcher);
  return nullptr;
}

void Daemon::Reload() {
  Log(LogLevel::kInfo, "daemon", "reading configuration folders and credentials again");
  if (config_watcher_ != nullptr) config_watcher_->LookNow();
  supervisor_->ReloadCredentials([](const absl::StatusOr<v1::ReloadCredentialsResponse>& response) {
    if (!response.ok()) Log(LogLevel::kWarning, "daemon", "credentials were not read again", {{"error", std::string(response.status().message())}});
  });
}

DaemonFacts Daemon::Facts() const {
  DaemonFacts facts;
  facts.version = CULVERT_VERSION;
  facts.hostname = HostName();
  facts.pid = ProcessId();
  facts.start_unix_ns = io::UnixNanoseconds();
  facts.started_at = io::Now();
  // A socket of no use but to ask what this kernel can do.
  io::UdpSocketOptions loopback;
  loopback.bind = {IpAddress::LoopbackV4(), 0};
  if (const auto socket = io::UdpSocket::Bind(loopback); socket.ok()) {
    facts.udp_gso = socket->granted().gso;
    facts.udp_gro = socket->granted().gro;
  }
  return facts;
}

void Daemon::Stop() {
  if (observer_ != nullptr) observer_->SetStopping();
  config_watcher_ = nullptr;
  if (server_ != nullptr) server_->SetServing(false);
  if (hub_ != nullptr) hub_->BeginStop();
  if (supervisor_ != nullptr) supervisor_->BeginStop();
  if (server_ != nullptr) {
    server_->Shutdown(kCallGrace);
    server_ = nullptr;
    RemoveControlSocket(options_.control_path);
  }
  for (const auto& worker : workers_) worker->BeginStop(options_.drain_timeout);
  for (const auto& worker : workers_) worker->Join();
  http_ = nullptr;  // until here probes are answered: who drains is alive
  if (thread_ != nullptr) thread_->Stop();
  store_ = nullptr;  // what waits is written
  workers_.clear();
}

}  // namespace culvert::server
