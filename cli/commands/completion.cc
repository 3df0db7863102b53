// culvertctl completion: what a shell sources to complete our command lines. Asks no daemon.
#include "cli/help/completion_scripts.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "cli/command.h"
#include "cli/text/escape.h"
#include "proto/manifest/suggest.h"

namespace culvert::cli {
namespace {

class CompletionVerb : public Command {
 public:
  std::string shell;

  Outcome Validate(const Globals&) override {
    const char* next = "culvertctl completion bash, zsh or fish";
    if (shell.empty()) return Usage("a shell is wanted: bash, zsh or fish", next);
    if (!CompletionScript(shell).empty()) return std::nullopt;
    return Usage(
        absl::StrFormat("unknown shell \"%s\"%s", Visible(shell.substr(0, 64)), manifest::DidYouMean(shell, {"bash", "zsh", "fish"})),
        next);
  }
  Outcome Run(Context& context) override {
    context.streams.out << CompletionScript(shell);
    return std::nullopt;
  }
};

}  // namespace

Verb AddCompletion(CLI::App& root) {
  auto command = std::make_unique<CompletionVerb>();
  CLI::App* app = AddVerb(root, "completion", "Prints the script that completes our command lines in a shell.",
                          "source <(culvertctl completion bash)                            for this shell\n"
                          "culvertctl completion bash > /etc/bash_completion.d/culvertctl  for everybody\n"
                          "culvertctl completion zsh > \"${fpath[1]}/_culvertctl\"\n"
                          "culvertctl completion fish > ~/.config/fish/completions/culvertctl.fish");
  app->add_option("shell", command->shell, "bash, zsh or fish");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
