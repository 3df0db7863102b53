// culvertctl reload: the daemon looks at the files that objects name now, and says what became of each.
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/changes/mutation.h"
#include "cli/command.h"
#include "cli/text/escape.h"
#include "cli/text/json.h"
#include "cli/text/printer.h"
#include "culvert/v1/daemon.grpc.pb.h"
#include "proto/manifest/emitter.h"

namespace culvert::cli {
namespace {

class Reload : public Command {
 public:
  [[nodiscard]] Takes takes() const override { return {.formats = {Format::kTable, Format::kJson, Format::kYaml}}; }

  Outcome Run(Context& context) override {
    if (Outcome failed = BeginMutation(context, {.question = "read all certificates, keys, seeds and users again"})) return failed;
    v1::ReloadCredentialsRequest request;
    request.set_request_id(NewRequestId());
    v1::ReloadCredentialsResponse response;
    if (Outcome failed = context.client.Call<v1::DaemonService>(&v1::DaemonService::Stub::ReloadCredentials, request, &response)) return failed;
    std::vector<std::string> faults;
    for (const auto& result : response.results()) {
      if (!result.fault().empty()) faults.push_back(absl::StrCat(Visible(result.subject()), ": ", Visible(result.fault())));
    }
    Print(context, response);
    if (faults.empty()) return std::nullopt;
    return Failure{ExitCode::kConflict, std::move(faults), "RELOAD_FAILED", "culvertctl check"};
  }

 private:
  static void Print(Context& context, const v1::ReloadCredentialsResponse& response) {
    std::ostream& out = context.streams.out;
    if (context.globals.format == Format::kJson) {
      out << ToJson(response);
      return;
    }
    if (context.globals.format == Format::kYaml) {
      out << manifest::EmitFields(response, 0, {true});
      return;
    }
    if (context.globals.quiet) return;
    if (response.results().empty()) out << "no object names files\n";
    for (const auto& result : response.results()) {
      if (!result.fault().empty()) continue;
      out << Visible(result.subject()) << (result.is_changed() ? " reloaded" : " unchanged") << (result.disruptive() ? " (its sessions ended)" : "") << "\n";
    }
  }
};

}  // namespace

Verb AddReload(CLI::App& root) {
  auto command = std::make_unique<Reload>();
  CLI::App* app = AddVerb(root, "reload",
                          "Reads the files of certificates, keys, seeds and users again that objects name. The daemon does so by itself within seconds; "
                          "this says what became of it.",
                          "culvertctl reload");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
