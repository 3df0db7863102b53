// culvertctl top: who sends how much right now, from the daemon's stream of statistics.
#include <algorithm>
#include <atomic>
#include <iterator>
#include <mutex>
#include <sstream>
#include <utility>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "cli/command.h"
#include "cli/escape.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/rate_tables.h"
#include "cli/rates.h"
#include "cli/terminal.h"
#include "cli/units.h"
#include "culvert/v1/daemon.grpc.pb.h"
#include "culvert/v1/observe.grpc.pb.h"
#include "proto/manifest/manifest.h"
#include "proto/manifest/suggest.h"

namespace culvert::cli {
namespace {

// What the screen shows and how; keys change it while frames come in.
class View {
 public:
  View(Context& context, v1::Daemon daemon, std::string interval, Kind kind, SortKey sort)
      : context_(context), daemon_(std::move(daemon)), interval_(std::move(interval)), kind_(kind), sort_(sort) {}

  // The text of a frame. On a screen it is cut to its size.
  std::string Render(RateFrame& frame, bool on_screen) const {
    Sort(frame, sort_);
    std::ostringstream out;
    out << "CULVERTD " << Visible(daemon_.hostname());
    if (daemon_.has_uptime()) out << "  up " << HumanUptime(daemon_.uptime().seconds() + frame.seconds_since_first);
    out << "  " << Plural(kind_) << " " << frame.size();
    if (frame.has_rates) {
      out << "  rx " << HumanBitRate(frame.rx_bytes_per_second) << "/s  tx " << HumanBitRate(frame.tx_bytes_per_second)
          << "/s";
    }
    if (frame.skipped_frames > 0) out << "  skipped " << frame.skipped_frames;
    out << "  (every " << interval_ << ", by " << SortName(sort_) << (on_screen ? "; q quits, s sorts)\n" : ")\n");
    const ScreenSize size = on_screen ? TerminalSize() : ScreenSize{};
    const size_t rows = on_screen ? static_cast<size_t>(std::max(1, size.rows - 3)) : frame.size();
    RateTable(kind_, frame, rows).Print(out, {!context_.globals.no_headers, context_.streams.color});
    return on_screen ? Cut(out.str(), static_cast<size_t>(size.columns)) : out.str();
  }

  void Show(RateFrame frame) {
    const std::lock_guard<std::mutex> lock(mutex_);
    frame_ = std::move(frame);
    Draw();
  }
  void NextSort() {
    const std::lock_guard<std::mutex> lock(mutex_);
    const std::vector<SortKey> keys = SortKeysOf(kind_);
    const auto at = std::find(keys.begin(), keys.end(), sort_);
    sort_ = at == keys.end() || at + 1 == keys.end() ? keys.front() : *(at + 1);
    Draw();
  }

 private:
  void Draw() { context_.streams.out << FullScreen::Frame(Render(frame_, true)) << std::flush; }

  // A line that wraps would push the others off the screen.
  static std::string Cut(const std::string& text, size_t columns) {
    std::string out;
    const std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
    for (const std::string& line : lines) out += (line.size() > columns ? line.substr(0, columns) : line) + "\n";
    if (!out.empty()) out.pop_back();
    return out;
  }

  Context& context_;
  const v1::Daemon daemon_;
  const std::string interval_;
  const Kind kind_;
  std::mutex mutex_;  // frames come on one thread, keys on another
  SortKey sort_;
  RateFrame frame_;
};

class Top : public Command {
 public:
  std::vector<std::string> words;
  uint32_t frames = 0;  // 0: until interrupted
  std::string interval_text = "1s";
  std::string sort_text = "tx";
  std::string listener, dialer, forward;

  [[nodiscard]] Takes takes() const override { return {.formats = {Format::kTable, Format::kJson, Format::kJsonLines}}; }
  Outcome Validate(const Globals&) override {
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
    View view(context, daemon.daemon(), interval_text, kind_, sort_);
    grpc::ClientContext call;
    // A stream has no natural end; a week is one all the same.
    Client::SetDeadline(call, std::chrono::hours(24 * 7));
    const auto stub = v1::ObserveService::NewStub(context.client.channel());
    std::atomic<bool> quit{false};
    const InterruptScope interrupt([&call] { call.TryCancel(); });
    const auto reader = stub->WatchStats(&call, request_);
    {
      std::optional<FullScreen> screen;
      if (context.streams.in_is_terminal && context.streams.out_is_terminal &&
          context.globals.format == Format::kTable) {
        screen.emplace([&](char key) {
          if (key == 'q' || key == 'Q') {
            quit = true;
            call.TryCancel();
          } else if (key == 's') {
            view.NextSort();
          }
        });
      }
      Follow(context, *reader, view, screen.has_value());
      // After the daemon's own end a cancellation would hide its reason.
      if (done_) call.TryCancel();
    }
    const grpc::Status status = reader->Finish();
    if (interrupt.interrupted()) return Failure{ExitCode::kInterrupted, {}, "", ""};
    if (done_ || quit) return std::nullopt;
    return status.ok() ? Fail(ExitCode::kUnreachable, "culvertd ended the stream")
                       : Outcome(context.client.Explain(status));
  }

 private:
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

  void Follow(Context& context, grpc::ClientReader<v1::WatchStatsResponse>& reader, View& view, bool on_screen) {
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
        context.streams.out << view.Render(*frame, false) << std::flush;
      }
      done_ = (frames != 0 && shown >= frames) || !context.streams.out;
    }
  }

  v1::WatchStatsRequest request_;
  Kind kind_ = Kind::kSession;
  SortKey sort_ = SortKey::kTx;
  bool done_ = false;
};

}  // namespace

Verb AddTop(CLI::App& root) {
  auto command = std::make_unique<Top>();
  CLI::App* app = AddVerb(root, "top",
                          "Shows live rates of sessions, streams, UDP flows or forwards. On a terminal: q quits, s changes "
                          "the order.",
                          "culvertctl top\n"
                          "culvertctl top streams --forward pg\n"
                          "culvertctl top --sort rx --interval 500ms\n"
                          "culvertctl top -n 1                  one frame, then end\n"
                          "culvertctl top --listener kcp-in");
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
