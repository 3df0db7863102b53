// culvertctl events: what happened, oldest first, and what happens while one looks.
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "cli/command.h"
#include "cli/escape.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/tables.h"
#include "cli/units.h"
#include "culvert/v1/observe.grpc.pb.h"
#include "proto/manifest/emitter.h"
#include "proto/manifest/manifest.h"
#include "proto/manifest/suggest.h"

namespace culvert::cli {
namespace {

class Events : public Command {
 public:
  std::string subject;
  std::string since_text;
  std::string types_text;
  std::optional<int32_t> last;
  bool follow = false;

  [[nodiscard]] Takes takes() const override { return {.formats = {Format::kTable, Format::kWide, Format::kJson, Format::kJsonLines, Format::kYaml, Format::kName}}; }
  Outcome Validate(const Globals& globals) override {
    if (follow && globals.format != Format::kTable && globals.format != Format::kWide &&
        globals.format != Format::kJson && globals.format != Format::kJsonLines)
      return Usage("-o " + globals.output + ": --follow prints a table or JSON lines");
    if (subject == "daemon") {
      request_.set_subject(subject);
    } else if (!subject.empty()) {
      const auto parsed = ParseReferences({subject});
      if (!parsed.ok()) return Usage("--for: " + std::string(parsed.status().message()));
      if (parsed->size() != 1 || parsed->front().name.empty())
        return Usage("--for: KIND/NAME or daemon is wanted, e.g. dl/edge");
      request_.set_subject(ToString(parsed->front()));
    }
    if (!since_text.empty()) {
      const auto since = manifest::ParseDuration(since_text);
      if (!since.ok()) return Usage("--since: " + std::string(since.status().message()));
      if (Seconds(*since) <= 0) return Usage("--since: must be above 0");
      *request_.mutable_since() = *since;
    }
    if (last && *last < 1) return Usage("--last: at least 1");
    request_.set_last(last.value_or(0));
    request_.set_follow(follow);
    return ReadTypes();
  }

  Outcome Run(Context& context) override {
    if (follow) return Follow(context);
    std::vector<v1::Event> events;
    uint64_t missed = 0;
    if (Outcome failed = ListEvents(context.client, request_, events, missed)) return failed;
    Show(context, events);
    if (missed > 0) SayMissed(context, missed);
    return std::nullopt;
  }

 private:
  Outcome ReadTypes() {
    if (types_text.empty()) return std::nullopt;
    bool normal = false, warning = false;
    const std::vector<std::string> words = absl::StrSplit(types_text, ',');
    for (const std::string& word : words) {
      const std::string lower = absl::AsciiStrToLower(word);
      if (lower != "normal" && lower != "warning") {
        return Usage(absl::StrFormat("--types: \"%s\" is not one of Normal, Warning%s", Visible(word.substr(0, 64)),
                                     manifest::DidYouMean(word, {"Normal", "Warning"})));
      }
      (lower == "normal" ? normal : warning) = true;
    }
    // Both together are all there are.
    if (normal != warning) request_.set_type(normal ? v1::Event::TYPE_NORMAL : v1::Event::TYPE_WARNING);
    return std::nullopt;
  }

  static void Show(Context& context, const std::vector<v1::Event>& events) {
    std::ostream& out = context.streams.out;
    if (context.globals.format == Format::kJsonLines) {
      for (const v1::Event& event : events) out << ToJsonLine(event) << "\n";
    } else if (context.globals.format == Format::kJson) {
      out << "[";
      for (size_t i = 0; i < events.size(); ++i) out << (i == 0 ? "\n " : ",\n ") << ToJsonLine(events[i]);
      out << (events.empty() ? "]\n" : "\n]\n");
    } else if (context.globals.format == Format::kYaml) {
      for (size_t i = 0; i < events.size(); ++i) {
        out << (i == 0 ? "" : "---\n") << "apiVersion: culvert/v1\nkind: Event\n"
            << manifest::EmitFields(events[i], 0, {true});
      }
    } else if (context.globals.format == Format::kName) {
      for (const v1::Event& event : events) out << "event/" << event.revision() << "\n";
    } else if (events.empty()) {
      if (!context.globals.quiet) context.streams.err << "no events\n";
    } else {
      EventTable(events, {.now_seconds = context.streams.now_seconds()})
          .Print(out, {.with_headers = !context.globals.no_headers, .color = context.streams.color});
    }
  }

  // Where the lines stand in a table; beside data that a program reads, among the messages.
  static void SayMissed(Context& context, uint64_t missed) {
    const bool is_table = context.globals.format == Format::kTable || context.globals.format == Format::kWide;
    (is_table ? context.streams.out : context.streams.err) << "-- " << missed << " events missed --" << std::endl;
  }

  Outcome Follow(Context& context) const {
    if (Outcome failed = context.client.Connect()) return failed;
    grpc::ClientContext call;
    // A stream has no natural end; a week is one all the same.
    Client::SetDeadline(call, std::chrono::hours(24 * 7));
    const auto stub = v1::ObserveService::NewStub(context.client.channel());
    const InterruptScope interrupt([&call] { call.TryCancel(); });
    const auto reader = stub->ListEvents(&call, request_);
    v1::ListEventsResponse response;
    std::vector<size_t> widths;
    uint64_t missed = 0;
    bool with_headers = !context.globals.no_headers;
    while (context.streams.out && reader->Read(&response)) {
      if (response.missed() > missed) SayMissed(context, response.missed() - missed);
      missed = response.missed();  // of the whole stream so far
      if (response.events().empty()) continue;
      if (context.globals.format == Format::kJson || context.globals.format == Format::kJsonLines) {
        for (const v1::Event& event : response.events()) context.streams.out << ToJsonLine(event) << "\n";
      } else {
        const std::vector<v1::Event> events(response.events().begin(), response.events().end());
        EventTable(events, {.now_seconds = context.streams.now_seconds()})
            .Print(context.streams.out,
                   {.with_headers = with_headers, .color = context.streams.color, .widths = &widths});
        with_headers = false;
      }
      context.streams.out << std::flush;
    }
    const bool unwritable = !context.streams.out;
    if (unwritable) call.TryCancel();
    const grpc::Status status = reader->Finish();
    if (interrupt.interrupted()) return Failure{ExitCode::kInterrupted, {}, "", ""};
    if (unwritable) return std::nullopt;  // main says so
    return status.ok() ? Fail(ExitCode::kUnreachable, "culvertd ended the stream")
                       : Outcome(context.client.Explain(status));
  }

  v1::ListEventsRequest request_;
};

}  // namespace

Verb AddEvents(CLI::App& root) {
  auto command = std::make_unique<Events>();
  CLI::App* app = AddVerb(root, "events", "Shows what happened, oldest first: what failed, was refused, came and went.",
                          "culvertctl events\n"
                          "culvertctl events --for dl/site-b --since 1h --types Warning\n"
                          "culvertctl events --last 20 --follow\n"
                          "culvertctl events -o json");
  app->add_option("--for", command->subject, "only about this: KIND/NAME, or daemon");
  app->add_option("--since", command->since_text, "only what was seen this lately, e.g. 10m, 1h");
  app->add_option("--types", command->types_text, "only these: Normal, Warning");
  app->add_option("--last", command->last, "at most so many, the latest");
  app->add_flag("-f,--follow", command->follow, "go on with what happens, until interrupted");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
