// culvertctl export: all declared objects as files hold them.
#include <utility>

#include "cli/command.h"
#include "cli/escape.h"
#include "cli/json.h"
#include "culvert/v1/config.grpc.pb.h"
#include "proto/manifest/manifest.h"

namespace culvert::cli {
namespace {

class Export : public Command {
 public:
  std::string manager;

  [[nodiscard]] Takes takes() const override { return {.formats = {Format::kTable, Format::kYaml, Format::kJson, Format::kName}}; }
  Outcome Validate(const Globals&) override {
    if (!manager.empty() && manager != "file" && manager != "api") return Usage("--manager: file or api");
    return std::nullopt;
  }

  Outcome Run(Context& context) override {
    v1::ExportRequest request;
    request.set_manager(manager);
    v1::ExportResponse response;
    if (Outcome failed = context.client.Call<v1::ConfigService>(&v1::ConfigService::Stub::Export, request, &response))
      return failed;
    const std::vector<v1::Object> objects(response.objects().begin(), response.objects().end());
    if (context.globals.format == Format::kJson) {
      std::vector<std::string> items;
      for (const v1::Object& object : objects) items.push_back(ObjectToJson(object));
      context.streams.out << ListToJson(items);
    } else if (context.globals.format == Format::kName) {
      for (const v1::Object& object : objects) context.streams.out << Visible(manifest::DisplayName(object)) << "\n";
    } else {
      context.streams.out << manifest::ToYaml(objects);
    }
    return std::nullopt;
  }
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
