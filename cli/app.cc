// In this order: the parser is built; the arguments are parsed, and what it refuses is said in our words and with our
// exit codes; the global flags are read; the verb completes, validates and runs.
#include "cli/app.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <memory>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "cli/command.h"
#include "cli/help/complete.h"
#include "cli/help/man.h"
#include "cli/process/plugins.h"
#include "cli/text/escape.h"
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
       {AddAnnotate, AddApiResources, AddApply, AddAuth, AddCall, AddCheck, AddClose, AddCompletion, AddConfig,
        AddConnect, AddConvert, AddCreate, AddDelete, AddDescribe, AddDial, AddDiff, AddDrain, AddEdit, AddEvents, AddExplain,
        AddExport, AddGet, AddLabel, AddLogs, AddPlugin, AddReload, AddSet, AddStatus, AddTap, AddTop, AddVersion, AddWait,
        AddWhy}) {
    verbs.push_back(add(root));
  }
  return verbs;
}

void AddGlobals(CLI::App& root, Globals& globals) {
  root.add_option("--context", globals.context, "which daemon, by a name of culvertctl config (environment: CULVERTCTL_CONTEXT)");
  root.add_option("--address", globals.address,
                  "which daemon, unix:PATH or HOST:PORT (environment: CULVERTCTL_ADDRESS; default: where culvertd listens)");
  root.add_option("--ca-file", globals.tls.ca_file, "HOST:PORT: certificates of whom to trust, PEM (the system's roots)");
  root.add_option("--certificate-file", globals.tls.certificate_file, "HOST:PORT: the certificate to show, PEM");
  root.add_option("--key-file", globals.tls.key_file, "HOST:PORT: its private key, PEM, closed to all others (0600)");
  root.add_option("--tls-server-name", globals.tls.server_name, "HOST:PORT: the name in the daemon's certificate (the host)");
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
std::string FirstWord(const std::vector<std::string>& arguments, CLI::App& root) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (!absl::StartsWith(arguments[i], "-")) return arguments[i];
    const CLI::Option* option = root.get_option_no_throw(arguments[i]);
    if (option != nullptr && option->get_items_expected_max() > 0) ++i;
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
  if (const std::string word = FirstWord(arguments, root); verb == nullptr && !word.empty()) {
    std::vector<std::string> names;
    for (const CLI::App* one : root.get_subcommands({})) names.push_back(one->get_name());
    failure.faults.push_back(
        absl::StrFormat("unknown command \"%s\"%s", Visible(word.substr(0, 64)), manifest::DidYouMean(word, names)));
    return failure;
  }
  // "config" and the like want one of their own verbs behind them.
  if (verb != nullptr && verb->get_require_subcommand_min() > 0 && verb->get_subcommands().empty()) {
    std::vector<std::string> names;
    for (const CLI::App* one : verb->get_subcommands({})) names.push_back(one->get_name());
    const auto word = std::find_if(extras.begin(), extras.end(), [](const std::string& one) { return !absl::StartsWith(one, "-"); });
    failure.faults.push_back(
        word == extras.end()
            ? absl::StrFormat("%s wants one of %s", verb->get_name(), absl::StrJoin(names, ", "))
            : absl::StrFormat("unknown command \"%s %s\"%s", verb->get_name(), Visible(word->substr(0, 64)),
                              manifest::DidYouMean(*word, names)));
    return failure;
  }
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr && !extras.empty()) {
    const std::string& extra = extras.front();
    if (absl::StartsWith(extra, "-")) {
      std::vector<std::string> flags = FlagsOf(root);
      for (const CLI::App* one = verb; one != nullptr; one = one->get_subcommands().empty() ? nullptr : one->get_subcommands().front()) {
        for (std::string& flag : FlagsOf(*one)) flags.push_back(std::move(flag));
      }
      failure.faults.push_back(absl::StrFormat("unknown flag %s%s", Visible(extra.substr(0, 64)),
                                               manifest::DidYouMean(extra.substr(0, extra.find('=')), flags)));
    } else {
      failure.faults.push_back(absl::StrFormat("unexpected argument \"%s\"", Visible(extra.substr(0, 64))));
    }
    return failure;
  }
  if (verb == nullptr && (arguments.empty() || dynamic_cast<const CLI::RequiredError*>(&error) != nullptr)) {
    failure.faults.emplace_back("a command is wanted");
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
  Client client(globals, environment);
  globals.context_name = client.target().context;
  globals.is_protected = client.target().is_protected;
  globals.target_address = client.target().ToString();
  command.Complete(globals);
  if (Outcome failed = command.Validate(globals)) return failed;
  Context context{globals, streams, client, environment};
  return command.Run(context);
}

}  // namespace

CLI::App* AddVerb(CLI::App& parent, const std::string& name, const std::string& description,
                  const std::string& examples) {
  CLI::App* app = parent.add_subcommand(name, description);
  std::string indented;
  const std::vector<std::string> lines = absl::StrSplit(examples, '\n', absl::SkipEmpty());
  for (const std::string& line : lines) indented += "  " + line + "\n";
  if (!indented.empty()) indented.pop_back();
  app->footer(indented);
  app->fallthrough();
  return app;
}

namespace {

// The tree of verbs and flags with what they fill in.
struct Parser {
  Parser() : root("Steers culvertd: tunnels over mKCP and QUIC, declared, applied and watched.", "culvertctl") {
    root.formatter(std::make_shared<Formatter>());
    root.footer(
        "  culvertctl apply -f tunnels/         make what the files say so\n"
        "  culvertctl get listeners             what is there, and how it does\n"
        "  culvertctl top                       who sends how much right now\n"
        "  culvertctl explain dialer.spec.kcp   what the fields of a file mean");
    root.require_subcommand(1);
    AddGlobals(root, globals);
    verbs = AddVerbs(root);
  }

  CLI::App root;
  Globals globals;
  std::vector<Verb> verbs;
};

// "__complete -- WORD... LAST": for scripts of shells, not for people.
ExitCode RunComplete(Parser& parser, std::vector<std::string> arguments, Streams& streams, const Environment& environment) {
  arguments.erase(arguments.begin());
  if (!arguments.empty() && arguments[0] == "--") arguments.erase(arguments.begin());
  streams.out << ToLines(Complete(parser.root, parser.verbs, parser.globals, environment, arguments));
  return ExitCode::kOk;
}

// "__man FOLDER": the manual pages, for the build.
ExitCode RunMan(const CLI::App& root, const std::string& folder, Streams& streams) {
  for (const ManPage& page : ManPages(root, CULVERT_VERSION)) {
    const std::string path = folder + "/" + page.name;
    std::ofstream file(path);
    if (file << page.text && file.flush()) continue;
    Print({ExitCode::kUsage, {Visible(path) + ": cannot be written"}, "", ""}, false, streams);
    return ExitCode::kUsage;
  }
  return ExitCode::kOk;
}

// The program that a first word means which is no verb of ours; empty: none.
std::string PluginOf(CLI::App& root, const std::vector<std::string>& arguments, const Environment& environment) {
  if (arguments.empty() || absl::StartsWith(arguments[0], "-")) return "";
  for (const CLI::App* verb : root.get_subcommands({})) {
    if (verb->get_name() == arguments[0]) return "";
  }
  return PluginFor(arguments[0], environment);
}

}  // namespace

ExitCode RunCulvertctl(std::vector<std::string> arguments, Streams& streams, const Environment& environment) {
  Parser parser;
  CLI::App& root = parser.root;
  Globals& globals = parser.globals;
  if (!arguments.empty() && arguments[0] == "__complete") return RunComplete(parser, std::move(arguments), streams, environment);
  if (arguments.size() == 2 && arguments[0] == "__man") return RunMan(root, arguments[1], streams);
  if (const std::string plugin = PluginOf(root, arguments, environment); !plugin.empty()) {
    arguments[0] = plugin;
    const int error = environment.replace_program(plugin, arguments);
    Print({ExitCode::kServer, {absl::StrFormat("%s: %s", Visible(plugin), std::strerror(error))}, "", ""}, false, streams);
    return ExitCode::kServer;
  }
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
  for (Verb& verb : parser.verbs) {
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
