// In this order: the parser is built; the arguments are parsed, and what it refuses is said in our words and with our
// exit codes; the global flags are read; the verb completes, validates and runs.
#include "cli/app.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "cli/command.h"
#include "cli/escape.h"
#include "proto/manifest/manifest.h"
#include "proto/manifest/suggest.h"

namespace culvert::cli {
namespace {

// Help that leads with examples.
class Formatter : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override {
    if (mode == CLI::AppFormatMode::Sub) return make_expanded(app);
    std::string out = app->get_description() + "\n";
    if (!app->get_footer().empty()) out += "\nExamples:\n" + app->get_footer() + "\n";
    out += "\n" + make_usage(app, std::move(name)) + make_positionals(app) + make_groups(app, mode) +
           make_subcommands(app, mode);
    if (app->get_parent() != nullptr) out += "\nGlobal flags, which every verb takes: culvertctl --help\n";
    return out;
  }
};

std::vector<Verb> AddVerbs(CLI::App& root) {
  std::vector<Verb> verbs;
  for (auto* add :
       {AddApply, AddGet, AddDescribe, AddDelete, AddDial, AddConnect, AddTop, AddEvents, AddStatus, AddClose, AddExport, AddExplain,
        AddVersion}) {
    verbs.push_back(add(root));
  }
  return verbs;
}

void AddGlobals(CLI::App& root, Globals& globals) {
  root.add_option("--address", globals.address,
                  "control socket, unix:PATH (environment: CULVERTCTL_ADDRESS; default: where culvertd listens)");
  root.add_option("-o,--output", globals.output,
                  "wide, json, jsonl, yaml, name, jsonpath=EXPR, jmespath=EXPR or custom-columns=HEADER:PATH,...");
  root.add_option("--filter", globals.filter, "only what matches: 'state=ACTIVE AND remote:10.0.0.0/8 AND tx_bytes>1Mi'");
  root.add_option("-l,--selector", globals.selector, "only what has these labels: tier=edge,site!=a");
  root.add_option("--request-timeout", globals.timeout_text, "how long one request may take (10s)");
  root.add_option("--color", globals.color, "auto, always or never (NO_COLOR is respected)");
  // Twice is no mistake: an alias may hold one, the command line another.
  for (CLI::Option* option : root.get_options()) option->take_last();
  root.add_flag("--dry-run{server}", globals.dry_run_text, "change nothing: the daemon checks (server), or nobody is asked (=local)");
  root.add_flag("--no-input", globals.no_input, "never ask; what would ask is refused");
  root.add_flag("--no-headers", globals.no_headers, "tables without their first line");
  root.add_flag("-y,--yes", globals.yes, "do not ask");
  root.add_flag("-v,--verbose", globals.verbose, "more about errors");
  root.add_flag("-q,--quiet", globals.quiet, "no remarks on standard error, only warnings and errors");
}

// The first argument that is neither a flag nor the value of a global one.
std::string FirstWord(const std::vector<std::string>& arguments) {
  static const std::vector<std::string> kWithValue = {"--address", "-o",         "--output", "--request-timeout",
                                                      "--color",   "--filter", "-l",       "--selector"};
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (std::find(kWithValue.begin(), kWithValue.end(), arguments[i]) != kWithValue.end()) {
      ++i;
    } else if (!absl::StartsWith(arguments[i], "-")) {
      return arguments[i];
    }
  }
  return "";
}

std::vector<std::string> FlagsOf(const CLI::App& app) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
  }
  return flags;
}

Failure ExplainParseError(const CLI::ParseError& error, CLI::App& root, const std::vector<std::string>& arguments) {
  const std::vector<CLI::App*> parsed = root.get_subcommands();
  CLI::App* verb = parsed.empty() ? nullptr : parsed.front();
  Failure failure{ExitCode::kUsage, {}, verb ? "culvertctl " + verb->get_name() + " --help" : "culvertctl --help", ""};
  std::vector<std::string> extras = root.remaining(true);
  // Without a verb, an unknown word and no word at all are different slips.
  if (const std::string word = FirstWord(arguments); verb == nullptr && !word.empty()) {
    std::vector<std::string> names;
    for (const CLI::App* one : root.get_subcommands({})) names.push_back(one->get_name());
    failure.faults.push_back(
        absl::StrFormat("unknown command \"%s\"%s", Visible(word.substr(0, 64)), manifest::DidYouMean(word, names)));
    return failure;
  }
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr && !extras.empty()) {
    const std::string& extra = extras.front();
    if (absl::StartsWith(extra, "-")) {
      std::vector<std::string> flags = FlagsOf(root);
      if (verb) {
        for (std::string& flag : FlagsOf(*verb)) flags.push_back(std::move(flag));
      }
      failure.faults.push_back(absl::StrFormat("unknown flag %s%s", Visible(extra.substr(0, 64)),
                                               manifest::DidYouMean(extra.substr(0, extra.find('=')), flags)));
    } else {
      failure.faults.push_back(absl::StrFormat("unexpected argument \"%s\"", Visible(extra.substr(0, 64))));
    }
    return failure;
  }
  if (verb == nullptr && arguments.empty()) {
    failure.faults.push_back(
        "a command is wanted: apply, get, describe, delete, dial, connect, top, events, status, close, export, explain or version");
    return failure;
  }
  failure.faults.push_back(Visible(error.what()));
  return failure;
}

// "-o jsonpath={.metadata.name}": the word in front of the first '=', and the expression behind it.
Outcome ReadFormat(Globals& globals) {
  struct Known {
    std::string_view word;
    Format format;
    bool has_expression = false;
  };
  static const Known kFormats[] = {
      {"", Format::kTable},          {"wide", Format::kWide}, {"json", Format::kJson},
      {"jsonl", Format::kJsonLines}, {"yaml", Format::kYaml}, {"name", Format::kName},
      {"jsonpath", Format::kJsonPath, true}, {"jmespath", Format::kJmesPath, true}, {"custom-columns", Format::kCustomColumns, true}};
  const size_t equals = globals.output.find('=');
  const std::string word = globals.output.substr(0, equals);
  const auto* format = std::find_if(std::begin(kFormats), std::end(kFormats), [&](const Known& one) { return one.word == word; });
  if (format == std::end(kFormats) || (equals != std::string::npos && !format->has_expression)) {
    std::vector<std::string> words;
    for (const Known& one : kFormats) {
      if (!one.word.empty()) words.emplace_back(one.word);
    }
    return Usage(absl::StrFormat("-o %s: unknown format%s", Visible(globals.output.substr(0, 64)), manifest::DidYouMean(word, words)),
                 "one of " + absl::StrJoin(words, ", "));
  }
  if (equals != std::string::npos) globals.expression = globals.output.substr(equals + 1);
  if (format->has_expression && globals.expression.empty()) {
    return Usage(absl::StrFormat("-o %s: an expression is wanted", word), absl::StrFormat("-o %s=EXPRESSION", word));
  }
  globals.format = format->format;
  return std::nullopt;
}

Outcome ReadDryRun(Globals& globals) {
  if (globals.dry_run_text.empty()) return std::nullopt;
  if (globals.dry_run_text != "server" && globals.dry_run_text != "local") return Usage("--dry-run: server or local");
  globals.dry_run = globals.dry_run_text == "server" ? DryRun::kServer : DryRun::kLocal;
  return std::nullopt;
}

template <typename T>
bool Has(const std::vector<T>& values, T value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

Outcome CheckTakes(const Takes& takes, const Globals& globals, const std::string& verb) {
  const std::string help = "culvertctl " + verb + " --help";
  if (!Has(takes.formats, globals.format)) {
    return Usage(globals.format == Format::kTable
                     ? verb + " wants a format: -o json"
                     : absl::StrFormat("%s does not print -o %s", verb, globals.output.substr(0, globals.output.find('='))),
                 help);
  }
  if (!takes.filter && !globals.filter.empty()) return Usage(verb + " takes no --filter", help);
  if (!takes.selector && !globals.selector.empty()) return Usage(verb + " takes no -l", help);
  if (globals.dry_run != DryRun::kNo && !Has(takes.dry_run, globals.dry_run)) {
    return Usage(absl::StrFormat("%s takes no --dry-run%s", verb, takes.dry_run.empty() ? "" : "=" + globals.dry_run_text), help);
  }
  return std::nullopt;
}

bool IsSet(const std::optional<std::string>& variable) { return variable && !variable->empty(); }

// In this order: the flag; NO_COLOR; CLICOLOR_FORCE; whether a person looks, on a terminal that can.
Outcome ReadColor(const std::string& color, Streams& streams, const Environment& environment) {
  if (color != "always" && color != "auto" && color != "never") {
    return Usage(absl::StrFormat("--color: \"%s\" is not one of auto, always, never", Visible(color.substr(0, 64))));
  }
  const auto force = environment.get("CLICOLOR_FORCE");
  streams.color = color == "always";
  if (color != "auto" || IsSet(environment.get("NO_COLOR"))) return std::nullopt;
  streams.color = IsSet(force) && *force != "0" ? true : streams.out_is_terminal && environment.get("TERM") != "dumb";
  return std::nullopt;
}

// COLUMNS, as shells set it and people do for a run. On a pipe nothing is ever cut.
void ReadColumns(Streams& streams, const Environment& environment) {
  constexpr int kMaxColumns = 10000;
  int columns = 0;
  if (!streams.out_is_terminal) {
    streams.columns = streams.rows = 0;
  } else if (const auto text = environment.get("COLUMNS"); text && absl::SimpleAtoi(*text, &columns) && columns > 0) {
    streams.columns = std::min(columns, kMaxColumns);
  }
}

Outcome ReadGlobals(Globals& globals, Streams& streams, const Environment& environment) {
  if (Outcome failed = ReadFormat(globals)) return failed;
  if (Outcome failed = ReadDryRun(globals)) return failed;
  const auto timeout = manifest::ParseDuration(globals.timeout_text);
  if (!timeout.ok()) return Usage("--request-timeout: " + std::string(timeout.status().message()));
  constexpr int64_t kMaxSeconds = 86400;
  globals.request_timeout =
      std::chrono::seconds(std::min(timeout->seconds(), kMaxSeconds)) + std::chrono::nanoseconds(timeout->nanos());
  if (globals.request_timeout <= Duration::zero()) return Usage("--request-timeout: must be above 0");
  ReadColumns(streams, environment);
  return ReadColor(globals.color, streams, environment);
}

Outcome RunVerb(const Verb& verb, Globals& globals, Streams& streams, const Environment& environment) {
  Command& command = *verb.command;
  if (Outcome failed = ReadGlobals(globals, streams, environment)) return failed;
  if (Outcome failed = CheckTakes(command.takes(), globals, verb.app->get_name())) return failed;
  command.Complete(globals);
  if (Outcome failed = command.Validate(globals)) return failed;
  Client client(globals, environment);
  Context context{globals, streams, client};
  return command.Run(context);
}

}  // namespace

CLI::App* AddVerb(CLI::App& root, const std::string& name, const std::string& description,
                  const std::string& examples) {
  CLI::App* app = root.add_subcommand(name, description);
  std::string indented;
  const std::vector<std::string> lines = absl::StrSplit(examples, '\n', absl::SkipEmpty());
  for (const std::string& line : lines) indented += "  " + line + "\n";
  if (!indented.empty()) indented.pop_back();
  app->footer(indented);
  app->fallthrough();
  return app;
}

ExitCode RunCulvertctl(std::vector<std::string> arguments, Streams& streams, const Environment& environment) {
  CLI::App root("Steers culvertd: tunnels over mKCP and QUIC, declared, applied and watched.", "culvertctl");
  root.formatter(std::make_shared<Formatter>());
  root.footer(
      "  culvertctl apply -f tunnels/         make what the files say so\n"
      "  culvertctl get listeners             what is there, and how it does\n"
      "  culvertctl top                       who sends how much right now\n"
      "  culvertctl explain dialer.spec.kcp   what the fields of a file mean");
  root.require_subcommand(1);
  Globals globals;
  AddGlobals(root, globals);
  std::vector<Verb> verbs = AddVerbs(root);
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // as CLI11 wants them
  try {
    root.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    streams.out << root.help();  // of the verb, when one was given
    return ExitCode::kOk;
  } catch (const CLI::ParseError& error) {
    Print(ExplainParseError(error, root, arguments), globals.verbose, streams);
    return ExitCode::kUsage;
  }
  for (Verb& verb : verbs) {
    if (!verb.app->parsed()) continue;
    const Outcome failed = RunVerb(verb, globals, streams, environment);
    streams.out.flush();
    if (!failed) return ExitCode::kOk;
    Print(*failed, globals.verbose, streams);
    return failed->code;
  }
  return ExitCode::kUsage;
}

}  // namespace culvert::cli
