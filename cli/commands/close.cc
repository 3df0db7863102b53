// culvertctl close: ends sessions, streams and UDP flows.
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "cli/changes/closing.h"
#include "cli/command.h"
#include "cli/text/escape.h"

namespace culvert::cli {
namespace {

class Close : public Command {
 public:
  std::vector<std::string> words;
  CloseOptions options;

  [[nodiscard]] Takes takes() const override { return {.filter = true, .dry_run = {DryRun::kServer}}; }

  Outcome Validate(const Globals& globals) override {
    options.is_dry = globals.dry_run != DryRun::kNo;
    // A lone word without a slash is a session's unless it names kinds: they are what is closed most.
    if (words.size() == 1 && !absl::StrContains(words[0], '/') && !ParseReferences(words).ok()) {
      words[0] = "session/" + words[0];
    }
    auto parsed = ParseReferences(words);
    if (!parsed.ok()) return Usage(std::string(parsed.status().message()), "culvertctl close ses/NAME");
    for (const Reference& reference : *parsed) {
      if (reference.kind == Kind::kEvent) return Usage(kOnly);
      if (IsDeclared(reference.kind)) return Usage(kOnly, "culvertctl delete " + Visible(ToString(reference)));
      if (reference.name.empty() && globals.filter.empty()) {
        return Usage(absl::StrFormat("a name is wanted: %s/NAME", Singular(reference.kind)),
                     absl::StrFormat("culvertctl get %s", Plural(reference.kind)));
      }
      if (options.graceful && reference.kind == Kind::kUdpFlow)
        return Usage("--graceful: a flow of datagrams has nothing to deliver; it is for sessions and streams");
    }
    return selection_.Parse(words, globals, false, "close", true);
  }

  Outcome Run(Context& context) override { return CloseSelected(context, selection_, options); }

 private:
  static constexpr const char* kOnly = "only sessions, streams and UDP flows are closed";
  Selection selection_;
};

}  // namespace

Verb AddClose(CLI::App& root) {
  auto command = std::make_unique<Close>();
  CLI::App* app = AddVerb(root, "close", "Closes sessions, streams and UDP flows.",
                          "culvertctl close ses/k3f9q2\n"
                          "culvertctl close ses/k3f9q2 --graceful --reason maintenance\n"
                          "culvertctl close str/k3f9q2/4               one stream, not its session\n"
                          "culvertctl close udp/12\n"
                          "culvertctl close ses --filter 'remote:203.0.113.0/24' --dry-run");
  app->add_option("what", command->words, "KIND/NAME..., KIND NAME..., the NAME of one session, or KIND with --filter");
  app->add_flag("--graceful", command->options.graceful, "deliver what is queued first; sessions and streams");
  app->add_option("--reason", command->options.reason, "for the daemon's log");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
