// culvertctl delete: objects by name, by what matches or by file, forwards first, because the others are held by them. What is
// observed is closed.
#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "cli/changes/closing.h"
#include "cli/changes/declared.h"
#include "cli/changes/mutation.h"
#include "cli/changes/selection.h"
#include "cli/command.h"
#include "cli/objects/manifest_files.h"
#include "cli/text/escape.h"
#include "cli/text/units.h"
#include "cli/watch/waiter.h"
#include "culvert/v1/dialer.grpc.pb.h"
#include "culvert/v1/forward.grpc.pb.h"
#include "culvert/v1/listener.grpc.pb.h"
#include "proto/manifest/manifest.h"

namespace culvert::cli {
namespace {

constexpr double kMaxDrainSeconds = 3600;

class Delete : public Command {
 public:
  std::vector<std::string> words;
  std::vector<std::string> files;
  bool all = false;
  bool force = false;
  bool ignore_not_found = false;
  bool wait = false;
  std::string drain_text;
  std::string timeout_text = "30s";

  [[nodiscard]] Takes takes() const override {
    return {.formats = {Format::kTable, Format::kName}, .filter = true, .selector = true, .dry_run = {DryRun::kServer}};
  }
  Outcome Validate(const Globals& globals) override {
    dry_run_ = globals.dry_run != DryRun::kNo;
    if (words.empty() == files.empty()) {
      return Usage("either names or -f are wanted: KIND/NAME..., KIND NAME..., -f FILE", "culvertctl delete --help");
    }
    if (Outcome failed = ReadTimes()) return failed;
    if (words.empty()) {
      if (!globals.filter.empty() || !globals.selector.empty() || all) return Usage("-f goes with neither --filter, -l nor --all");
      return std::nullopt;
    }
    auto parsed = ParseReferences(words);
    if (!parsed.ok()) return Usage(std::string(parsed.status().message()), "culvertctl delete --help");
    size_t observed = 0;
    for (const Reference& reference : *parsed) {
      if (reference.kind == Kind::kEvent) return Usage("events are not deleted");
      if (!IsDeclared(reference.kind)) ++observed;
    }
    if (observed == 0) return selection_.Parse(words, globals, all, "delete");
    if (observed != parsed->size()) return Usage("what is declared and what is observed are not deleted together");
    if (force || ignore_not_found || all || !drain_text.empty()) {
      return Usage(absl::StrFormat("a %s is closed; --force, --ignore-not-found, --all and --drain-timeout are for what is declared",
                                   Singular(parsed->front().kind)),
                   "culvertctl close --help");
    }
    if (globals.format == Format::kName) return Usage("-o name is for what is declared");
    is_observed_ = true;
    return selection_.Parse(words, globals, false, "delete", true);
  }

  Outcome Run(Context& context) override {
    if (is_observed_) return CloseSelected(context, selection_, {.graceful = false, .reason = "", .is_dry = dry_run_});
    if (Outcome failed = files.empty() ? selection_.Find(context, references_) : ReadFiles()) {
      const bool is_nothing = ignore_not_found && failed->code == ExitCode::kNotFound && references_.empty();
      if (!is_nothing) return failed;
      if (!context.globals.quiet) context.streams.err << failed->faults.front() << "\n";
      return std::nullopt;
    }
    std::stable_sort(references_.begin(), references_.end(),
                     [](const Reference& a, const Reference& b) { return Rank(a.kind) < Rank(b.kind); });
    if (Outcome failed = Begin(context)) return failed;
    Outcome first_failure;
    std::vector<Reference> gone;
    for (const Reference& reference : references_) {
      Outcome failed = DeleteOne(context, reference);
      if (!failed) {
        gone.push_back(reference);
        continue;
      }
      if (failed->code == ExitCode::kUnreachable || failed->code == ExitCode::kDenied) return failed;
      if (first_failure) {
        Print(*failed, context.globals.verbose, context.streams);
      } else {
        first_failure = std::move(failed);
      }
    }
    if (!wait || dry_run_ || gone.empty()) return first_failure;
    Outcome failed = WaitForAll(context, gone, WaitFor::Deletion(), timeout_, nullptr);
    return first_failure ? first_failure : failed;
  }

 private:
  static int Rank(Kind kind) { return kind == Kind::kForward ? 0 : kind == Kind::kDialer ? 1 : 2; }

  Outcome ReadTimes() {
    if (!drain_text.empty()) {
      const auto drain = manifest::ParseDuration(drain_text);
      if (!drain.ok()) return Usage("--drain-timeout: " + std::string(drain.status().message()));
      if (Seconds(*drain) < 0 || Seconds(*drain) > kMaxDrainSeconds) return Usage("--drain-timeout: 0 to 1h");
      drain_ = *drain;
    }
    return ParseTimeout(timeout_text, timeout_);
  }

  Outcome ReadFiles() {
    std::vector<manifest::SourceObject> loaded;
    if (Outcome failed = LoadManifests(files, loaded)) return failed;
    for (const manifest::SourceObject& source : loaded) {
      references_.push_back({KindOfObject(source.object), manifest::MetadataOf(source.object).name()});
    }
    return std::nullopt;
  }

  Outcome Begin(Context& context) const {
    std::vector<std::string> names;
    for (const Reference& reference : references_) names.push_back(ToString(reference));
    const size_t count = names.size();
    const std::string question = count == 1 ? "delete " + Visible(names[0]) : absl::StrFormat("delete these %d objects", count);
    Outcome failed = BeginMutation(context, {question, std::move(names), count, true});
    if (failed && failed->code == ExitCode::kFalse) failed->faults = {"nothing was deleted"};
    return failed;
  }

  template <typename Service, typename Request, typename Response>
  Outcome Call(Context& context, grpc::Status (Service::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
               Request request, const Reference& reference, Response* response) {
    request.set_name(reference.name);
    request.set_allow_missing(ignore_not_found);
    request.set_validate_only(dry_run_);
    if (!drain_text.empty()) *request.mutable_drain_timeout() = drain_;
    return context.client.Call<Service>(method, request, response, FromSeconds(Seconds(drain_)));
  }

  Outcome DeleteOne(Context& context, const Reference& reference) {
    Outcome failed;
    bool existed = false;
    if (reference.kind == Kind::kListener) {
      v1::DeleteListenerRequest request;
      request.set_force(force);
      v1::DeleteListenerResponse response;
      failed =
          Call<v1::ListenerService>(context, &v1::ListenerService::Stub::DeleteListener, request, reference, &response);
      existed = response.has_listener();
    } else if (reference.kind == Kind::kDialer) {
      v1::DeleteDialerRequest request;
      request.set_force(force);
      v1::DeleteDialerResponse response;
      failed = Call<v1::DialerService>(context, &v1::DialerService::Stub::DeleteDialer, request, reference, &response);
      existed = response.has_dialer();
    } else {
      v1::DeleteForwardResponse response;
      failed = Call<v1::ForwardService>(context, &v1::ForwardService::Stub::DeleteForward, v1::DeleteForwardRequest(),
                                        reference, &response);
      existed = response.has_forward();
    }
    const std::string name = Visible(ToString(reference));
    if (failed) {
      if (failed->code == ExitCode::kConflict && !force && reference.kind != Kind::kForward) {
        failed->next = "culvertctl delete " + name + " --force    deletes the forwards that use it too";
      }
      return failed;
    }
    if (existed || !ignore_not_found) {
      context.streams.out << name << (context.globals.format == Format::kName ? "" : " deleted")
                          << (dry_run_ ? " (dry run)\n" : "\n");
    } else if (!context.globals.quiet) {
      context.streams.err << name << " is not there\n";
    }
    return std::nullopt;
  }

  Selection selection_;
  std::vector<Reference> references_;
  google::protobuf::Duration drain_;
  Duration timeout_{};
  bool dry_run_ = false;
  bool is_observed_ = false;
};

}  // namespace

Verb AddDelete(CLI::App& root) {
  auto command = std::make_unique<Delete>();
  CLI::App* app =
      AddVerb(root, "delete", "Deletes objects; their sessions and streams are closed. Sessions, streams and UDP flows are closed too.",
              "culvertctl delete fwd/pg dl/site-b lsn/local-pg\n"
              "culvertctl delete listener local-pg --force     its forwards too\n"
              "culvertctl delete fwd/pg --drain-timeout 5m     what runs may end by itself\n"
              "culvertctl delete -f tunnels/ --ignore-not-found\n"
              "culvertctl delete forwards -l tier=test          those with this label\n"
              "culvertctl delete ses --filter 'remote:203.0.113.0/24' --dry-run");
  app->add_option("what", command->words, "KIND/NAME..., KIND NAME..., or KIND with -l, --filter or --all");
  app->add_option("-f,--file", command->files,
                  "the objects that a file, folder or standard input (-) names; may be repeated")
      ->allow_extra_args(false);
  app->add_option("--drain-timeout", command->drain_text,
                  "let what runs through an object end by itself for so long, at most 1h: it takes nothing new meanwhile");
  app->add_flag("--force", command->force, "delete the forwards that refer to a listener or dialer too");
  app->add_flag("--all", command->all, "all objects of the kinds named");
  app->add_flag("--wait", command->wait, "return once they are gone");
  app->add_option("--timeout", command->timeout_text, "with --wait: how long (30s)");
  app->add_flag("--ignore-not-found", command->ignore_not_found, "an object that is not there is no error");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
