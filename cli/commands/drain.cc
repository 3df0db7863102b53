// culvertctl drain: takes the daemon out of service and lets what runs end.
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/changes/mutation.h"
#include "cli/command.h"
#include "cli/text/json.h"
#include "cli/text/units.h"
#include "cli/watch/waiter.h"
#include "culvert/v1/daemon.grpc.pb.h"
#include "google/protobuf/util/time_util.h"
#include "proto/manifest/emitter.h"
#include "proto/manifest/manifest.h"

namespace culvert::cli {
namespace {

using google::protobuf::util::TimeUtil;

// How long after the daemon's own deadline it is waited for.
constexpr Duration kGrace = std::chrono::seconds(5);
constexpr int64_t kMaxSeconds = 86400;

std::string LeftText(const v1::Drain& drain) {
  return absl::StrFormat("%d sessions, %d streams, %d UDP flows left", drain.sessions_left(), drain.streams_left(), drain.udp_flows_left());
}

class Drain : public Command {
 public:
  std::string timeout_text;
  bool inbound_only = false;
  bool exit = false;
  bool wait = false;
  bool cancel = false;

  [[nodiscard]] Takes takes() const override { return {.formats = {Format::kTable, Format::kJson, Format::kYaml}}; }

  Outcome Validate(const Globals&) override {
    if (cancel && (inbound_only || exit || wait || !timeout_text.empty())) {
      return Usage("--cancel ends a drain: --timeout, --inbound-only, --exit and --wait are for one that begins", "culvertctl drain --cancel");
    }
    if (timeout_text.empty()) return std::nullopt;
    const auto timeout = manifest::ParseDuration(timeout_text);
    if (!timeout.ok()) return Usage("--timeout: " + std::string(timeout.status().message()));
    if (TimeUtil::DurationToMilliseconds(*timeout) < 1 || timeout->seconds() > kMaxSeconds) return Usage("--timeout: 1ms to 24h");
    timeout_ = *timeout;
    return std::nullopt;
  }

  Outcome Run(Context& context) override {
    if (Outcome failed = BeginMutation(context, {.question = cancel ? "take new work again" : exit ? "drain this daemon and end it" : "drain this daemon"})) {
      return failed;
    }
    v1::Drain drain;
    if (Outcome failed = cancel ? Cancel(context, drain) : Start(context, drain)) return failed;
    if (wait) {
      if (Outcome failed = AwaitEnd(context, drain)) return failed;
    }
    Print(context, drain);
    if (!wait || drain.phase() != v1::Drain::PHASE_TIMED_OUT) return std::nullopt;
    return Failure{ExitCode::kTimeout, {absl::StrCat("the time to drain is up: ", LeftText(drain))}, "", "culvertctl get streams"};
  }

 private:
  Outcome Start(Context& context, v1::Drain& drain) const {
    v1::StartDrainRequest request;
    if (!timeout_text.empty()) *request.mutable_timeout() = timeout_;
    request.set_inbound_only(inbound_only);
    request.set_exit_when_drained(exit);
    request.set_request_id(NewRequestId());
    v1::StartDrainResponse response;
    Outcome failed = context.client.Call<v1::DaemonService>(&v1::DaemonService::Stub::StartDrain, request, &response);
    drain = response.drain();
    return failed;
  }

  static Outcome Cancel(Context& context, v1::Drain& drain) {
    v1::CancelDrainRequest request;
    request.set_request_id(NewRequestId());
    v1::CancelDrainResponse response;
    Outcome failed = context.client.Call<v1::DaemonService>(&v1::DaemonService::Stub::CancelDrain, request, &response);
    drain = response.drain();
    return failed;
  }

  // Until the drain is over; with --exit also until nobody answers any more.
  Outcome AwaitEnd(Context& context, v1::Drain& drain) const {
    const auto began = std::chrono::steady_clock::now();
    const Duration limit = std::chrono::nanoseconds(TimeUtil::TimestampToNanoseconds(drain.deadline()) - TimeUtil::TimestampToNanoseconds(drain.start_time())) + kGrace;
    const v1::Drain first = drain;
    bool is_gone = false;
    const auto look = [&](const v1::Daemon* daemon) -> PollStep {
      if (daemon == nullptr) {
        is_gone = exit;
        return {is_gone, "the daemon does not answer"};
      }
      drain = daemon->drain();
      if (context.streams.out_is_terminal && !context.globals.quiet) context.streams.err << "\r\x1b[K" << LeftText(drain) << std::flush;
      return {drain.phase() != v1::Drain::PHASE_DRAINING, LeftText(drain)};
    };
    Outcome failed = PollDaemon(context, limit, look);
    if (context.streams.out_is_terminal && !context.globals.quiet) context.streams.err << "\r\x1b[K" << std::flush;
    if (failed) return failed;
    if (drain.phase() == v1::Drain::PHASE_SERVING) return Fail(ExitCode::kConflict, "the drain was cancelled by somebody else");
    // It ended by itself: with nothing left, or since its time was up, which it cannot tell any more.
    const bool was_in_time = std::chrono::steady_clock::now() - began < limit - kGrace;
    const bool had_nothing = drain.sessions_left() == 0 && drain.streams_left() == 0 && drain.udp_flows_left() == 0;
    if (is_gone) drain.set_phase(was_in_time || had_nothing ? v1::Drain::PHASE_DRAINED : v1::Drain::PHASE_TIMED_OUT);
    return std::nullopt;
  }

  void Print(Context& context, const v1::Drain& drain) const {
    std::ostream& out = context.streams.out;
    if (context.globals.format == Format::kJson) {
      out << ToJson(drain);
      return;
    }
    if (context.globals.format == Format::kYaml) {
      out << manifest::EmitFields(drain, 0, {true});
      return;
    }
    if (context.globals.quiet) return;
    switch (drain.phase()) {
      case v1::Drain::PHASE_DRAINING: out << "draining" << (drain.inbound_only() ? " what comes in" : "") << ": " << LeftText(drain) << "\n"; break;
      case v1::Drain::PHASE_DRAINED: out << "drained\n"; break;
      case v1::Drain::PHASE_TIMED_OUT: break;  // that is an error
      default: out << "takes new work\n"; break;
    }
  }

  google::protobuf::Duration timeout_;
};

}  // namespace

Verb AddDrain(CLI::App& root) {
  auto command = std::make_unique<Drain>();
  CLI::App* app = AddVerb(root, "drain",
                          "Takes the daemon out of service: it refuses new sessions, streams and flows and lets what runs end. What it still has "
                          "when its time is up goes on. Declared objects do not change.",
                          "culvertctl drain --timeout 60s --wait\n"
                          "culvertctl drain --inbound-only --wait     what local applications send goes on\n"
                          "culvertctl drain --exit                    and ends the daemon then\n"
                          "culvertctl drain --cancel");
  app->add_option("--timeout", command->timeout_text, "how long what runs may take; else that of culvertd --drain-timeout")->type_name("DURATION");
  app->add_flag("--inbound-only", command->inbound_only, "only what comes from far sides: sessions of KCP and QUIC listeners, and reverse forwards");
  app->add_flag("--exit", command->exit, "the daemon ends when the drain is over, whatever is left");
  app->add_flag("--wait", command->wait, "until the drain is over; 7 when its time was up before");
  app->add_flag("--cancel", command->cancel, "takes new work again");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
