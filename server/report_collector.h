// ReportCollector: asks every worker for a report and merges the answers, for all who want to know at once. However many ask,
// one collection runs at a time, those who come while it runs share the next one, and collections begin at least
// kSpacing apart: asking often does not cost the data plane more.
// Thread: the control thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "server/control_thread.h"
#include "server/worker.h"

namespace culvert::server {

// What all workers said at about one moment.
struct MergedReport {
  TimePoint taken_at{};
  int64_t taken_at_unix_ns = 0;
  ReportWants wants;         // what it holds
  bool is_complete = false;  // every worker answered in time
  ObjectCounters total;
  std::map<std::string, ObjectCounters> listeners;  // by name
  std::map<std::string, ObjectCounters> dialers;
  std::map<std::string, ObjectCounters> forwards;
  std::map<std::string, std::vector<TargetReport>> targets;      // by dialer, one entry a target
  std::map<std::string, io::UdpSocket::Granted> dialer_sockets;  // by dialer; the least of all workers
  std::vector<SessionSnapshot> sessions;                         // these three sorted by id
  std::vector<StreamSnapshot> streams;
  std::vector<UdpFlowSnapshot> udp_flows;
  struct Worker {
    uint32_t index = 0;
    Duration cpu_time{};
    ObjectCounters total;
  };
  std::vector<Worker> workers;  // those that answered
};
using ReportPtr = std::shared_ptr<const MergedReport>;

// Adds one worker's report. Exposed for tests.
void MergeInto(MergedReport& merged, WorkerReport report);

class ReportCollector {
 public:
  using Done = std::function<void(ReportPtr)>;
  static constexpr Duration kSpacing = std::chrono::milliseconds(10);
  static constexpr Duration kTimeout = std::chrono::seconds(2);

  // `thread` and the workers outlive it.
  ReportCollector(ControlThread& thread, std::vector<WorkerControl*> workers);

  // `done` is called on the control thread, with a report that holds what is wanted (and maybe more) and was begun after the call, or at
  // most `max_age` before it.
  void Collect(const ReportWants& wants, Duration max_age, Done done);

 private:
  struct Waiter {
    ReportWants wants;
    Done done;
  };
  struct Round {
    size_t answers_left = 0;
    std::shared_ptr<MergedReport> merged;
    std::vector<Done> waiters;
  };
  void BeginWhenDue();
  void Begin();
  void OnAnswer(const std::shared_ptr<Round>& round, WorkerReport report);
  void End(const std::shared_ptr<Round>& round);

  ControlThread& thread_;
  const std::vector<WorkerControl*> workers_;
  std::vector<Waiter> next_;       // who shares the next collection
  std::shared_ptr<Round> running_;
  bool begin_is_scheduled_ = false;
  TimePoint last_begin_{};
  ReportPtr last_;
};

}  // namespace culvert::server
