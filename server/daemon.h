// Daemon: the parts of culvertd, started and stopped in order.
// Thread: main's; RequestStop's steps may run on another thread while main waits for signals.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/crypto/system_random.h"
#include "server/config_watcher.h"
#include "server/control_server.h"
#include "server/control_thread.h"
#include "server/file_objects.h"
#include "server/listener_sockets.h"
#include "server/observe/http_server.h"
#include "server/observe/observer.h"
#include "server/options.h"
#include "server/page.h"
#include "server/quic_identity.h"
#include "server/resolver.h"
#include "server/session_counts.h"
#include "server/stats_hub.h"
#include "server/store/store_writer.h"
#include "server/supervisor.h"
#include "server/worker.h"
#include "server/worker_directory.h"

namespace culvert::server {

// Why a start failed: what to print, a line per fault, and the exit status.
struct StartFailure {
  int exit_code = 1;
  std::vector<std::string> lines;
};

class Daemon {
 public:
  // `logs`: what is logged, for the API. Outlives it.
  Daemon(Options options, const LogBook& logs) : options_(std::move(options)), logs_(logs) {}
  ~Daemon();

  // Reads the configuration, starts workers, makes the objects of files, serves. Nothing is bound before the configuration
  // was read and found good.
  [[nodiscard]] std::unique_ptr<StartFailure> Start();
  // Health says NOT_SERVING, streams end, the API stops, sessions end in order within the drain timeout. Waits for all that.
  void Stop();

  // Reads the configuration folders and all credentials again, now. REQUIRES: it was started, and is not stopped.
  void Reload();

  const std::string& control_path() const { return options_.control_path; }

 private:
  absl::StatusOr<std::unique_ptr<AccessBook>> OpenAccess() const;
  std::unique_ptr<StartFailure> OpenState();
  void OpenStore();
  void TellOfStore() const;
  void RestoreObjects();
  std::unique_ptr<StartFailure> StartWorkers();
  std::unique_ptr<StartFailure> ApplyFiles(ConfigFiles files);
  std::unique_ptr<StartFailure> StartObserving();
  std::unique_ptr<StartFailure> WatchFiles(uint64_t stamp);
  DaemonFacts Facts() const;

  const Options options_;
  const LogBook& logs_;
  SystemRandom random_;          // the control thread's, once that runs
  std::unique_ptr<QuicIdentity> quic_identity_;  // as well
  std::string state_path_;  // empty: there is no state directory
  std::optional<absl::StatusOr<std::unique_ptr<ObjectStore>>> opened_store_;  // until the writer has it
  StoreContent kept_;                                                        // until it is restored
  std::unique_ptr<Resolver> resolver_;
  std::unique_ptr<Resolver> foreign_resolver_;  // of names that peers and clients choose
  SessionCounts session_counts_;
  WorkerDirectory worker_directory_;
  std::vector<std::unique_ptr<WorkerControl>> workers_;
  std::unique_ptr<SocketBinder> binder_;
  std::unique_ptr<PageTokens> tokens_;
  std::unique_ptr<ControlThread> thread_;
  std::unique_ptr<Supervisor> supervisor_;
  std::atomic<Supervisor*> event_taker_{nullptr};  // for workers, which are there before it
  std::unique_ptr<StoreWriter> store_;
  std::unique_ptr<StatsHub> hub_;
  std::unique_ptr<ControlServer> server_;
  std::unique_ptr<ConfigWatcher> config_watcher_;
  std::unique_ptr<Observer> observer_;
  std::unique_ptr<HttpServer> http_;
};

}  // namespace culvert::server
