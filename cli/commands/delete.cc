// culvertctl delete: objects by name or by file, forwards first, because the others are held by them.
#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "cli/command.h"
#include "cli/escape.h"
#include "cli/units.h"
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
  bool force = false;
  bool ignore_not_found = false;
  std::string drain_text;

  [[nodiscard]] Takes takes() const override { return {.formats = {Format::kTable, Format::kName}, .dry_run = {DryRun::kServer}}; }
  Outcome Validate(const Globals& globals) override {
    dry_run_ = globals.dry_run != DryRun::kNo;
    if (words.empty() == files.empty()) {
      return Usage("either names or -f are wanted: KIND/NAME..., KIND NAME..., -f FILE", "culvertctl delete --help");
    }
    if (!drain_text.empty()) {
      const auto drain = manifest::ParseDuration(drain_text);
      if (!drain.ok()) return Usage("--drain-timeout: " + std::string(drain.status().message()));
      if (Seconds(*drain) < 0 || Seconds(*drain) > kMaxDrainSeconds) return Usage("--drain-timeout: 0 to 1h");
      drain_ = *drain;
    }
    if (words.empty()) return std::nullopt;
    auto parsed = ParseReferences(words);
    if (!parsed.ok()) return Usage(std::string(parsed.status().message()), "culvertctl delete --help");
    for (const Reference& reference : *parsed) {
      if (reference.kind == Kind::kEvent) return Usage("events are not deleted");
      if (!IsDeclared(reference.kind)) {
        return Usage(absl::StrFormat("a %s is closed, not deleted", Singular(reference.kind)),
                     absl::StrFormat("culvertctl close %s/NAME", Singular(reference.kind)));
      }
      if (reference.name.empty()) return Usage("a name is wanted: KIND/NAME or KIND NAME");
    }
    references_ = *std::move(parsed);
    return std::nullopt;
  }

  Outcome Run(Context& context) override {
    if (!files.empty()) {
      if (Outcome failed = ReadFiles()) return failed;
    }
    std::stable_sort(references_.begin(), references_.end(),
                     [](const Reference& a, const Reference& b) { return Rank(a.kind) < Rank(b.kind); });
    if (!Confirmed(context)) return Fail(ExitCode::kFalse, "nothing was deleted");
    Outcome first_failure;
    for (const Reference& reference : references_) {
      Outcome failed = DeleteOne(context, reference);
      if (!failed) continue;
      if (failed->code == ExitCode::kUnreachable || failed->code == ExitCode::kDenied) return failed;
      if (first_failure) {
        Print(*failed, context.globals.verbose, context.streams);
      } else {
        first_failure = std::move(failed);
      }
    }
    return first_failure;
  }

 private:
  static int Rank(Kind kind) { return kind == Kind::kForward ? 0 : kind == Kind::kDialer ? 1 : 2; }

  Outcome ReadFiles() {
    auto loaded = manifest::Load(files);
    if (!loaded.ok()) {
      return Failure{ExitCode::kUsage, absl::StrSplit(std::string(loaded.status().message()), '\n'), "", ""};
    }
    for (const manifest::SourceObject& source : *loaded) {
      references_.push_back({*ParseKind(manifest::KindOf(source.object)), manifest::MetadataOf(source.object).name()});
    }
    if (references_.empty()) return Usage("no objects in " + Visible(files.front()));
    return std::nullopt;
  }

  // Asks before more than one object goes, where there is someone to ask.
  bool Confirmed(Context& context) const {
    if (references_.size() < 2 || context.globals.yes || dry_run_ || !context.streams.in_is_terminal) return true;
    for (const Reference& reference : references_) context.streams.err << "  " << Visible(ToString(reference)) << "\n";
    context.streams.err << absl::StrFormat("delete these %d objects? [y/N] ", references_.size()) << std::flush;
    std::string answer;
    std::getline(context.streams.in, answer);
    absl::AsciiStrToLower(&answer);
    return answer == "y" || answer == "yes";
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

  std::vector<Reference> references_;
  google::protobuf::Duration drain_;
  bool dry_run_ = false;
};

}  // namespace

Verb AddDelete(CLI::App& root) {
  auto command = std::make_unique<Delete>();
  CLI::App* app = AddVerb(root, "delete", "Deletes objects; their sessions and streams are closed.",
                          "culvertctl delete fwd/pg dl/site-b lsn/local-pg\n"
                          "culvertctl delete listener local-pg --force     its forwards too\n"
                          "culvertctl delete fwd/pg --drain-timeout 5m     what runs may end by itself\n"
                          "culvertctl delete -f tunnels/ --ignore-not-found");
  app->add_option("what", command->words, "KIND/NAME... or KIND NAME...");
  app->add_option("-f,--file", command->files,
                  "the objects that a file, folder or standard input (-) names; may be repeated")
      ->allow_extra_args(false);
  app->add_option("--drain-timeout", command->drain_text,
                  "let what runs through an object end by itself for so long, at most 1h: it takes nothing new meanwhile");
  app->add_flag("--force", command->force, "delete the forwards that refer to a listener or dialer too");
  app->add_flag("--ignore-not-found", command->ignore_not_found, "an object that is not there is no error");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
