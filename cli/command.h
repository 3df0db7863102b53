// A verb of culvertctl. Life: the parser fills its members; Complete derives what can be derived; Validate refuses what
// makes no sense before anything is contacted; Run does it. One verb per file in cli/commands/. Thread: confined to
// main.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "cli/process/failure.h"
#include "cli/process/globals.h"
#include "cli/process/streams.h"
#include "cli/target/command_context.h"

namespace culvert::cli {

// Which of the flags that every verb accepts, and not every verb can obey, a verb obeys. The others are refused, before anything is
// contacted: a filter that is ignored would act on everything.
struct Takes {
  std::vector<Format> formats = {Format::kTable};
  bool filter = false;    // --filter
  bool selector = false;  // -l
  std::vector<DryRun> dry_run;
};

class Command {
 public:
  virtual ~Command() = default;
  [[nodiscard]] virtual Takes takes() const { return {}; }
  virtual void Complete(const Globals&) {}
  virtual Outcome Validate(const Globals&) { return std::nullopt; }
  virtual Outcome Run(Context& context) = 0;
};

// The subcommand of a verb with its flags bound to a command.
struct Verb {
  CLI::App* app;
  std::unique_ptr<Command> command;
};

// Adds a subcommand that accepts the global flags behind it too; below a verb, one of its sub-verbs. `examples`: one per line, without
// indentation.
CLI::App* AddVerb(CLI::App& parent, const std::string& name, const std::string& description, const std::string& examples);

Verb AddAnnotate(CLI::App& root);
Verb AddApiResources(CLI::App& root);
Verb AddApply(CLI::App& root);
Verb AddAuth(CLI::App& root);
Verb AddCall(CLI::App& root);
Verb AddCheck(CLI::App& root);
Verb AddClose(CLI::App& root);
Verb AddCompletion(CLI::App& root);
Verb AddConfig(CLI::App& root);
Verb AddConnect(CLI::App& root);
Verb AddConvert(CLI::App& root);
Verb AddCreate(CLI::App& root);
Verb AddDelete(CLI::App& root);
Verb AddDescribe(CLI::App& root);
Verb AddDial(CLI::App& root);
Verb AddDiff(CLI::App& root);
Verb AddDrain(CLI::App& root);
Verb AddEdit(CLI::App& root);
Verb AddEvents(CLI::App& root);
Verb AddExplain(CLI::App& root);
Verb AddExport(CLI::App& root);
Verb AddGet(CLI::App& root);
Verb AddLabel(CLI::App& root);
Verb AddLogs(CLI::App& root);
Verb AddPlugin(CLI::App& root);
Verb AddReload(CLI::App& root);
Verb AddSet(CLI::App& root);
Verb AddStatus(CLI::App& root);
Verb AddTap(CLI::App& root);
Verb AddTop(CLI::App& root);
Verb AddVersion(CLI::App& root);
Verb AddWait(CLI::App& root);
Verb AddWhy(CLI::App& root);

}  // namespace culvert::cli
