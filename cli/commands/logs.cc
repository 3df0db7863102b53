// culvertctl logs: what the daemon logs.
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/command.h"
#include "cli/text/escape.h"
#include "cli/text/json.h"
#include "cli/watch/follow_stream.h"
#include "cli/watch/tail_flags.h"
#include "culvert/v1/observe.grpc.pb.h"
#include "google/protobuf/util/time_util.h"
#include "proto/manifest/suggest.h"

namespace culvert::cli {
namespace {

struct Level {
  v1::LogLevel level;
  const char* name;
  const char* color;
};
constexpr Level kLevels[] = {{v1::LOG_LEVEL_ERROR, "error", "\x1b[31m"},
                             {v1::LOG_LEVEL_WARNING, "warning", "\x1b[33m"},
                             {v1::LOG_LEVEL_INFO, "info", ""},
                             {v1::LOG_LEVEL_DEBUG, "debug", ""}};

class Logs : public Command {
 public:
  TailFlags flags;
  std::string level_text;
  std::string component;

  [[nodiscard]] Takes takes() const override {
    return {.formats = {Format::kTable, Format::kJson, Format::kJsonLines}, .filter = true};
  }

  Outcome Validate(const Globals& globals) override {
    if (Outcome failed = flags.Validate()) return failed;
    flags.Fill(request_);
    request_.set_filter(globals.filter);
    if (!component.empty()) {
      if (component.find_first_not_of("abcdefghijklmnopqrstuvwxyz_-") != std::string::npos) {
        return Usage("--component: \"" + Visible(component) + "\" is no component");
      }
      request_.set_filter("component=" + component + (globals.filter.empty() ? "" : " AND (" + globals.filter + ")"));
    }
    if (level_text.empty()) return std::nullopt;
    const std::string lower = absl::AsciiStrToLower(level_text);
    std::vector<std::string> names;
    for (const Level& level : kLevels) {
      if (lower == level.name || (lower == "warn" && level.level == v1::LOG_LEVEL_WARNING)) {
        request_.set_least_level(level.level);
        return std::nullopt;
      }
      names.emplace_back(level.name);
    }
    return Usage(absl::StrFormat("--level: \"%s\" is not one of error, warning, info, debug%s", Visible(level_text.substr(0, 64)),
                                 manifest::DidYouMean(lower, names)));
  }

  Outcome Run(Context& context) override {
    return FollowStream<v1::TailLogsResponse>(
        context, flags.follow ? std::nullopt : std::optional(context.client.request_timeout()),
        [&](const auto& channel, grpc::ClientContext* call) {
          stub_ = v1::ObserveService::NewStub(channel);
          return stub_->TailLogs(call, request_);
        },
        [&](const v1::TailLogsResponse& message) {
          Show(context, message);
          return true;
        });
  }

 private:
  static void Show(Context& context, const v1::TailLogsResponse& message) {
    std::ostream& out = context.streams.out;
    if (context.globals.format != Format::kTable) {
      out << ToJsonLine(message) << std::endl;
    } else if (message.has_lost()) {
      out << LostText(message.lost(), "lines") << std::endl;
    } else if (message.has_record()) {
      out << LineOf(message.record(), context.streams.color) << std::endl;
    }
  }

  // As the daemon writes it to its standard error.
  static std::string LineOf(const v1::LogRecord& record, bool color) {
    std::string name = absl::StrCat(static_cast<int>(record.level()));
    std::string_view paint;
    for (const Level& level : kLevels) {
      if (level.level != record.level()) continue;
      name = level.name;
      paint = color ? level.color : "";
    }
    std::string line = google::protobuf::util::TimeUtil::ToString(record.time());
    absl::StrAppend(&line, " ", std::string(paint), absl::StrFormat("%-7s", name), paint.empty() ? "" : "\x1b[0m", " ",
                    Visible(record.component()), ": ", Visible(record.message()));
    // A map has no order; people want one.
    const std::map<std::string, std::string> fields(record.fields().begin(), record.fields().end());
    for (const auto& [key, value] : fields) absl::StrAppend(&line, " ", Visible(key), "=", Visible(value));
    return line;
  }

  v1::TailLogsRequest request_;
  std::unique_ptr<v1::ObserveService::Stub> stub_;
};

}  // namespace

Verb AddLogs(CLI::App& root) {
  auto command = std::make_unique<Logs>();
  CLI::App* app = AddVerb(root, "logs", "Shows what the daemon logs: what it remembers, and with -f what comes.",
                          "culvertctl logs --last 50\n"
                          "culvertctl logs -f --level warning\n"
                          "culvertctl logs --since 1h --filter 'component=dial AND message:refused'\n"
                          "culvertctl logs -f --component control -o jsonl");
  command->flags.AddTo(*app, "lines");
  app->add_option("--level", command->level_text, "only lines as grave as this: error, warning, info, debug");
  app->add_option("--component", command->component, "only of this part of the daemon, as lines show it");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
