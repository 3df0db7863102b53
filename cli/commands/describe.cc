// culvertctl describe: all that is known of a thing, with what happened to it and who has to do with it.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "cli/command.h"
#include "cli/objects/fetch.h"
#include "cli/objects/lists.h"
#include "cli/objects/selector.h"
#include "cli/output/describe.h"
#include "cli/output/show.h"
#include "cli/text/json.h"

namespace culvert::cli {
namespace {

constexpr size_t kMostEvents = 10;  // of one thing; `culvertctl events --for` shows all

class Describe : public Command {
 public:
  std::vector<std::string> words;

  [[nodiscard]] Takes takes() const override {
    return {.formats = {Format::kTable, Format::kJson, Format::kJsonLines}, .filter = true, .selector = true};
  }

  Outcome Validate(const Globals& globals) override {
    auto parsed = ParseReferences(words);
    if (!parsed.ok()) return Usage(std::string(parsed.status().message()), "culvertctl describe --help");
    references_ = *std::move(parsed);
    const absl::StatusOr<std::string> labels = FilterOfSelector(globals.selector);
    if (!labels.ok()) return Usage("-l: " + std::string(labels.status().message()), "as in -l tier=edge,site!=a");
    filter_ = Both(globals.filter, *labels);
    if (!filter_.empty() && !references_[0].name.empty()) {
      return Usage(globals.filter.empty() ? "-l goes with kinds, not with names" : "--filter goes with kinds, not with names");
    }
    for (const Reference& reference : references_) {
      if (!globals.selector.empty() && !IsDeclared(reference.kind)) {
        return Usage(absl::StrFormat("-l: %s have no labels", Plural(reference.kind)),
                     "--filter 'FIELD=VALUE' finds them by what they have");
      }
    }
    return std::nullopt;
  }

  Outcome Run(Context& context) override {
    Fetcher fetcher(context.client, {.filter = filter_});
    Outcome first_failure;
    for (const Reference& reference : references_) {
      Outcome failed = fetcher.Fetch(reference);
      if (!failed) continue;
      // Objects that are missing do not hide those that are there; anything else ends it.
      if (failed->code != ExitCode::kNotFound) return failed;
      if (first_failure) Print(*first_failure, context.globals.verbose, context.streams);
      first_failure = std::move(failed);
    }
    for (const Group& group : fetcher.groups()) {
      if (group.items.empty() && references_[0].name.empty() && !context.globals.quiet) {
        context.streams.err << "no " << Plural(group.kind) << (filter_.empty() ? "" : " match") << "\n";
      }
      for (const Resource& resource : group.items) {
        if (Outcome failed = DescribeOne(context, resource)) return failed;
      }
    }
    if (context.globals.format == Format::kJson) PrintJson(context);
    return first_failure;
  }

 private:
  Outcome DescribeOne(Context& context, const Resource& resource) {
    Surroundings around;
    around.now_seconds = context.streams.now_seconds();
    if (Outcome failed = FetchEvents(context, resource, around.events)) return failed;
    if (context.globals.format != Format::kTable) {
      AddJson(context, resource, around.events);
      return std::nullopt;
    }
    uint64_t missed = 0;
    const Kind kind = KindOf(resource);
    if (kind == Kind::kListener || kind == Kind::kDialer) {
      // Once, however many are described.
      if (!forwards_) {
        if (Outcome failed = List(context.client, Kind::kForward, {}, forwards_.emplace(), missed)) return failed;
      }
      around.forwards = *forwards_;
    }
    if (const auto* session = std::get_if<v1::Session>(&resource)) {
      const std::string name = QuotedValue(session->name());
      const Query streams{.filter = absl::StrCat("session=", name, " OR far_session=", name)};
      if (Outcome failed = List(context.client, Kind::kStream, streams, around.streams, missed)) return failed;
    }
    if (std::exchange(is_second_, true)) context.streams.out << "\n";
    FactsAbout(resource, around, PrintOptionsOf(context)).Print(context.streams.out);
    return std::nullopt;
  }

  static Outcome FetchEvents(Context& context, const Resource& resource, std::vector<v1::Event>& events) {
    // Of what is observed the daemon keeps none: it tells of the listener, dialer or forward that it belongs to.
    if (!std::holds_alternative<v1::Object>(resource)) return std::nullopt;
    v1::ListEventsRequest request;
    request.set_subject(ToString({KindOf(resource), NameOf(resource)}));
    request.set_last(kMostEvents);
    uint64_t missed = 0;
    if (Outcome failed = ListEvents(context.client, request, events, missed)) return failed;
    if (events.size() > kMostEvents) events.erase(events.begin(), events.end() - kMostEvents);
    return std::nullopt;
  }

  // {"object": {...}, "events": [...]}
  void AddJson(Context& context, const Resource& resource, const std::vector<v1::Event>& events) {
    const auto* object = std::get_if<v1::Object>(&resource);
    const std::string line = object ? ObjectToJsonLine(*object) : ObservedToJsonLine(MessageOf(resource));
    std::string json = absl::StrCat("{\"object\":", line, ",\"events\":[");
    for (size_t i = 0; i < events.size(); ++i) absl::StrAppend(&json, i == 0 ? "" : ",", ToJsonLine(events[i]));
    json += "]}";
    if (context.globals.format == Format::kJsonLines) {
      context.streams.out << json << "\n";
    } else {
      documents_.push_back(std::move(json));
    }
  }

  void PrintJson(Context& context) const {
    const bool is_one = references_.size() == 1 && !references_[0].name.empty();
    if (is_one) {
      for (const std::string& document : documents_) context.streams.out << document << "\n";
    } else if (!documents_.empty() || references_[0].name.empty()) {
      context.streams.out << ListToJson(documents_);
    }
  }

  std::vector<Reference> references_;
  std::string filter_;
  std::optional<std::vector<Resource>> forwards_;
  std::vector<std::string> documents_;
  bool is_second_ = false;
};

}  // namespace

Verb AddDescribe(CLI::App& root) {
  auto command = std::make_unique<Describe>();
  CLI::App* app = AddVerb(root, "describe",
                          "Shows all that is known of listeners, dialers, forwards, sessions, streams and UDP flows: settings, state, "
                          "counters, conditions, who uses them and what happened to them.",
                          "culvertctl describe dialer/edge\n"
                          "culvertctl describe lsn quic-in kcp-in\n"
                          "culvertctl describe ses/k3f9q2\n"
                          "culvertctl describe sessions --filter 'rtt>80ms'\n"
                          "culvertctl describe fwd/pg -o json");
  app->add_option("what", command->words, "KIND, KIND NAME..., KIND/NAME..., or all");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
