// DialerService.ProbeDialer: the steps of a probe as they happen.
#include <deque>
#include <mutex>
#include <string>
#include <utility>

#include <google/protobuf/util/time_util.h>

#include "core/io/monotonic_clock.h"
#include "server/access/admission.h"
#include "server/services/audit.h"
#include "server/services/declared_services.h"
#include "server/services/stream_reactor.h"
#include "server/stats_proto.h"

namespace culvert::server {
namespace {

constexpr Duration kDefaultTimeout = std::chrono::seconds(5);

v1::ProbeDialerResponse::Phase ToProto(ProbeStep::Phase phase) {
  switch (phase) {
    case ProbeStep::Phase::kResolve: return v1::ProbeDialerResponse::PHASE_RESOLVE;
    case ProbeStep::Phase::kSocket: return v1::ProbeDialerResponse::PHASE_SOCKET;
    case ProbeStep::Phase::kHandshake: return v1::ProbeDialerResponse::PHASE_HANDSHAKE;
    case ProbeStep::Phase::kReady: return v1::ProbeDialerResponse::PHASE_READY;
  }
  return v1::ProbeDialerResponse::PHASE_UNSPECIFIED;
}

std::string SubjectOf(const v1::ProbeDialerRequest& request) {
  if (!request.has_spec()) return "dialer/" + StripCollection(request.name(), KindInfo(Kind::kDialer).collection);
  std::string targets;
  for (const std::string& target : request.spec().targets()) targets += (targets.empty() ? "settings for " : ",") + target;
  return targets;
}

// The queue is bounded by the request: attempts (at most 100) times targets (at most 64) times four phases.
class ProbeStream final : public WriteStream<v1::ProbeDialerResponse> {
 public:
  // From now on its end is written down.
  void Begin(const v1::ProbeDialerRequest& request, Caller caller) {
    audit_ = DescribeRequest(request);
    audit_.subject = SubjectText(SubjectOf(request));
    caller_ = std::move(caller);
    began_at_ = io::Now();
  }
  void OnStep(const absl::StatusOr<ProbeStep>& step) {
    if (!step.ok()) {
      {
        const std::lock_guard lock(mutex_);
        outcome_ = OutcomeText(step.status());
      }
      return End(step.status(), /*discard=*/false);
    }
    const bool is_last = step->last;
    {
      const std::lock_guard lock(mutex_);
      if (!is_gone_) steps_.push_back(*step);
      if (is_last) outcome_ = step->error_reason.empty() ? "ok" : step->error_reason;
    }
    if (is_last) {
      End(absl::OkStatus(), /*discard=*/false);
    } else {
      Poke();
    }
  }

 private:
  bool Next(v1::ProbeDialerResponse& message) override {
    const std::lock_guard lock(mutex_);
    if (steps_.empty()) return false;
    const ProbeStep& step = steps_.front();
    message.set_attempt(step.attempt);
    message.set_target(step.target);
    message.set_phase(ToProto(step.phase));
    message.set_address(step.address);
    *message.mutable_elapsed() = server::ToProto(step.elapsed);
    if (step.phase == ProbeStep::Phase::kReady && step.error_reason.empty()) {
      *message.mutable_path() = ToPathStats(step.stats);
      if (step.tls != nullptr) *message.mutable_tls() = server::ToProto(*step.tls);
    }
    message.set_error_reason(step.error_reason);
    message.set_error_message(step.error_message);
    steps_.pop_front();
    return true;
  }
  void OnGone() override {
    const std::lock_guard lock(mutex_);
    is_gone_ = true;
    steps_.clear();
    WriteAuditEnd(audit_, caller_, outcome_, {.elapsed = io::Now() - began_at_});
  }

  AuditRecord audit_;  // constant once it has begun, like the next two
  Caller caller_;
  TimePoint began_at_{};
  std::mutex mutex_;
  std::deque<ProbeStep> steps_;          // guarded by mutex_, like all below
  std::string outcome_ = "CANCELLED";  // until there is another
  bool is_gone_ = false;
};

}  // namespace

grpc::ServerWriteReactor<v1::ProbeDialerResponse>* DialerService::ProbeDialer(Call* call,
                                                                              const v1::ProbeDialerRequest* request) {
  const auto stream = std::make_shared<ProbeStream>();
  stream->KeepAlive(call);
  const absl::StatusOr<Caller> caller = Admit(*context_.callers, *call, *request);
  absl::Status admitted = caller.status();
  if (admitted.ok()) admitted = stream->Stand(context_, *request->GetDescriptor());
  if (!admitted.ok()) {
    stream->End(std::move(admitted), /*discard=*/true);
    return stream.get();
  }
  Violations violations;
  if (request->subject_case() == v1::ProbeDialerRequest::SUBJECT_NOT_SET) {
    violations.push_back({"name", "must be set, or else spec"});
  }
  if (request->has_name() && request->name().empty()) violations.push_back({"name", "must not be empty"});
  if (!violations.empty()) {
    stream->End(InvalidFields(violations), /*discard=*/true);
    return stream.get();
  }
  Supervisor::ProbeSubject subject;
  if (request->has_name()) subject.name = StripCollection(request->name(), KindInfo(Kind::kDialer).collection);
  if (request->has_spec()) subject.spec = request->spec();
  subject.may_name_any_file = caller->MayNameAnyFile();
  stream->Begin(*request, *caller);
  Duration timeout(google::protobuf::util::TimeUtil::DurationToNanoseconds(request->timeout()));
  if (timeout <= Duration::zero()) timeout = kDefaultTimeout;
  const uint32_t attempts = request->count() == 0 ? 1 : request->count();
  context_.supervisor->Probe(std::move(subject), attempts, timeout,
                             [stream](const absl::StatusOr<ProbeStep>& step) { stream->OnStep(step); });
  return stream.get();
}

}  // namespace culvert::server
