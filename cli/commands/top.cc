// culvertctl top: who sends how much right now, from the daemon's stream of statistics.
#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

#include "absl/strings/str_join.h"
#include "cli/command.h"
#include "cli/process/interrupt.h"
#include "cli/process/terminal.h"
#include "cli/text/escape.h"
#include "cli/text/json.h"
#include "cli/text/units.h"
#include "cli/watch/rate_tables.h"
#include "cli/watch/rates.h"
#include "cli/watch/top_view.h"
#include "culvert/v1/daemon.grpc.pb.h"
#include "culvert/v1/observe.grpc.pb.h"
#include "proto/manifest/manifest.h"
#include "proto/manifest/suggest.h"

namespace culvert::cli {
namespace {

class Top : public Command {
 public:
  std::vector<std::string> words;
  uint32_t frames = 0;  // 0: until interrupted
  std::string interval_text = "1s";
  std::string sort_text = "tx";
  std::string listener, dialer, forward;

  [[nodiscard]] Takes takes() const override { return {.formats = {Format::kTable, Format::kJson, Format::kJsonLines}, .filter = true}; }
  Outcome Validate(const Globals& globals) override {
    request_.set_filter(globals.filter);
    if (!words.empty()) {
      const auto kind = ParseKind(words[0]);
      if (!kind.ok()) return Usage(std::string(kind.status().message()), "culvertctl top --help");
      const auto scope = ScopeOf(*kind);
      if (!scope || words.size() > 1)
        return Usage("top shows sessions, streams, udpflows or forwards", "culvertctl top --help");
      kind_ = *kind;
      request_.set_scope(*scope);
    }
    const auto interval = manifest::ParseDuration(interval_text);
    if (!interval.ok()) return Usage("--interval: " + std::string(interval.status().message()));
    if (Seconds(*interval) < 0.1 || Seconds(*interval) > 3600) return Usage("--interval: 100ms to 1h");
    *request_.mutable_interval() = *interval;
    request_.set_listener(listener);
    request_.set_dialer(dialer);
    request_.set_forward(forward);
    std::vector<std::string> names;
    for (const SortKey key : SortKeysOf(kind_)) {
      if (SortName(key) == sort_text) {
        sort_ = key;
        return std::nullopt;
      }
      names.push_back(SortName(key));
    }
    return Usage("--sort: one of " + absl::StrJoin(names, ", ") + manifest::DidYouMean(sort_text, names));
  }

  Outcome Run(Context& context) override {
    v1::GetDaemonResponse daemon;
    if (Outcome failed = context.client.Call<v1::DaemonService>(&v1::DaemonService::Stub::GetDaemon,
                                                                v1::GetDaemonRequest(), &daemon)) {
      return failed;
    }
    TopView view(context.streams, {daemon.daemon(), interval_text, request_.filter(), kind_, sort_, !context.globals.no_headers});
    const InterruptScope interrupt([this] { Cancel(); });
    std::optional<FullScreen> screen;
    if (context.streams.in_is_terminal && context.streams.out_is_terminal && context.globals.format == Format::kTable) {
      screen.emplace([&](char key) { OnKey(view.OnKey(key)); });
    }
    Outcome failed = RunStreams(context, view, screen.has_value(), interrupt);
    screen.reset();  // what is said now must be on the screen that stays
    return failed;
  }

 private:
  void OnKey(TopView::Wish wish) {
    if (wish == TopView::Wish::kNothing) return;
    (wish == TopView::Wish::kQuit ? quit_ : other_filter_) = true;
    Cancel();
  }

  void Cancel() {
    const std::lock_guard lock(mutex_);
    if (call_ != nullptr) call_->TryCancel();
  }

  void SetCall(grpc::ClientContext* call) {
    const std::lock_guard lock(mutex_);
    call_ = call;
  }

  // One stream after the other: another filter is another stream.
  Outcome RunStreams(Context& context, TopView& view, bool on_screen, const InterruptScope& interrupt) {
    bool is_typed = false;  // the filter, on the screen
    while (true) {
      grpc::ClientContext call;
      // A stream has no natural end; a week is one all the same.
      Client::SetDeadline(call, std::chrono::hours(24 * 7));
      SetCall(&call);
      if (interrupt.interrupted() || quit_) call.TryCancel();  // it came between two calls
      request_.set_filter(view.filter());
      const auto stub = v1::ObserveService::NewStub(context.client.channel());
      const auto reader = stub->WatchStats(&call, request_);
      Follow(context, *reader, view, on_screen);
      // After the daemon's own end a cancellation would hide its reason.
      if (done_) call.TryCancel();
      const grpc::Status status = reader->Finish();
      SetCall(nullptr);
      if (interrupt.interrupted()) return Failure{ExitCode::kInterrupted, {}, "", ""};
      if (done_ || quit_) return std::nullopt;
      if (other_filter_.exchange(false)) {
        is_typed = true;
        continue;
      }
      if (is_typed && status.error_code() == grpc::StatusCode::INVALID_ARGUMENT) {
        const Failure refused = context.client.Explain(status);
        view.RefuseFilter(refused.faults.empty() ? "the daemon refused the filter" : refused.faults.front());
        is_typed = false;
        continue;
      }
      return status.ok() ? Fail(ExitCode::kUnreachable, "culvertd ended the stream") : Outcome(context.client.Explain(status));
    }
  }

  // nullopt: there are no rates of that kind.
  static std::optional<v1::WatchStatsRequest::Scope> ScopeOf(Kind kind) {
    switch (kind) {
      case Kind::kSession:
        return v1::WatchStatsRequest::SCOPE_SESSIONS;
      case Kind::kStream:
        return v1::WatchStatsRequest::SCOPE_STREAMS;
      case Kind::kUdpFlow:
        return v1::WatchStatsRequest::SCOPE_UDP_FLOWS;
      case Kind::kForward:
        return v1::WatchStatsRequest::SCOPE_FORWARDS;
      default:
        return std::nullopt;
    }
  }

  void Follow(Context& context, grpc::ClientReader<v1::WatchStatsResponse>& reader, TopView& view, bool on_screen) {
    Rates rates;
    uint32_t shown = 0;
    v1::WatchStatsResponse message;
    while (!done_ && reader.Read(&message)) {
      std::optional<RateFrame> frame = rates.Add(message);
      if (context.globals.format != Format::kTable) {
        context.streams.out << ToJsonLine(message) << std::endl;
        if (frame) ++shown;
      } else if (frame && on_screen) {
        view.Show(*std::move(frame));
        ++shown;
      } else if (frame && frame->has_rates) {
        // The first frame only says where counting begins.
        if (shown++ > 0) context.streams.out << "\n";
        context.streams.out << view.Render(*frame) << std::flush;
      }
      done_ = (frames != 0 && shown >= frames) || !context.streams.out;
    }
  }

  v1::WatchStatsRequest request_;
  Kind kind_ = Kind::kSession;
  SortKey sort_ = SortKey::kTx;
  bool done_ = false;
  std::atomic<bool> quit_{false};
  std::atomic<bool> other_filter_{false};
  std::mutex mutex_;
  grpc::ClientContext* call_ = nullptr;  // guarded by mutex_; nullptr: none is under way
};

}  // namespace

Verb AddTop(CLI::App& root) {
  auto command = std::make_unique<Top>();
  CLI::App* app = AddVerb(root, "top",
                          "Shows live rates of sessions, streams, UDP flows or forwards. On a terminal: q quits, s changes "
                          "the order, / asks for a filter.",
                          "culvertctl top\n"
                          "culvertctl top streams --forward pg\n"
                          "culvertctl top --sort rx --interval 500ms\n"
                          "culvertctl top -n 1                  one frame, then end\n"
                          "culvertctl top --listener kcp-in\n"
                          "culvertctl top --filter 'remote:10.0.0.0/8 AND rtt>80ms'");
  app->add_option("what", command->words, "sessions, streams, udpflows or forwards (sessions)");
  app->add_option("-n", command->frames, "end after this many frames");
  app->add_option("--interval", command->interval_text, "time between frames, 100ms to 1h (1s)");
  app->add_option("--sort", command->sort_text, "tx, rx or name; of sessions rtt and loss too (tx)");
  app->add_option("--listener", command->listener, "only what belongs to this listener");
  app->add_option("--dialer", command->dialer, "only what belongs to this dialer");
  app->add_option("--forward", command->forward, "only what belongs to this forward");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
