// culvertctl events: what happened, oldest first, and what happens while one looks.
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "cli/command.h"
#include "cli/objects/lists.h"
#include "cli/output/show.h"
#include "cli/output/tables.h"
#include "cli/text/escape.h"
#include "cli/text/json.h"
#include "cli/text/units.h"
#include "cli/watch/follow_stream.h"
#include "culvert/v1/observe.grpc.pb.h"
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

  [[nodiscard]] Takes takes() const override { return {.formats = ResourceFormats(), .filter = true}; }
  Outcome Validate(const Globals& globals) override {
    if (follow && (globals.format == Format::kYaml || globals.format == Format::kName)) {
      return Usage("-o " + globals.output + ": --follow prints a table, JSON lines or what an expression finds");
    }
    // One event after another when they are followed, else a list.
    if (Outcome failed = Show::Make(globals, {Kind::kEvent}, follow, show_)) return failed;
    request_.set_filter(globals.filter);
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
    if (Outcome failed = ShowAll(context, events)) return failed;
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

  Outcome ShowAll(Context& context, const std::vector<v1::Event>& events) const {
    std::ostream& out = context.streams.out;
    if (context.globals.format == Format::kJson) {
      out << "[";
      for (size_t i = 0; i < events.size(); ++i) out << (i == 0 ? "\n " : ",\n ") << ToJsonLine(events[i]);
      out << (events.empty() ? "]\n" : "\n]\n");
      return std::nullopt;
    }
    if (context.globals.format == Format::kJsonLines) {
      for (const v1::Event& event : events) out << ToJsonLine(event) << "\n";
      return std::nullopt;
    }
    if (events.empty() && show_->IsTable() && !context.globals.quiet) context.streams.err << "no events\n";
    return show_->All(context, {{Kind::kEvent, std::vector<Resource>(events.begin(), events.end())}});
  }

  // What came together.
  Outcome ShowMore(Context& context, const v1::ListEventsResponse& response, std::vector<size_t>& widths, bool with_headers) const {
    if (!show_->IsTable()) {
      const bool is_json = context.globals.format == Format::kJson || context.globals.format == Format::kJsonLines;
      for (const v1::Event& event : response.events()) {
        if (is_json) {
          context.streams.out << ToJsonLine(event) << "\n";
        } else if (Outcome failed = show_->One(context, event)) {
          return failed;
        }
      }
      return std::nullopt;
    }
    const TableOptions options = TableOptionsOf(context, false);
    Table table = show_->Headings(Kind::kEvent, options);
    for (const v1::Event& event : response.events()) show_->Add(event, options, table);
    Table::Options print = PrintOptionsOf(context);
    print.with_headers = with_headers;
    print.widths = &widths;
    table.Print(context.streams.out, print);
    return std::nullopt;
  }

  // Where the lines stand in a table; beside data that a program reads, among the messages.
  void SayMissed(Context& context, uint64_t missed) const {
    (show_->IsTable() ? context.streams.out : context.streams.err) << "-- " << missed << " events missed --" << std::endl;
  }

  Outcome Follow(Context& context) {
    std::vector<size_t> widths;
    uint64_t missed = 0;
    bool with_headers = !context.globals.no_headers;
    Outcome unshown;
    const Outcome ended = FollowStream<v1::ListEventsResponse>(
        context, std::nullopt,
        [&](const auto& channel, grpc::ClientContext* call) {
          stub_ = v1::ObserveService::NewStub(channel);
          return stub_->ListEvents(call, request_);
        },
        [&](const v1::ListEventsResponse& response) {
          if (response.missed() > missed) SayMissed(context, response.missed() - missed);
          missed = response.missed();  // of the whole stream so far
          if (response.events().empty()) return true;
          unshown = ShowMore(context, response, widths, with_headers);
          with_headers = false;
          context.streams.out << std::flush;
          return !unshown;
        });
    return unshown ? unshown : ended;
  }

  v1::ListEventsRequest request_;
  std::unique_ptr<v1::ObserveService::Stub> stub_;
  std::unique_ptr<Show> show_;
};

}  // namespace

Verb AddEvents(CLI::App& root) {
  auto command = std::make_unique<Events>();
  CLI::App* app = AddVerb(root, "events", "Shows what happened, oldest first: what failed, was refused, came and went.",
                          "culvertctl events\n"
                          "culvertctl events --for dl/site-b --since 1h --types Warning\n"
                          "culvertctl events --last 20 --follow\n"
                          "culvertctl events --filter 'reason=DialFailed AND count>3'\n"
                          "culvertctl events -o json");
  app->add_option("--for", command->subject, "only about this: KIND/NAME, or daemon");
  app->add_option("--since", command->since_text, "only what was seen this lately, e.g. 10m, 1h");
  app->add_option("--types", command->types_text, "only these: Normal, Warning");
  app->add_option("--last", command->last, "at most so many, the latest");
  app->add_flag("-f,--follow", command->follow, "go on with what happens, until interrupted");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
