// Observer: answers those who look from outside: is it started, alive, ready, and what do its metrics say. However often somebody asks, the
// daemon is looked at once a second at most: a flood of probes costs the answers, not the data plane.
// Thread: any; several at once. A call may wait, kMostWait at most.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "server/observe/http_answer.h"
#include "server/observe/metrics.h"
#include "server/observe/observation.h"

namespace culvert::server {

class Supervisor;

class Observer {
 public:
  static constexpr Duration kMostWait = std::chrono::seconds(5);
  static constexpr Duration kMostAge = std::chrono::seconds(1);

  struct Options {
    bool unready_on_drain = false;
    std::vector<std::string> ready_requires;  // names of dialers that must have reached their far side
  };
  // `supervisor` outlives it.
  Observer(Supervisor& supervisor, Options options) : supervisor_(supervisor), options_(std::move(options)) {}

  // The start is over: everything that was configured is in force.
  void SetStarted() { is_started_ = true; }
  // Workers end one by one from now on.
  void SetStopping() { is_stopping_ = true; }

  HttpAnswer Metrics();
  // 200 once the daemon was started.
  HttpAnswer Started() const;
  // 200 while the control thread and every worker answer. Never depends on peers.
  HttpAnswer Alive();
  // 200 when everything that should take work can: started, every listener bound, and the dialers of ready_requires have reached somebody. Stays
  // 200 while the daemon drains, unless unready_on_drain: what balances the load cuts flows of who is not ready.
  HttpAnswer Ready();

 private:
  struct Look {
    bool is_answered = false;  // by the control thread, in time
    Observation observation;
  };
  // Not older than kMostAge.
  std::shared_ptr<const Look> LookAt();

  Supervisor& supervisor_;
  const Options options_;
  std::atomic<bool> is_started_{false};
  std::atomic<bool> is_stopping_{false};
  std::mutex mutex_;  // held while somebody looks: the others want the same answer
  std::shared_ptr<const Look> last_;  // guarded by mutex_, like all below
  TimePoint looked_at_{};
  RttHistogram rtt_;
};

}  // namespace culvert::server
