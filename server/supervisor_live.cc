// What is asked of the workers directly: sessions, streams and flows, probes and calls. Changes are in supervisor.cc.
#include <algorithm>
#include <iterator>
#include <utility>

#include "core/io/monotonic_clock.h"
#include "server/config_from_proto.h"
#include "server/error_builder.h"
#include "server/supervisor.h"

namespace culvert::server {
namespace {

constexpr size_t kMaxClosedSessions = 1024;

}  // namespace

void Supervisor::Sessions(Done<ReportPtr> done) {
  const bool is_posted = Post([this, done] {
    collector_.Collect({.sessions = true}, Duration::zero(), [this, done](const ReportPtr& report) {
      if (!Aside([done, report] { done(report); })) done(ControlOverloaded());
    });
  });
  if (!is_posted) done(RefusalStatus());
}

void Supervisor::ClosedSessions(Done<std::vector<SessionSnapshot>> done) {
  const bool is_posted = Post([this, done] {
    struct Tally {
      size_t left = 0;
      std::vector<SessionSnapshot> sessions;
    };
    const auto tally = std::make_shared<Tally>();
    for (WorkerControl* worker : options_.workers) {
      const bool is_asked = worker->ClosedSessions([this, tally, done](std::vector<SessionSnapshot> sessions) {
        thread_.PostReply([this, tally, done, sessions = std::move(sessions)]() mutable {
          std::ranges::move(sessions, std::back_inserter(tally->sessions));
          if (--tally->left > 0) return;
          // Of all workers together the latest; then by name, as every list.
          std::ranges::sort(tally->sessions, std::ranges::greater(), &SessionSnapshot::closed_at_unix_ns);
          if (tally->sessions.size() > kMaxClosedSessions) tally->sessions.resize(kMaxClosedSessions);
          std::ranges::sort(tally->sessions, {}, &SessionSnapshot::id);
          if (!Aside([tally, done] { done(std::move(tally->sessions)); })) done(ControlOverloaded());
        });
      });
      if (is_asked) ++tally->left;
    }
    if (tally->left == 0) done(ControlOverloaded());
  });
  if (!is_posted) done(RefusalStatus());
}

void Supervisor::After(Duration delay, std::function<void(absl::Status)> task) {
  const bool is_posted = Post([this, delay, task] {
    thread_.RunAt(io::Now() + delay, [this, task] {
      if (stopping_) return task(DaemonStopping());
      if (!Aside([task] { task(absl::OkStatus()); })) task(ControlOverloaded());
    });
  });
  if (!is_posted) task(RefusalStatus());
}

void Supervisor::ReadEnded(std::vector<uint64_t> after, Done<std::vector<EndedBatch>> done) {
  const bool is_posted = Post([this, after = std::move(after), done] {
    struct Gathered {
      size_t left = 0;
      std::vector<EndedBatch> batches;
    };
    const auto gathered = std::make_shared<Gathered>();
    gathered->batches.resize(options_.workers.size());
    gathered->left = options_.workers.size();
    const auto take = [this, gathered, done](size_t worker, EndedBatch batch) {
      gathered->batches[worker] = std::move(batch);
      if (--gathered->left > 0) return;
      if (!Aside([gathered, done] { done(std::move(gathered->batches)); })) done(ControlOverloaded());
    };
    for (size_t i = 0; i < options_.workers.size(); ++i) {
      const uint64_t behind = after.empty() ? 0 : after[i];
      const bool is_asked = options_.workers[i]->ReadEnded(behind, [this, take, i](EndedBatch batch) {
        thread_.PostReply([take, i, batch = std::move(batch)]() mutable { take(i, std::move(batch)); });
      });
      // One that is too busy to answer is asked again the next time.
      if (!is_asked) thread_.PostReply([take, i, behind] { take(i, EndedBatch{.records = {}, .last = behind, .lost = 0}); });
    }
  });
  if (!is_posted) done(RefusalStatus());
}

void Supervisor::CloseSession(std::string id, bool graceful, bool validate_only,
                              std::function<void(absl::Status)> done) {
  if (validate_only) {
    return Sessions([id, done](const absl::StatusOr<ReportPtr>& report) {
      if (!report.ok()) return done(report.status());
      for (const SessionSnapshot& session : (*report)->sessions) {
        if (session.id == id) return done(absl::OkStatus());
      }
      done(SessionNotFound(id));
    });
  }
  CloseOnWorkers(
      [id, graceful](WorkerControl& worker, std::function<void(bool)> told) { return worker.CloseSession(id, graceful, std::move(told)); },
      SessionNotFound(id), std::move(done));
}

void Supervisor::CloseStream(std::string id, bool graceful, bool validate_only, std::function<void(absl::Status)> done) {
  if (validate_only) {
    return Sessions([id, done](const absl::StatusOr<ReportPtr>& report) {
      if (!report.ok()) return done(report.status());
      const bool is_there = std::ranges::any_of((*report)->streams, [&](const StreamSnapshot& stream) { return stream.id == id; });
      done(is_there ? absl::OkStatus() : ObservedNotFound("stream", id));
    });
  }
  CloseOnWorkers(
      [id, graceful](WorkerControl& worker, std::function<void(bool)> told) { return worker.CloseStream(id, graceful, std::move(told)); },
      ObservedNotFound("stream", id), std::move(done));
}

void Supervisor::CloseUdpFlow(std::string id, bool validate_only, std::function<void(absl::Status)> done) {
  if (validate_only) {
    return Sessions([id, done](const absl::StatusOr<ReportPtr>& report) {
      if (!report.ok()) return done(report.status());
      const bool is_there = std::ranges::any_of((*report)->udp_flows, [&](const UdpFlowSnapshot& flow) { return flow.id == id; });
      done(is_there ? absl::OkStatus() : ObservedNotFound("udpFlow", id));
    });
  }
  CloseOnWorkers([id](WorkerControl& worker, std::function<void(bool)> told) { return worker.CloseUdpFlow(id, std::move(told)); },
                 ObservedNotFound("udpFlow", id), std::move(done));
}

void Supervisor::CloseOnWorkers(std::function<bool(WorkerControl&, std::function<void(bool)>)> ask, absl::Status not_found,
                                std::function<void(absl::Status)> done) {
  const bool is_posted = Post([this, ask, not_found, done] {
    // The id says which worker only to the workers: all are asked, and at most one knows it.
    struct Tally {
      size_t left = 0;
      bool found = false;
    };
    const auto tally = std::make_shared<Tally>();
    for (WorkerControl* worker : options_.workers) {
      const bool is_asked = ask(*worker, [this, tally, not_found, done](bool found) {
        thread_.PostReply([tally, not_found, done, found] {
          tally->found = tally->found || found;
          if (--tally->left == 0) done(tally->found ? absl::OkStatus() : not_found);
        });
      });
      if (is_asked) ++tally->left;
    }
    if (tally->left == 0) done(ControlOverloaded());
  });
  if (!is_posted) done(RefusalStatus());
}

void Supervisor::Connect(ConnectRequest request, std::shared_ptr<ConnectChannel> channel, std::function<void(absl::Status)> done) {
  const bool is_posted = Post([this, request, channel, done] {
    const EntryPtr entry = table_.Find({Kind::kDialer, request.dialer});
    if (entry == nullptr) return done(NotFound({Kind::kDialer, request.dialer}));
    if (drain_.mode() == DrainMode::kWhole) return done(DaemonDraining());
    const bool is_addressed = entry->object.dialer().spec().stream_header() == v1::STREAM_HEADER_CULVERT;
    const bool is_udp = entry->object.dialer().spec().transport() == v1::TRANSPORT_UDP;
    if (!request.destination.host.empty() && !is_addressed) {
      return done(InvalidField("open.destination", "must be empty: dialer/" + request.dialer + " has no stream_header CULVERT, its far side decides"));
    }
    if (request.udp && !is_addressed && !is_udp) {
      return done(InvalidField("open.udp", "dialer/" + request.dialer + " carries no datagrams: that takes stream_header CULVERT or transport UDP"));
    }
    if (!request.udp && is_udp) return done(InvalidField("open.udp", "must be true: dialer/" + request.dialer + " is of transport UDP"));
    WorkerControl& worker = *options_.workers[next_probe_worker_++ % options_.workers.size()];
    done(worker.Connect(request, channel) ? absl::OkStatus() : ControlOverloaded());
  });
  // Never at once: the caller holds its lock.
  if (!is_posted) thread_.PostReply([done, status = RefusalStatus()] { done(status); });
}

absl::StatusOr<std::shared_ptr<const DialerConfig>> Supervisor::ProbeConfig(const ProbeSubject& subject) {
  if (!subject.name.empty()) {
    const EntryPtr entry = table_.Find({Kind::kDialer, subject.name});
    if (entry == nullptr) return NotFound({Kind::kDialer, subject.name});
    return ToDialerConfig(*entry);
  }
  // Planned like a creation, so that one set of rules judges both, and then not carried out.
  ChangeSet set;
  set.manager = "api";
  set.may_name_any_file = subject.may_name_any_file;
  v1::Dialer& dialer = *set.changes.emplace_back().object.mutable_dialer();
  dialer.mutable_metadata()->set_name("probe");
  *dialer.mutable_spec() = subject.spec;
  uint64_t incarnation = 0;
  PlanContext context = MakeContext();
  context.next_incarnation = &incarnation;
  absl::StatusOr<ChangePlan> plan = MakePlan(ObjectTable(), set, context);
  if (!plan.ok()) return std::move(plan).status();
  return ToDialerConfig(*plan->results.front().after);
}

void Supervisor::Probe(ProbeSubject subject, uint32_t attempts, Duration timeout,
                       std::function<void(absl::StatusOr<ProbeStep>)> on_step) {
  const bool is_posted = Post([this, subject, attempts, timeout, on_step] {
    absl::StatusOr<std::shared_ptr<const DialerConfig>> config = ProbeConfig(subject);
    if (!config.ok()) return on_step(config.status());
    // A probe tells about the far side, whatever the dialer may do now.
    auto probed = std::make_shared<DialerConfig>(**config);
    probed->paused = false;
    probed->min_sessions = 0;
    probed->max_sessions = UINT32_MAX;
    config = std::shared_ptr<const DialerConfig>(std::move(probed));
    if (probes_running_ >= kMaxProbes) return on_step(LimitExceeded("probes", kMaxProbes));
    WorkerControl& worker = *options_.workers[next_probe_worker_++ % options_.workers.size()];
    const bool is_asked = worker.Probe({*std::move(config), attempts, timeout}, [this, on_step](ProbeStep step) {
      thread_.PostReply([this, on_step, step = std::move(step)] {
        if (step.last) --probes_running_;
        on_step(step);
      });
    });
    if (!is_asked) return on_step(ControlOverloaded());
    ++probes_running_;
  });
  if (!is_posted) on_step(RefusalStatus());
}

}  // namespace culvert::server
