// Draining the daemon: the workers refuse what is new, and what is left is looked at until nothing is or the time is up.
#include <google/protobuf/util/time_util.h>

#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "core/io/monotonic_clock.h"
#include "server/supervisor.h"

namespace culvert::server {
namespace {

using google::protobuf::util::TimeUtil;

constexpr Duration kLookInterval = std::chrono::milliseconds(100);
constexpr char kSubject[] = "daemon";

std::string LeftText(const Drain::Left& left) {
  return absl::StrFormat("%d sessions, %d streams and %d UDP flows are left", left.sessions, left.streams, left.udp_flows);
}

}  // namespace

void Supervisor::StartDrain(const DrainRequest& request, Done<v1::Drain> done) {
  const bool is_posted = Post([this, request, done] {
    const DrainMode mode = request.inbound_only ? DrainMode::kInbound : DrainMode::kWhole;
    SetDrainMode(mode, [this, request, done](absl::Status status) {
      if (!status.ok()) return done(std::move(status));
      const bool goes_on = drain_.phase() == v1::Drain::PHASE_DRAINING;
      drain_.Begin(request, request.timeout > Duration::zero() ? request.timeout : options_.drain_timeout, io::Now(), io::UnixNanoseconds());
      const std::string what = request.inbound_only ? "takes nothing new from far sides" : "takes nothing new";
      Log(LogLevel::kInfo, "daemon", "draining: " + what, {{"exits", request.exit_when_drained ? "true" : "false"}});
      events_.Record(EventType::kNormal, "Draining", kSubject, what);
      if (!goes_on) LookAtDrain();
      done(drain_.ToProto());
    });
  });
  if (!is_posted) done(RefusalStatus());
}

void Supervisor::CancelDrain(Done<v1::Drain> done) {
  const bool is_posted = Post([this, done] {
    if (drain_.phase() == v1::Drain::PHASE_SERVING) return done(drain_.ToProto());
    SetDrainMode(DrainMode::kNone, [this, done](absl::Status status) {
      if (!status.ok()) return done(std::move(status));
      drain_.Cancel();
      Log(LogLevel::kInfo, "daemon", "the drain is cancelled: new work is taken again");
      events_.Record(EventType::kNormal, "DrainCancelled", kSubject, "takes new work again");
      done(drain_.ToProto());
    });
  });
  if (!is_posted) done(RefusalStatus());
}

// In its turn among the changes, so that no worker hears of two routings at a time.
void Supervisor::SetDrainMode(DrainMode mode, std::function<void(absl::Status)> done) {
  Waiting waiting;
  waiting.drain = mode;
  waiting.done = [this, done = std::move(done)](const absl::StatusOr<ChangeOutcome>& outcome) {
    if (!outcome.ok()) running_state_.set_drain(drain_.mode());  // as it was
    done(outcome.status());
  };
  waiting_.push_back(std::move(waiting));
  BeginNextChange();
}

void Supervisor::LookAtDrain() {
  if (stopping_ || drain_.phase() != v1::Drain::PHASE_DRAINING) return;
  // Each drain has one chain of looks: one that was cancelled must not go on beside the next.
  const auto is_this = [this, began = TimeUtil::TimestampToNanoseconds(drain_.ToProto().start_time())] {
    return drain_.phase() == v1::Drain::PHASE_DRAINING && TimeUtil::TimestampToNanoseconds(drain_.ToProto().start_time()) == began;
  };
  collector_.Collect({.sessions = true}, kLookInterval / 2, [this, is_this](const ReportPtr& report) {
    if (!is_this()) return;
    Drain::Left left = drain_.LeftIn(*report, table_);
    // The other side opens its next session elsewhere, or finds out now that it cannot.
    for (const std::string& id : std::exchange(left.idle_sessions, {})) CloseSession(id, /*graceful=*/true, /*validate_only=*/false, [](const absl::Status&) {});
    if (!report->is_complete) ++left.sessions;  // what a silent worker has is not gone
    if (drain_.Note(left, io::Now(), io::UnixNanoseconds())) return EndDrain();
    thread_.RunAt(io::Now() + kLookInterval, [this, is_this] {
      if (is_this()) LookAtDrain();
    });
  });
}

void Supervisor::EndDrain() {
  const bool is_whole = drain_.phase() == v1::Drain::PHASE_DRAINED;
  const std::string message = is_whole ? "nothing is left" : LeftText(drain_.left());
  Log(is_whole ? LogLevel::kInfo : LogLevel::kWarning, "daemon", (is_whole ? "drained: " : "the time to drain is up: ") + message);
  events_.Record(is_whole ? EventType::kNormal : EventType::kWarning, is_whole ? "Drained" : "DrainTimedOut", kSubject, message);
  if (drain_.exits() && options_.on_drained) options_.on_drained();
}

}  // namespace culvert::server
