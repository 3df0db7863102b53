// culvertctl export: all declared objects as files hold them.
#include <utility>

#include "cli/command.h"
#include "cli/output/show.h"
#include "culvert/v1/config.grpc.pb.h"
#include "proto/manifest/manifest.h"

namespace culvert::cli {
namespace {

class Export : public Command {
 public:
  std::string manager;

  [[nodiscard]] Takes takes() const override { 
    return {.formats = {Format::kTable, Format::kYaml, Format::kJson, Format::kJsonLines, Format::kName, Format::kJsonPath,
                        Format::kJmesPath, Format::kCustomColumns}};
  }
  Outcome Validate(const Globals& globals) override {
    if (!manager.empty() && manager != "file" && manager != "api") return Usage("--manager: file or api");
    return Show::Make(globals, {Kind::kListener, Kind::kDialer, Kind::kForward}, false, show_);
  }

  Outcome Run(Context& context) override {
    v1::ExportRequest request;
    request.set_manager(manager);
    v1::ExportResponse response;
    if (Outcome failed = context.client.Call<v1::ConfigService>(&v1::ConfigService::Stub::Export, request, &response))
      return failed;
    const std::vector<v1::Object> objects(response.objects().begin(), response.objects().end());
    if (context.globals.format == Format::kTable || context.globals.format == Format::kYaml) {
      context.streams.out << manifest::ToYaml(objects);
      return std::nullopt;
    }
    return show_->All(context, {{Kind::kListener, std::vector<Resource>(objects.begin(), objects.end())}});
  }

 private:
  std::unique_ptr<Show> show_;
};

}  // namespace

Verb AddExport(CLI::App& root) {
  auto command = std::make_unique<Export>();
  CLI::App* app =
      AddVerb(root, "export", "Prints all declared objects as apply reads them, without status and secrets.",
              "culvertctl export > backup.yaml\n"
              "culvertctl export --manager api -o json");
  app->add_option("--manager", command->manager, "only objects managed by file or api");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
