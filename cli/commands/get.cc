// culvertctl get: what is declared and what is observed, as tables, files, JSON, names, or what an expression finds.
#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/command.h"
#include "cli/objects/fetch.h"
#include "cli/objects/lists.h"
#include "cli/objects/selector.h"
#include "cli/output/show.h"
#include "cli/watch/watch_view.h"

namespace culvert::cli {
namespace {

class Get : public Command {
 public:
  std::vector<std::string> words;
  std::string sort;
  bool closed = false;
  bool show_filter = false;
  bool watch = false;
  bool output_events = false;
  bool no_reconnect = false;

  [[nodiscard]] Takes takes() const override { return {.formats = ResourceFormats(), .filter = true, .selector = true}; }

  Outcome Validate(const Globals& globals) override {
    auto parsed = ParseReferences(words);
    if (!parsed.ok()) return Usage(std::string(parsed.status().message()), "culvertctl get --help");
    references_ = *std::move(parsed);
    for (const Reference& reference : references_) {
      if (std::find(kinds_.begin(), kinds_.end(), reference.kind) == kinds_.end()) kinds_.push_back(reference.kind);
    }
    if (Outcome failed = ReadQuery(globals)) return failed;
    // What is watched comes one by one.
    const bool is_one = watch || (references_.size() == 1 && IsNamed());
    return Show::Make(globals, kinds_, is_one, show_);
  }

  Outcome Run(Context& context) override {
    if (show_filter && !context.globals.quiet) context.streams.err << "filter: " << query_.filter << "\n";
    if (watch) {
      return WatchResources(
          context,
          {.references = references_, .filter = query_.filter, .output_events = output_events, .reconnect = !no_reconnect},
          *show_);
    }
    Fetcher fetcher(context.client, query_);
    Outcome first_failure;
    bool is_any_there = false;
    for (const Reference& reference : references_) {
      Outcome failed = fetcher.Fetch(reference, orders_[reference.kind]);
      is_any_there = is_any_there || !failed;
      if (!failed) continue;
      // Objects that are missing do not hide those that are there; anything else ends it.
      if (failed->code != ExitCode::kNotFound) return failed;
      if (first_failure) Print(*first_failure, context.globals.verbose, context.streams);
      first_failure = std::move(failed);
    }
    if (!is_any_there) return first_failure;
    if (show_->IsTable()) SayWhatIsEmpty(context, fetcher.groups());
    if (Outcome failed = show_->All(context, fetcher.groups())) return failed;
    SayMissed(context, fetcher.missed_events());
    return first_failure;
  }

 private:
  [[nodiscard]] bool IsNamed() const { return !references_[0].name.empty(); }

  Outcome ReadQuery(const Globals& globals) {
    const absl::StatusOr<std::string> labels = FilterOfSelector(globals.selector);
    if (!labels.ok()) return Usage("-l: " + std::string(labels.status().message()), "as in -l tier=edge,site!=a");
    query_.filter = Both(globals.filter, *labels);
    query_.include_closed = closed;
    const char* flag = !globals.filter.empty()     ? "--filter"
                       : !globals.selector.empty() ? "-l"
                       : !sort.empty()             ? "--sort"
                       : closed                    ? "--closed"
                                                   : "";
    if (*flag != '\0' && IsNamed()) {
      return Usage(absl::StrFormat("%s goes with kinds, not with names", flag),
                   absl::StrFormat("culvertctl get %s %s ...", Plural(kinds_[0]), flag));
    }
    for (const Kind kind : kinds_) {
      if (!globals.selector.empty() && !IsDeclared(kind)) {
        return Usage(absl::StrFormat("-l: %s have no labels", Plural(kind)), "--filter 'FIELD=VALUE' finds them by what they have");
      }
      if (sort.empty()) continue;
      if (kind == Kind::kEvent) return Usage("--sort: events come oldest first, always");
      absl::StatusOr<std::string> order = OrderOfKeys(kind, sort);
      if (!order.ok()) {
        return Usage("--sort: " + std::string(order.status().message()), "as in --sort -tx or --sort spec.transport,name");
      }
      orders_[kind] = *std::move(order);
    }
    if (watch && !sort.empty()) return Usage("--sort: -w shows what it sees in the order of names", "culvertctl top sorts");
    if (watch && closed) return Usage("--closed: -w shows what is open", "culvertctl get sessions --closed");
    if (!watch && (output_events || no_reconnect)) {
      return Usage(output_events ? "--output-events goes with -w" : "--no-reconnect goes with -w", "culvertctl get --help");
    }
    if (closed && kinds_ != std::vector<Kind>{Kind::kSession}) return Usage("--closed goes with sessions", "culvertctl get sessions --closed");
    if (show_filter && query_.filter.empty()) return Usage("--show-filter: neither --filter nor -l says which", "culvertctl get --help");
    return std::nullopt;
  }

  void SayWhatIsEmpty(Context& context, const std::vector<Group>& groups) const {
    if (IsNamed() || context.globals.quiet) return;
    for (const Group& group : groups) {
      if (group.items.empty()) context.streams.err << "no " << Plural(group.kind) << (query_.filter.empty() ? "" : " match") << "\n";
    }
  }

  void SayMissed(Context& context, uint64_t missed) const {
    if (missed == 0) return;
    // Where the lines stand in a table; beside data that a program reads, among the messages.
    (show_->IsTable() ? context.streams.out : context.streams.err) << "-- " << missed << " events missed --\n";
  }

  std::vector<Reference> references_;
  std::vector<Kind> kinds_;  // each once
  Query query_;
  std::map<Kind, std::string> orders_;
  std::unique_ptr<Show> show_;
};

}  // namespace

Verb AddGet(CLI::App& root) {
  auto command = std::make_unique<Get>();
  CLI::App* app = AddVerb(root, "get",
                          "Shows listeners (lsn), dialers (dl), forwards (fwd), sessions (ses), streams (str), UDP "
                          "flows (udp), events (ev) "
                          "or all declared objects.",
                          "culvertctl get listeners\n"
                          "culvertctl get all -o yaml\n"
                          "culvertctl get dl/site-b fwd/pg\n"
                          "culvertctl get sessions --filter 'state=ACTIVE AND rtt>80ms' --sort -tx -o wide\n"
                          "culvertctl get listeners -l tier=edge,site!=a\n"
                          "culvertctl get lsn quic-in -o jsonpath='{.status.boundAddresses[0]}'\n"
                          "culvertctl get fwd -o custom-columns=NAME:.metadata.name,VIA:.spec.dialer\n"
                          "culvertctl get dl,ses -w\n"
                          "culvertctl get str/k3f9q2/4 -o yaml");
  app->add_option("what", command->words, "KIND, KIND NAME..., KIND/NAME..., or all");
  app->add_option("--sort", command->sort, "by these columns or fields, with - in front the largest first: -tx,name");
  app->add_flag("--closed", command->closed, "also sessions that have ended");
  app->add_flag("-w,--watch", command->watch, "go on with what changes, until interrupted");
  app->add_flag("--output-events", command->output_events, "with -w: ADDED, MODIFIED or DELETED in front of each");
  app->add_flag("--no-reconnect", command->no_reconnect, "with -w: end when culvertd does");
  app->add_flag("--show-filter", command->show_filter, "say which filter is sent");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
