#include "server/report_collector.h"

#include <algorithm>
#include <utility>

#include "core/io/monotonic_clock.h"

namespace culvert::server {
namespace {

void MergeCounters(std::map<std::string, ObjectCounters>& into, std::map<std::string, ObjectCounters> from) {
  if (into.empty()) {
    into = std::move(from);
    return;
  }
  for (const auto& [name, counters] : from) into[name] += counters;
}

void MergeTargets(std::vector<TargetReport>& into, const std::vector<TargetReport>& from) {
  for (const TargetReport& report : from) {
    const auto same = std::ranges::find(into, report.target, &TargetReport::target);
    if (same == into.end()) {
      into.push_back(report);
      continue;
    }
    same->sessions += report.sessions;
    for (const std::string& address : report.addresses) {
      if (std::ranges::find(same->addresses, address) == same->addresses.end()) same->addresses.push_back(address);
    }
    if (same->last_error_reason.empty()) {
      same->last_error_reason = report.last_error_reason;
      same->last_error_message = report.last_error_message;
    }
  }
}

}  // namespace

void MergeInto(MergedReport& merged, WorkerReport report) {
  merged.total += report.total;
  MergeCounters(merged.listeners, std::move(report.listeners));
  MergeCounters(merged.dialers, std::move(report.dialers));
  MergeCounters(merged.forwards, std::move(report.forwards));
  for (const auto& [name, targets] : report.targets) MergeTargets(merged.targets[name], targets);
  for (const auto& [name, granted] : report.dialer_sockets) {
    const auto [at, is_new] = merged.dialer_sockets.try_emplace(name, granted);
    if (is_new) continue;
    at->second.receive_buffer_bytes = std::min(at->second.receive_buffer_bytes, granted.receive_buffer_bytes);
    at->second.send_buffer_bytes = std::min(at->second.send_buffer_bytes, granted.send_buffer_bytes);
    at->second.gso = at->second.gso && granted.gso;
    at->second.gro = at->second.gro && granted.gro;
  }
  std::ranges::move(report.sessions, std::back_inserter(merged.sessions));
  std::ranges::move(report.streams, std::back_inserter(merged.streams));
  std::ranges::move(report.udp_flows, std::back_inserter(merged.udp_flows));
  merged.workers.push_back({report.worker, report.cpu_time, report.total});
}

ReportCollector::ReportCollector(ControlThread& thread, std::vector<WorkerControl*> workers)
    : thread_(thread), workers_(std::move(workers)) {}

void ReportCollector::Collect(const ReportWants& wants, Duration max_age, Done done) {
  const bool is_fresh = last_ != nullptr && max_age > Duration::zero() && io::Now() - last_->taken_at <= max_age &&
                        last_->wants.Covers(wants);
  if (is_fresh) return done(last_);
  next_.push_back({wants, std::move(done)});
  BeginWhenDue();
}

void ReportCollector::BeginWhenDue() {
  if (running_ != nullptr || begin_is_scheduled_ || next_.empty()) return;
  const TimePoint due = last_begin_ + kSpacing;
  if (last_begin_ == TimePoint() || io::Now() >= due) return Begin();
  begin_is_scheduled_ = true;
  thread_.RunAt(due, [this] {
    begin_is_scheduled_ = false;
    if (running_ == nullptr && !next_.empty()) Begin();
  });
}

void ReportCollector::Begin() {
  const auto round = std::make_shared<Round>();
  running_ = round;
  last_begin_ = io::Now();
  round->merged = std::make_shared<MergedReport>();
  round->merged->taken_at = last_begin_;
  round->merged->taken_at_unix_ns = io::UnixNanoseconds();
  for (Waiter& waiter : next_) {
    round->merged->wants.Add(waiter.wants);
    round->waiters.push_back(std::move(waiter.done));
  }
  next_.clear();
  for (WorkerControl* worker : workers_) {
    const bool is_posted = worker->Report(round->merged->wants, [this, round](WorkerReport report) {
      thread_.PostReply([this, round, shared = std::make_shared<WorkerReport>(std::move(report))] {
        OnAnswer(round, std::move(*shared));
      });
    });
    if (is_posted) ++round->answers_left;
  }
  round->merged->is_complete = round->answers_left == workers_.size();
  if (round->answers_left == 0) return End(round);
  // Weak: a report may be large, and most rounds end long before this.
  thread_.RunAt(last_begin_ + kTimeout, [this, weak = std::weak_ptr<Round>(round)] {
    const std::shared_ptr<Round> late = weak.lock();
    if (late == nullptr || running_ != late) return;
    late->merged->is_complete = false;
    End(late);
  });
}

void ReportCollector::OnAnswer(const std::shared_ptr<Round>& round, WorkerReport report) {
  if (running_ != round) return;  // too late: the round ended without it
  MergeInto(*round->merged, std::move(report));
  if (--round->answers_left == 0) End(round);
}

void ReportCollector::End(const std::shared_ptr<Round>& round) {
  std::ranges::sort(round->merged->sessions, {}, &SessionSnapshot::id);
  std::ranges::sort(round->merged->streams, {}, &StreamSnapshot::id);
  std::ranges::sort(round->merged->udp_flows, {}, &UdpFlowSnapshot::id);
  std::ranges::sort(round->merged->workers, {}, &MergedReport::Worker::index);
  last_ = round->merged;
  running_ = nullptr;
  const std::vector<Done> waiters = std::move(round->waiters);
  round->waiters.clear();
  for (const Done& done : waiters) done(last_);
  BeginWhenDue();
}

}  // namespace culvert::server
