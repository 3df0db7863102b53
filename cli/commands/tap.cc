// culvertctl tap: which streams and UDP flows ended or were refused, with whom they joined and why they ended.
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/command.h"
#include "cli/output/tables.h"
#include "cli/text/escape.h"
#include "cli/text/json.h"
#include "cli/text/printer.h"
#include "cli/text/units.h"
#include "cli/watch/follow_stream.h"
#include "cli/watch/tail_flags.h"
#include "culvert/v1/observe.grpc.pb.h"

namespace culvert::cli {
namespace {

Cell VerdictCell(v1::TapRecord::Verdict verdict) {
  switch (verdict) {
    case v1::TapRecord::VERDICT_CLOSED: return {"CLOSED"};
    case v1::TapRecord::VERDICT_BROKEN: return {"BROKEN", Paint::kWarn};
    case v1::TapRecord::VERDICT_REFUSED: return {"REFUSED", Paint::kBad};
    default: return {absl::StrCat(static_cast<int>(verdict))};
  }
}

std::string ReasonOf(const v1::TapRecord& record) {
  return Visible(record.reason()) + (record.message().empty() ? "" : ": " + Visible(record.message()));
}

class Tap : public Command {
 public:
  TailFlags flags;
  std::string forward;

  [[nodiscard]] Takes takes() const override {
    return {.formats = {Format::kTable, Format::kWide, Format::kJson, Format::kJsonLines}, .filter = true};
  }

  Outcome Validate(const Globals& globals) override {
    if (Outcome failed = flags.Validate()) return failed;
    flags.Fill(request_);
    request_.set_filter(globals.filter);
    if (forward.empty()) return std::nullopt;
    if (forward.find_first_of(" \"()") != std::string::npos) return Usage("--forward: \"" + Visible(forward) + "\" is no name of a forward");
    request_.set_filter("forward=" + forward + (globals.filter.empty() ? "" : " AND (" + globals.filter + ")"));
    return std::nullopt;
  }

  Outcome Run(Context& context) override {
    bool is_empty = true;
    const Outcome failed = FollowStream<v1::TapResponse>(
        context, flags.follow ? std::nullopt : std::optional(context.client.request_timeout()),
        [&](const auto& channel, grpc::ClientContext* call) {
          stub_ = v1::ObserveService::NewStub(channel);
          return stub_->Tap(call, request_);
        },
        [&](const v1::TapResponse& message) {
          is_empty = false;
          Show(context, message);
          return true;
        });
    if (!failed && is_empty && !flags.follow && !context.globals.quiet) context.streams.err << "nothing has ended\n";
    return failed;
  }

 private:
  void Show(Context& context, const v1::TapResponse& message) {
    std::ostream& out = context.streams.out;
    if (context.globals.format == Format::kJson || context.globals.format == Format::kJsonLines) {
      out << ToJsonLine(message) << std::endl;
    } else if (message.has_lost()) {
      out << LostText(message.lost(), "records") << std::endl;
    } else if (message.has_record()) {
      ShowRecord(context, message.record());
    }
  }

  void ShowRecord(Context& context, const v1::TapRecord& record) {
    const bool is_wide = context.globals.format == Format::kWide;
    std::vector<std::string> headers = {"TIME", "VERDICT", "KIND", "SOURCE", "DESTINATION", "FORWARD", "SESSION", "RX", "TX", "FOR"};
    if (is_wide) headers.insert(headers.end(), {"FAR-SESSION", "LISTENER", "PACKETS", "DROPPED", "WORKER"});
    headers.push_back("REASON");
    Table table(std::move(headers));
    const v1::Counters& counters = record.counters();
    std::vector<Cell> row = {ClockText(record.time()),
                             VerdictCell(record.verdict()),
                             record.kind() == v1::TapRecord::KIND_UDP_FLOW ? "udp" : "tcp",
                             Visible(record.source()),
                             DestinationCell(record.destination()),
                             Visible(record.forward()),
                             SessionId(record.session()),
                             HumanBytes(counters.rx_bytes()),
                             HumanBytes(counters.tx_bytes()),
                             HumanLatency(record.duration())};
    if (is_wide) {
      row.insert(row.end(), {SessionId(record.far_session()), Visible(record.listener()),
                             absl::StrCat(counters.rx_packets(), "/", counters.tx_packets()), absl::StrCat(counters.rx_dropped()),
                             absl::StrCat(record.worker())});
    }
    row.push_back(ReasonOf(record));
    table.Add(std::move(row));
    table.Print(context.streams.out,
                {.with_headers = !context.globals.no_headers && !std::exchange(has_headers_, true), .color = context.streams.color, .widths = &widths_});
    context.streams.out << std::flush;
  }

  v1::TapRequest request_;
  std::unique_ptr<v1::ObserveService::Stub> stub_;
  std::vector<size_t> widths_;
  bool has_headers_ = false;
};

}  // namespace

Verb AddTap(CLI::App& root) {
  auto command = std::make_unique<Tap>();
  CLI::App* app = AddVerb(root, "tap", "Shows which streams and UDP flows ended or were refused, and why.",
                          "culvertctl tap                                   what the daemon remembers\n"
                          "culvertctl tap -f --forward pg                   what ends from now on\n"
                          "culvertctl tap --last 20 -f --filter 'verdict!=CLOSED'\n"
                          "culvertctl tap --since 10m --filter 'source:10.0.0.0/8' -o jsonl");
  command->flags.AddTo(*app, "records");
  app->add_option("--forward", command->forward, "only of this forward");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
