#include "cli/changes/mutation.h"

#include <fstream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "cli/text/escape.h"

namespace culvert::cli {
namespace {

void SayWhere(Context& context) {
  const bool is_watched = context.streams.in_is_terminal || context.streams.out_is_terminal;
  if (!is_watched || context.globals.quiet) return;
  const std::string address = Visible(context.client.address());
  if (context.globals.context_name.empty()) {
    context.streams.err << "context: " << address << "\n";
  } else {
    context.streams.err << "context: " << Visible(context.globals.context_name) << " (" << address << ")\n";
  }
}

bool Ask(Context& context, const std::string& question) {
  context.streams.err << question << "? [y/N] " << std::flush;
  std::string answer;
  std::getline(context.streams.in, answer);
  absl::AsciiStrToLower(&answer);
  return answer == "y" || answer == "yes";
}

}  // namespace

Outcome BeginMutation(Context& context, const MutationPlan& plan) {
  const Globals& globals = context.globals;
  if (Outcome failed = context.client.Connect()) return failed;
  SayWhere(context);
  if (globals.yes || globals.dry_run != DryRun::kNo) return std::nullopt;
  const bool is_many = plan.asks_for_many && plan.count > 1;
  if (!is_many && !globals.is_protected) return std::nullopt;
  const std::string guard =
      globals.is_protected ? absl::StrFormat("context %s is protected: ", Visible(globals.context_name)) : "";
  const bool may_ask = context.streams.in_is_terminal && !globals.no_input;
  if (!may_ask && (globals.no_input || globals.is_protected)) {
    return Usage(absl::StrFormat("%s%s: nobody may be asked", guard, plan.question), "--yes goes on without asking");
  }
  if (!may_ask) return std::nullopt;
  for (const std::string& name : plan.names) context.streams.err << "  " << Visible(name) << "\n";
  if (Ask(context, guard + plan.question)) return std::nullopt;
  return Fail(ExitCode::kFalse, "nothing was changed");
}

std::string NewRequestId() {
  // The kernel makes them as they are wanted (version 4, RFC 9562 section 5.4). Where it does not, the request has none.
  std::ifstream kernel("/proc/sys/kernel/random/uuid");
  std::string id;
  kernel >> id;
  return id;
}

void PrintWarning(Context& context, const std::string& place, const v1::Warning& warning) {
  context.streams.err << "warning: " << place << ": " << (warning.field().empty() ? "" : Visible(warning.field()) + ": ")
                      << Visible(warning.message()) << " (" << Visible(warning.reason()) << ")\n";
}

}  // namespace culvert::cli
