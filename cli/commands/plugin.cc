// culvertctl plugin: which programs on PATH are verbs of ours too. Asks no daemon.
#include <algorithm>
#include <utility>

#include "cli/command.h"
#include "cli/process/plugins.h"
#include "cli/text/escape.h"
#include "cli/text/printer.h"

namespace culvert::cli {
namespace {

class PluginVerb : public Command {
 public:
  CLI::App* root = nullptr;

  [[nodiscard]] Takes takes() const override { return {.formats = {Format::kTable, Format::kName}}; }

  Outcome Run(Context& context) override {
    const std::vector<Plugin> plugins = FindPlugins(context.environment);
    Table table({"VERB", "PATH", "NOTE"});
    for (const Plugin& plugin : plugins) {
      if (context.globals.format == Format::kName) {
        context.streams.out << "plugin/" << Visible(plugin.verb) << "\n";
        continue;
      }
      const std::string note = NoteOn(plugin);
      table.Add({Visible(plugin.verb), Visible(plugin.path), Cell(note.empty() ? "-" : note, note.empty() ? Paint::kNone : Paint::kWarn)});
    }
    if (!table.empty()) table.Print(context.streams.out, {!context.globals.no_headers, context.streams.color});
    if (plugins.empty() && !context.globals.quiet) context.streams.err << "no culvertctl-* on PATH\n";
    return std::nullopt;
  }

 private:
  std::string NoteOn(const Plugin& plugin) const {
    for (const CLI::App* verb : root->get_subcommands({})) {
      if (verb->get_name() == plugin.verb) return "never run: culvertctl has a verb of that name";
    }
    if (!plugin.is_executable) return "not executable: chmod +x";
    if (!plugin.shadowed_by.empty()) return "never run: " + Visible(plugin.shadowed_by) + " stands earlier on PATH";
    return "";
  }
};

}  // namespace

Verb AddPlugin(CLI::App& root) {
  auto command = std::make_unique<PluginVerb>();
  CLI::App* app = AddVerb(root, "plugin", "Programs on PATH named culvertctl-VERB, which are run as culvertctl VERB.",
                          "culvertctl plugin list");
  app->require_subcommand(1);
  AddVerb(*app, "list", "Lists them, and says which of them are never run and why.", "culvertctl plugin list");
  command->root = &root;
  return {app, std::move(command)};
}

}  // namespace culvert::cli
