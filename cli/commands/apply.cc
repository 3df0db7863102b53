// culvertctl apply: files in, all of their objects made so, or none.
#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "cli/command.h"
#include "cli/escape.h"
#include "cli/json.h"
#include "culvert/v1/config.grpc.pb.h"
#include "proto/manifest/manifest.h"
#include "proto/manifest/rules.h"

namespace culvert::cli {
namespace {

using manifest::SourceObject;

// "objects[2].spec.bind" → the third object's place and "spec.bind"; other texts stay as they are.
std::string AtSource(const std::string& path, const std::vector<SourceObject>& sources) {
  static constexpr std::string_view kPrefix = "objects[";
  if (!absl::StartsWith(path, std::string(kPrefix))) return Visible(path);
  size_t index = 0;
  const char* const end = path.data() + path.size();
  const auto [at, error] = std::from_chars(path.data() + kPrefix.size(), end, index);
  if (error != std::errc() || at == end || *at != ']' || index >= sources.size()) return Visible(path);
  std::string rest(at + 1, end);
  if (absl::StartsWith(rest, ".")) rest.erase(0, 1);
  const SourceObject& source = sources[index];
  return source.Where(rest) + ": " + (rest.empty() ? manifest::DisplayName(source.object) : Visible(rest));
}

// Violations name their field; a socket or file that failed names it in the metadata and in front of the message.
Failure AtSources(const ServerError& error, Failure failure, const std::vector<SourceObject>& sources) {
  const std::string reason = error.info.reason().empty() ? "" : " (" + Visible(error.info.reason()) + ")";
  std::vector<std::string> faults;
  for (const auto& field : error.fields) {
    faults.push_back(AtSource(field.field(), sources) + ": " + Visible(field.description()) + reason);
  }
  const auto field = error.info.metadata().find("field");
  if (faults.empty() && field != error.info.metadata().end()) {
    std::string message = error.status.error_message();
    if (absl::StartsWith(message, field->second + ": ")) message.erase(0, field->second.size() + 2);
    faults.push_back(AtSource(field->second, sources) + ": " + Visible(message) + reason);
  }
  if (!faults.empty()) failure.faults = std::move(faults);
  return failure;
}

class Apply : public Command {
 public:
  std::vector<std::string> files;

  [[nodiscard]] Takes takes() const override {
    return {.formats = {Format::kTable, Format::kName, Format::kJson}, .dry_run = {DryRun::kServer, DryRun::kLocal}};
  }
  Outcome Validate(const Globals& globals) override {
    if (files.empty())
      return Usage("-f is wanted: a file, a folder, or - for standard input", "culvertctl apply -f tunnel.yaml");
    if (std::count(files.begin(), files.end(), "-") > 1) return Usage("standard input can be read once");
    dry_run_ = globals.dry_run;
    return std::nullopt;
  }

  Outcome Run(Context& context) override {
    auto loaded = manifest::Load(files);
    if (!loaded.ok()) {
      return Failure{ExitCode::kUsage, absl::StrSplit(std::string(loaded.status().message()), '\n'), "", ""};
    }
    if (loaded->empty())
      return Usage("no objects in " + Visible(files.front()) + (files.size() > 1 ? " and the others" : ""));
    return dry_run_ == DryRun::kLocal ? CheckHere(context, *loaded) : Send(context, *loaded);
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
    for (const SourceObject& source : sources) {
      const std::string name = Visible(manifest::DisplayName(source.object));
      context.streams.out << name << (context.globals.format == Format::kName ? "\n" : " valid (dry run)\n");
    }
    return std::nullopt;
  }

  Outcome Send(Context& context, const std::vector<SourceObject>& sources) {
    v1::ApplyRequest request;
    for (const SourceObject& source : sources) *request.add_objects() = source.object;
    request.set_validate_only(dry_run_ == DryRun::kServer);
    if (Outcome failed = context.client.Connect()) return failed;
    v1::ApplyResponse response;
    const grpc::Status status =
        context.client.RawCall<v1::ConfigService>(&v1::ConfigService::Stub::Apply, request, &response);
    if (!status.ok()) return AtSources(ServerError::Decode(status), context.client.Explain(status), sources);
    Report(context, response, sources);
    return std::nullopt;
  }

  void Report(Context& context, const v1::ApplyResponse& response, const std::vector<SourceObject>& sources) const {
    static const std::map<v1::ApplyResponse::Action, std::string_view> kVerbs = {
        {v1::ApplyResponse::ACTION_CREATED, "created"},
        {v1::ApplyResponse::ACTION_CONFIGURED, "configured"},
        {v1::ApplyResponse::ACTION_UNCHANGED, "unchanged"},
    };
    if (context.globals.format == Format::kJson) context.streams.out << ToJson(response);
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
};

}  // namespace

Verb AddApply(CLI::App& root) {
  auto command = std::make_unique<Apply>();
  CLI::App* app =
      AddVerb(root, "apply", "Makes the objects in files exist as given: all of them or, on any error, none.",
              "culvertctl apply -f tunnel.yaml\n"
              "culvertctl apply -f tunnels/ -f extra.yaml\n"
              "culvertctl apply -f - < tunnel.yaml\n"
              "culvertctl apply -f tunnels/ --dry-run          ask the daemon, change nothing\n"
              "culvertctl apply -f tunnels/ --dry-run=local    check without a daemon");
  app->add_option("-f,--file", command->files, "a file, a folder, or - for standard input; may be repeated")
      ->allow_extra_args(false);
  return {app, std::move(command)};
}

}  // namespace culvert::cli
