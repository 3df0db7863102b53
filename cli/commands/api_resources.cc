// culvertctl api-resources: the kinds there are and what can be done with them. Asks no daemon.
#include <utility>

#include "absl/strings/str_join.h"
#include "cli/command.h"
#include "cli/objects/api_methods.h"
#include "cli/objects/kind_types.h"
#include "cli/text/printer.h"

namespace culvert::cli {
namespace {

class ApiResources : public Command {
 public:
  [[nodiscard]] Takes takes() const override { return {.formats = {Format::kTable, Format::kWide, Format::kName}}; }

  Outcome Run(Context& context) override {
    const bool is_wide = context.globals.format == Format::kWide;
    std::vector<std::string> headers = {"NAME", "SHORT", "VERBS", "DECLARED"};
    if (is_wide) headers.emplace_back("KIND");
    Table table(headers);
    for (const Kind kind : AllKinds()) {
      if (context.globals.format == Format::kName) {
        context.streams.out << Plural(kind) << "\n";
        continue;
      }
      std::vector<Cell> row = {std::string(Plural(kind)), std::string(ShortOf(kind)), absl::StrJoin(VerbsOf(kind), ","),
                               IsDeclared(kind) ? "yes" : "no"};
      if (is_wide) row.emplace_back(DescriptorOf(kind).name());
      table.Add(std::move(row));
    }
    if (!table.empty()) table.Print(context.streams.out, {!context.globals.no_headers, context.streams.color});
    return std::nullopt;
  }
};

}  // namespace

Verb AddApiResources(CLI::App& root) {
  auto command = std::make_unique<ApiResources>();
  CLI::App* app = AddVerb(root, "api-resources", "The kinds there are, and what can be done with them. Asks no daemon.",
                          "culvertctl api-resources\n"
                          "culvertctl api-resources -o name");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
