// culvertctl apply: files in, all of their objects made so, or none.
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "cli/changes/apply_call.h"
#include "cli/changes/mutation.h"
#include "cli/command.h"
#include "cli/objects/manifest_files.h"
#include "cli/text/escape.h"
#include "cli/text/json.h"
#include "cli/watch/waiter.h"
#include "proto/manifest/manifest.h"
#include "proto/manifest/rules.h"

namespace culvert::cli {
namespace {

using manifest::SourceObject;

class Apply : public Command {
 public:
  std::vector<std::string> files;
  ApplyOptions options;
  bool wait = false;
  std::string timeout_text = "30s";

  [[nodiscard]] Takes takes() const override {
    return {.formats = {Format::kTable, Format::kName, Format::kJson, Format::kYaml}, .dry_run = {DryRun::kServer, DryRun::kLocal}};
  }
  Outcome Validate(const Globals& globals) override {
    if (Outcome failed = CheckFileNames(files, "apply")) return failed;
    dry_run_ = globals.dry_run;
    if (dry_run_ == DryRun::kLocal && (options.prune || wait)) {
      return Usage("--prune and --wait need a daemon, which --dry-run=local does not ask", "--dry-run");
    }
    return ParseTimeout(timeout_text, timeout_);
  }

  Outcome Run(Context& context) override {
    std::vector<SourceObject> loaded;
    if (Outcome failed = LoadManifests(files, loaded)) return failed;
    return dry_run_ == DryRun::kLocal ? CheckHere(context, loaded) : Send(context, loaded);
  }

 private:
  // Without any daemon: syntax, types and the rules of the fields.
  static Outcome CheckHere(Context& context, const std::vector<SourceObject>& sources) {
    Failure failure{ExitCode::kUsage, {}, "", ""};
    for (const SourceObject& source : sources) {
      const google::protobuf::Reflection* reflection = source.object.GetReflection();
      const auto* kind =
          reflection->GetOneofFieldDescriptor(source.object, source.object.GetDescriptor()->oneof_decl(0));
      for (const manifest::Violation& violation : manifest::CheckRules(reflection->GetMessage(source.object, kind))) {
        failure.faults.push_back(source.Where(violation.path) + ": " + violation.path + ": " + violation.message);
      }
    }
    if (!failure.faults.empty()) return failure;
    if (context.globals.format == Format::kYaml || context.globals.format == Format::kJson) {
      std::vector<v1::Object> objects;
      std::vector<std::string> items;
      for (const SourceObject& source : sources) {
        objects.push_back(source.object);
        items.push_back(ObjectToJson(source.object));
      }
      context.streams.out << (context.globals.format == Format::kYaml ? manifest::ToYaml(objects) : ListToJson(items));
      return std::nullopt;
    }
    for (const SourceObject& source : sources) {
      const std::string name = Visible(manifest::DisplayName(source.object));
      context.streams.out << name << (context.globals.format == Format::kName ? "\n" : " valid (dry run)\n");
    }
    return std::nullopt;
  }

  Outcome Send(Context& context, const std::vector<SourceObject>& sources) {
    if (Outcome failed = Begin(context, sources)) return failed;
    v1::ApplyResponse response;
    if (Outcome failed = CallApply(context.client, sources, options, dry_run_ == DryRun::kServer, response)) return failed;
    Report(context, response, sources);
    context.streams.out << std::flush;
    return wait && !is_dry() ? AwaitReady(context, response) : std::nullopt;
  }

  // What is to be pruned is found out before it is asked about.
  Outcome Begin(Context& context, const std::vector<SourceObject>& sources) const {
    const Globals& globals = context.globals;
    MutationPlan plan{"apply " + absl::StrFormat("%d object%s", sources.size(), sources.size() == 1 ? "" : "s"), {}, 1, false};
    const bool may_ask = context.streams.in_is_terminal || globals.no_input;
    if (options.prune && may_ask && !globals.yes && !is_dry()) {
      v1::ApplyResponse trial;
      if (Outcome failed = context.client.Connect()) return failed;
      if (Outcome failed = CallApply(context.client, sources, options, true, trial)) return failed;
      for (const v1::ApplyResponse::Result& result : trial.results()) {
        if (result.action() == v1::ApplyResponse::ACTION_DELETED) plan.names.push_back(result.kind() + "/" + result.name());
      }
      plan.count = plan.names.size();
      plan.asks_for_many = true;
      if (plan.count > 1) plan.question += absl::StrFormat(" and delete these %d", plan.count);
    }
    return BeginMutation(context, plan);
  }

  // Everything that the request named and that is there now.
  Outcome AwaitReady(Context& context, const v1::ApplyResponse& response) const {
    std::vector<Reference> references;
    for (const v1::ApplyResponse::Result& result : response.results()) {
      const auto kind = ParseKind(result.kind());
      if (kind.ok() && IsDeclared(*kind) && result.action() != v1::ApplyResponse::ACTION_DELETED)
        references.push_back({*kind, result.name()});
    }
    return references.empty() ? std::nullopt : WaitForAll(context, references, WaitFor::Condition("Ready"), timeout_, nullptr);
  }

  void Report(Context& context, const v1::ApplyResponse& response, const std::vector<SourceObject>& sources) const {
    static const std::map<v1::ApplyResponse::Action, std::string_view> kVerbs = {
        {v1::ApplyResponse::ACTION_CREATED, "created"},
        {v1::ApplyResponse::ACTION_CONFIGURED, "configured"},
        {v1::ApplyResponse::ACTION_UNCHANGED, "unchanged"},
        {v1::ApplyResponse::ACTION_DELETED, "pruned"},
    };
    if (context.globals.format == Format::kJson) context.streams.out << ToJson(response);
    if (context.globals.format == Format::kYaml) {
      std::vector<v1::Object> objects;
      for (const auto& result : response.results()) {
        if (result.has_after()) objects.push_back(result.after());
      }
      context.streams.out << manifest::ToYaml(objects);
    }
    for (int i = 0; i < response.results_size(); ++i) {
      const v1::ApplyResponse::Result& result = response.results(i);
      const std::string name = Visible(result.kind()) + "/" + Visible(result.name());
      if (context.globals.format == Format::kName) {
        context.streams.out << name << "\n";
      } else if (context.globals.format == Format::kTable) {
        const auto verb = kVerbs.find(result.action());
        context.streams.out << name << " " << (verb == kVerbs.end() ? "applied" : verb->second)
                            << (is_dry() ? " (dry run)\n" : "\n");
      }
      if (result.disruptive()) {
        context.streams.err << "warning: " << name
                            << (is_dry() ? ": closes the sessions it has, if any\n"
                                         : ": closed the sessions it had, if any\n");
      }
      for (const v1::Warning& warning : result.warnings()) {
        const std::string path = warning.field();
        const bool is_whole = absl::StartsWith(path, "objects[");
        const std::string place =
            is_whole || static_cast<size_t>(i) >= sources.size()
                ? AtSource(path, sources)
                : sources[static_cast<size_t>(i)].Where(path) + ": " + (path.empty() ? name : Visible(path));
        context.streams.err << "warning: " << place << ": " << Visible(warning.message()) << " ("
                            << Visible(warning.reason()) << ")\n";
      }
    }
  }

  bool is_dry() const { return dry_run_ != DryRun::kNo; }

  DryRun dry_run_ = DryRun::kNo;
  Duration timeout_{};
};

}  // namespace

Verb AddApply(CLI::App& root) {
  auto command = std::make_unique<Apply>();
  CLI::App* app =
      AddVerb(root, "apply", "Makes the objects in files exist as given: all of them or, on any error, none.",
              "culvertctl apply -f tunnel.yaml\n"
              "culvertctl apply -f tunnels/ -f extra.yaml\n"
              "culvertctl apply -f - < tunnel.yaml\n"
              "culvertctl apply -f tunnels/ --prune --manager ci     delete what this manager made and the files do not name\n"
              "culvertctl apply -f tunnels/ --wait                   return once all is Ready\n"
              "culvertctl apply -f tunnels/ --dry-run                ask the daemon, change nothing\n"
              "culvertctl apply -f tunnels/ --dry-run=local          check without a daemon");
  app->add_option("-f,--file", command->files, "a file, a folder, or - for standard input; may be repeated")
      ->allow_extra_args(false);
  AddApplyOptions(*app, command->options);
  app->add_flag("--wait", command->wait, "return once all objects of the files are Ready");
  app->add_option("--timeout", command->timeout_text, "with --wait: how long (30s)");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
