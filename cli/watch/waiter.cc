// One watch after another until everything is met or the time is over: a snapshot says what is there and, when it is complete, what
// is not; then changes say what happens. A stream that breaks is begun anew.
#include "cli/watch/waiter.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <utility>

#include "absl/strings/str_format.h"
#include "cli/objects/kind_types.h"
#include "cli/objects/object_changes.h"
#include "cli/process/interrupt.h"
#include "cli/text/escape.h"
#include "culvert/v1/daemon.grpc.pb.h"
#include "culvert/v1/observe.grpc.pb.h"
#include "google/protobuf/util/time_util.h"
#include "proto/manifest/manifest.h"

namespace culvert::cli {
namespace {

using Clock = std::chrono::steady_clock;
using google::protobuf::Message;

constexpr Duration kPause = std::chrono::milliseconds(100);  // before a daemon that was lost is asked again
constexpr size_t kMaxFilterNames = 32;                       // a filter has 64 comparisons

// The time that is left, and interrupts: both end whatever is waited for.
class Patience {
 public:
  explicit Patience(Duration timeout)
      : deadline_(Clock::now() + std::chrono::duration_cast<Clock::duration>(timeout)), interrupt_([this] { Interrupt(); }) {}

  Duration left() const { return std::max(Duration::zero(), std::chrono::duration_cast<Duration>(deadline_ - Clock::now())); }
  bool is_over() const { return Clock::now() >= deadline_; }
  bool interrupted() const { return interrupt_.interrupted(); }

  void Pause(Duration longest) {
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, std::min(longest, left()), [this] { return is_interrupted_; });
  }
  // While it lives an interrupt cancels `call`.
  class Guard {
   public:
    Guard(Patience& patience, grpc::ClientContext& call) : patience_(patience) {
      const std::lock_guard lock(patience_.mutex_);
      patience_.call_ = &call;
      if (patience_.is_interrupted_) call.TryCancel();
    }
    ~Guard() {
      const std::lock_guard lock(patience_.mutex_);
      patience_.call_ = nullptr;
    }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    Patience& patience_;
  };

 private:
  void Interrupt() {
    const std::lock_guard lock(mutex_);
    is_interrupted_ = true;
    if (call_ != nullptr) call_->TryCancel();
    wake_.notify_all();
  }

  const Clock::time_point deadline_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool is_interrupted_ = false;          // guarded by mutex_
  grpc::ClientContext* call_ = nullptr;  // guarded by mutex_
  InterruptScope interrupt_;             // last: its thread uses the others
};

class Waiter {
 public:
  Waiter(Context& context, const std::vector<Reference>& references, const WaitFor& wanted, Duration timeout,
         const std::function<void(const Reference&)>& on_met)
      : context_(context), wanted_(wanted), timeout_(timeout), on_met_(on_met) {
    std::set<Kind> kinds;
    for (const Reference& reference : references) {
      kinds.insert(reference.kind);
      targets_.push_back({reference, {}, "has not been seen yet", false, false});
    }
    for (const Kind kind : kinds) request_.add_kinds(WatchKindOf(kind));
    if (kinds.size() == 1 && references.size() <= kMaxFilterNames) request_.set_filter(FilterFor(references));
  }

  Outcome Run() {
    // A look at what is there takes a moment, also where nothing is waited for.
    Patience patience(timeout_ > Duration::zero() ? timeout_ : context_.client.request_timeout());
    while (true) {
      context_.client.set_patience(std::min(patience.left(), kSocketPatience));
      if (Outcome failed = context_.client.Connect()) {
        if (failed->code != ExitCode::kUnreachable) return failed;
        lost_ = failed->faults.front();
      } else if (Outcome ended = Watch(patience); ended || is_done_) {
        return ended;
      }
      if (patience.interrupted()) return Failure{ExitCode::kInterrupted, {}, "", ""};
      if (patience.is_over() || timeout_ == Duration::zero()) return TimedOut();
      patience.Pause(kPause);
    }
  }

 private:
  struct Target {
    Reference reference;
    std::unique_ptr<Message> subject;  // as it was last; nullptr: it is not there
    std::string last;                  // how it stood, for people
    bool is_met;
    bool was_there;
  };

  static std::string FilterFor(const std::vector<Reference>& references) {
    std::string filter;
    for (const Reference& reference : references) {
      const bool is_session = reference.kind == Kind::kSession;
      filter += (filter.empty() ? "" : " OR ") + std::string(is_session ? "name=\"sessions/" : "metadata.name=\"") + reference.name + "\"";
    }
    return filter;
  }

  // nullopt and !is_done_: the stream broke, or the time is over.
  Outcome Watch(Patience& patience) {
    grpc::ClientContext call;
    Client::SetDeadline(call, patience.left());
    call.set_wait_for_ready(true);
    const Patience::Guard guard(patience, call);
    for (Target& target : targets_) target.subject.reset();
    const auto stub = v1::ObserveService::NewStub(context_.client.channel());
    const auto reader = stub->Watch(&call, request_);
    v1::WatchResponse response;
    bool is_complete = false;
    Outcome outcome;
    while (!is_done_ && !outcome && reader->Read(&response)) {
      lost_.clear();
      if (response.has_closing()) break;
      Take(response);
      is_complete = is_complete || response.bookmark().snapshot_complete();
      outcome = JudgeAll(is_complete);
      if (!outcome && !is_done_ && is_complete && timeout_ == Duration::zero()) outcome = TimedOut();
    }
    if (is_done_ || outcome || response.has_closing()) call.TryCancel();
    const grpc::Status status = reader->Finish();
    if (is_done_ || outcome) return outcome;
    const bool is_passing =
        status.ok() || status.error_code() == grpc::StatusCode::UNAVAILABLE || status.error_code() == grpc::StatusCode::CANCELLED ||
        status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED || status.error_code() == grpc::StatusCode::OUT_OF_RANGE;
    if (!is_passing) return context_.client.Explain(status);
    if (status.error_code() == grpc::StatusCode::UNAVAILABLE) lost_ = context_.client.Explain(status).faults.front();
    return std::nullopt;
  }

  void Take(const v1::WatchResponse& response) {
    if (!response.has_change()) return;
    const auto& change = response.change();
    const Message* body = nullptr;
    Reference reference{Kind::kSession, ""};
    if (change.has_session()) {
      body = &change.session();
      reference.name = BriefName(Kind::kSession, change.session().name());
    } else if (change.has_object() && change.object().kind_case() != v1::Object::KIND_NOT_SET) {
      body = &BodyOf(change.object());
      reference = {change.object().has_listener() ? Kind::kListener : change.object().has_dialer() ? Kind::kDialer : Kind::kForward,
                   manifest::MetadataOf(change.object()).name()};
    }
    if (body == nullptr) return;
    for (Target& target : targets_) {
      if (!(target.reference == reference)) continue;
      target.was_there = true;
      target.subject.reset();
      if (change.type() == v1::WatchResponse::Change::TYPE_DELETED) continue;
      target.subject.reset(body->New());
      target.subject->CopyFrom(*body);
    }
  }

  // Before the snapshot is complete, what has not come yet may still come.
  Outcome JudgeAll(bool is_complete) {
    is_done_ = true;
    for (Target& target : targets_) {
      if (target.is_met) continue;
      if (target.subject == nullptr && !is_complete) {
        is_done_ = false;
        continue;
      }
      const Standing standing = Judge(wanted_, target.subject.get(), target.was_there);
      target.last = standing.text;
      if (standing.is_met) {
        target.is_met = true;
        if (on_met_) on_met_(target.reference);
        continue;
      }
      is_done_ = false;
      const std::string name = Visible(ToString(target.reference));
      if (standing.is_hopeless) return Fail(ExitCode::kConflict, name + " " + standing.text);
      if (target.subject == nullptr && target.reference.kind == Kind::kSession) {
        return Fail(ExitCode::kNotFound,
                    name + (target.was_there ? " has ended" : " does not exist, and a session's name never comes back"));
      }
    }
    return std::nullopt;
  }

  Failure TimedOut() const {
    Failure failure{ExitCode::kTimeout, {}, "", ""};
    const std::string took = manifest::FormatDuration(
        google::protobuf::util::TimeUtil::NanosecondsToDuration(std::chrono::duration_cast<std::chrono::nanoseconds>(timeout_).count()));
    for (const Target& target : targets_) {
      if (target.is_met) continue;
      const std::string name = Visible(ToString(target.reference));
      failure.faults.push_back(absl::StrFormat("timed out after %s: %s %s", took, name, target.last));
    }
    if (!lost_.empty()) failure.faults = {absl::StrFormat("timed out after %s: %s", took, lost_)};
    return failure;
  }

  Context& context_;
  const WaitFor& wanted_;
  const Duration timeout_;
  const std::function<void(const Reference&)>& on_met_;
  std::vector<Target> targets_;
  v1::WatchRequest request_;
  std::string lost_;  // why the daemon does not answer right now
  bool is_done_ = false;
};

}  // namespace

Outcome WaitForAll(Context& context, const std::vector<Reference>& references, const WaitFor& wanted, Duration timeout,
                   const std::function<void(const Reference&)>& on_met) {
  return Waiter(context, references, wanted, timeout, on_met).Run();
}

Outcome PollDaemon(Context& context, Duration timeout, const std::function<PollStep(const v1::Daemon*)>& look) {
  Patience patience(timeout);
  std::string last = "has not answered";
  while (true) {
    v1::GetDaemonResponse response;
    context.client.set_patience(std::min(patience.left(), kSocketPatience));
    Outcome failed = context.client.Connect();
    bool is_cut = false;  // a daemon that ends lets go of the calls under way
    if (!failed) {
      // Whoever looks once gives it the time that a request has.
      const Duration left = timeout > Duration::zero() ? patience.left() : context.client.request_timeout();
      grpc::ClientContext call;
      Client::SetDeadline(call, std::min(left, context.client.request_timeout()));
      const Patience::Guard guard(patience, call);
      const grpc::Status status = v1::DaemonService::NewStub(context.client.channel())->GetDaemon(&call, {}, &response);
      if (!status.ok()) failed = context.client.Explain(status);
      is_cut = status.error_code() == grpc::StatusCode::CANCELLED;
    }
    if (patience.interrupted()) return Failure{ExitCode::kInterrupted, {}, "", ""};
    if (failed && !is_cut && failed->code != ExitCode::kUnreachable && failed->code != ExitCode::kTimeout) return failed;
    const PollStep step = look(failed ? nullptr : &response.daemon());
    if (step.is_over) return std::nullopt;
    last = failed ? failed->faults.front() : step.text;
    if (patience.is_over()) {
      const auto took =
          google::protobuf::util::TimeUtil::NanosecondsToDuration(std::chrono::duration_cast<std::chrono::nanoseconds>(timeout).count());
      return Fail(ExitCode::kTimeout, absl::StrFormat("timed out after %s: %s", manifest::FormatDuration(took), last));
    }
    patience.Pause(2 * kPause);
  }
}

Outcome WaitForDaemon(Context& context, const WaitFor& wanted, Duration timeout) {
  return PollDaemon(context, timeout, [&](const v1::Daemon* daemon) -> PollStep {
    if (daemon == nullptr) return {};
    const Standing standing = Judge(wanted, daemon, false);
    return {standing.is_met, "daemon " + standing.text};
  });
}

Outcome ParseTimeout(const std::string& text, Duration& out) {
  constexpr int64_t kMaxSeconds = 86400;
  const auto timeout = manifest::ParseDuration(text);
  if (!timeout.ok()) return Usage("--timeout: " + std::string(timeout.status().message()));
  if (timeout->seconds() < 0 || timeout->nanos() < 0 || timeout->seconds() > kMaxSeconds) return Usage("--timeout: 0 to 24h");
  out = std::chrono::seconds(timeout->seconds()) + std::chrono::nanoseconds(timeout->nanos());
  return std::nullopt;
}

}  // namespace culvert::cli
