#include "server/daemon.h"

#include <future>
#include <utility>

#include "core/base/log.h"
#include "core/io/monotonic_clock.h"
#include "server/error_builder.h"
#include "server/file_objects.h"
#include "server/process.h"
#include "server/seed_file.h"

namespace culvert::server {
namespace {

// How long calls that are under way at a stop may take (control-api.md section 1.1, graceful stop).
constexpr Duration kCallGrace = std::chrono::seconds(2);

std::unique_ptr<StartFailure> Fail(int exit_code, std::vector<std::string> lines) {
  return std::make_unique<StartFailure>(StartFailure{exit_code, std::move(lines)});
}

// The lines of a status whose message has one line per fault.
std::vector<std::string> Lines(const absl::Status& status) {
  std::vector<std::string> lines;
  std::string rest(status.message());
  for (size_t at; (at = rest.find('\n')) != std::string::npos; rest.erase(0, at + 1)) lines.push_back(rest.substr(0, at));
  if (!rest.empty()) lines.push_back(rest);
  return lines;
}

}  // namespace

Daemon::~Daemon() { Stop(); }

std::unique_ptr<StartFailure> Daemon::Start() {
  const auto objects = LoadFolders(options_.config_dirs);
  if (!objects.ok()) return Fail(2, Lines(objects.status()));
  if (const absl::Status status = PrepareControlSocket(options_.control_path); !status.ok()) {
    return Fail(status.code() == absl::StatusCode::kInvalidArgument ? 2 : 1, Lines(status));
  }
  if (auto failure = OpenState()) return failure;
  if (auto failure = StartWorkers()) return failure;

  binder_ = CreateSocketBinder(quic_identity_->shared()->keys.get());
  tokens_ = std::make_unique<PageTokens>(random_);
  SupervisorOptions supervisor;
  for (const auto& worker : workers_) supervisor.workers.push_back(worker.get());
  supervisor.binder = binder_.get();
  supervisor.random = &random_;
  supervisor.read_seed_file = ReadSeedFile;
  supervisor.read_file = ReadCredentialFile;
  supervisor.quic_identity = quic_identity_.get();
  supervisor.facts = Facts();
  thread_ = std::make_unique<ControlThread>();
  supervisor_ = std::make_unique<Supervisor>(*thread_, std::move(supervisor));
  event_taker_ = supervisor_.get();
  hub_ = std::make_unique<StatsHub>(*thread_, supervisor_->collector());
  if (auto failure = ApplyFiles(*objects)) return failure;

  auto server = ControlServer::Start(options_.control_path, *supervisor_, *hub_, *tokens_);
  if (!server.ok()) return Fail(1, Lines(server.status()));
  server_ = *std::move(server);
  server_->SetServing(true);
  Log(LogLevel::kInfo, "daemon", "serving",
      {{"version", CULVERT_VERSION},
       {"control", "unix:" + options_.control_path},
       {"workers", std::to_string(workers_.size())},
       {"objects", std::to_string(objects->size())}});
  return nullptr;
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
  auto identity = QuicIdentity::Create(std::move(state), why, random_, io::UnixNanoseconds() / 1'000'000'000);
  if (!identity.ok()) return Fail(1, Lines(identity.status()));
  quic_identity_ = *std::move(identity);
  return nullptr;
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
    if (!worker.ok()) return Fail(1, Lines(worker.status()));
    workers_.push_back(*std::move(worker));
  }
  return nullptr;
}

std::unique_ptr<StartFailure> Daemon::ApplyFiles(const std::vector<manifest::SourceObject>& objects) {
  if (objects.empty()) return nullptr;
  std::promise<absl::Status> answered;
  supervisor_->Change(ToChangeSet(objects), /*validate_only=*/false,
                      [&answered](absl::StatusOr<Supervisor::ChangeOutcome> outcome) {
                        answered.set_value(outcome.ok() ? absl::OkStatus() : outcome.status());
                      });
  const absl::Status status = answered.get_future().get();
  if (status.ok()) return nullptr;
  // What the files say is a bad configuration; what the machine refuses them is not theirs.
  const bool is_files_fault = status.code() == absl::StatusCode::kInvalidArgument ||
                              ReasonOf(status) == "CREDENTIAL_UNREADABLE" || ReasonOf(status) == "LIMIT_EXCEEDED";
  return Fail(is_files_fault ? 2 : 1, ExplainError(status, objects));
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
  if (thread_ != nullptr) thread_->Stop();
  workers_.clear();
}

}  // namespace culvert::server
