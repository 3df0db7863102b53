#include "cli/help/man.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace culvert::cli {
namespace {

constexpr char kExitCodes[] =
    ".SH EXIT STATUS\n"
    ".TS\nl l.\n"
    "0\tit went well\n1\tasked and answered: no\n2\tthe command line, a file or a value is wrong\n3\tnot found\n4\tnot allowed\n"
    "5\tthe daemon cannot be reached\n6\ta conflict, or a precondition does not hold\n7\tout of time\n8\tanother error of the daemon\n"
    "130\tinterrupted\n"
    ".TE\n";
constexpr char kEnvironment[] =
    ".SH ENVIRONMENT\n"
    ".TP\n.B CULVERTCTL_CONTEXT\nthe context to use, as \\-\\-context\n"
    ".TP\n.B CULVERTCTL_ADDRESS\nthe daemon to use, as \\-\\-address\n"
    ".TP\n.B NO_COLOR\nno colours, unless \\-\\-color=always\n"
    ".SH FILES\n"
    ".TP\n.I $XDG_CONFIG_HOME/culvertctl/config.yaml\nthe contexts; ~/.config where the variable is not set. Mode 0600 in a folder of mode "
    "0700.\n";

// Text as troff prints it unchanged.
std::string Escape(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if (c == '\'') {
      out += "\\(aq";
    } else if (c == '"') {
      out += "\\(dq";
    } else if (c == '^') {
      out += "\\(ha";
    } else if (c == '~') {
      out += "\\(ti";
    } else if (c == '`') {
      out += "\\(ga";
    } else {
      out += c;
    }
  }
  return absl::StartsWith(out, ".") ? "\\&" + out : out;
}

std::vector<const CLI::App*> SubVerbs(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

std::string FullName(const CLI::App& app) {
  return app.get_parent() == nullptr ? app.get_name() : FullName(*app.get_parent()) + " " + app.get_name();
}

// "-o, --output VALUE"
std::string NamesOf(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("\\fB\\-" + Escape(name) + "\\fR");
  for (const std::string& name : option.get_lnames()) names.push_back("\\fB\\-\\-" + Escape(name) + "\\fR");
  return absl::StrJoin(names, ", ") + (option.get_items_expected_max() > 0 ? " \\fIVALUE\\fR" : "");
}

void Options(const CLI::App& app, std::string& out) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->nonpositional()) absl::StrAppend(&out, ".TP\n", NamesOf(*option), "\n", Escape(option->get_description()), "\n");
  }
}

void Positionals(const CLI::App& app, std::string& out) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->nonpositional()) continue;
    absl::StrAppend(&out, ".TP\n.I ", absl::AsciiStrToUpper(Escape(option->get_name(true))), "\n", Escape(option->get_description()), "\n");
  }
}

void Examples(const CLI::App& app, std::string& out) {
  if (app.get_footer().empty()) return;
  out += ".EX\n";
  const std::vector<std::string> lines = absl::StrSplit(app.get_footer(), '\n');
  for (const std::string& line : lines) absl::StrAppend(&out, Escape(line), "\n");
  out += ".EE\n";
}

std::string Synopsis(const CLI::App& app) {
  std::string line = ".B " + Escape(FullName(app)) + "\n";
  if (!SubVerbs(app).empty()) line += "\\fICOMMAND\\fR ";
  for (const CLI::Option* option : app.get_options()) {
    if (!option->nonpositional()) line += "[\\fI" + absl::AsciiStrToUpper(Escape(option->get_name(true))) + "\\fR] ";
  }
  return line + "[\\fIFLAGS\\fR]\n";
}

std::string Head(const std::string& name, const std::string& description, const std::string& version) {
  std::string brief = description.substr(0, description.find(". "));
  while (!brief.empty() && brief.back() == '.') brief.pop_back();
  return absl::StrCat("'\\\" t\n.TH ", absl::AsciiStrToUpper(Escape(name)), " 1 \"\" \"culvert ", Escape(version), "\" \"Culvert\"\n",
                      ".SH NAME\n", Escape(name), " \\- ", Escape(brief), "\n");
}

ManPage PageOf(const CLI::App& verb, const std::string& version) {
  const std::string name = "culvertctl-" + verb.get_name();
  std::string text = Head(name, verb.get_description(), version);
  absl::StrAppend(&text, ".SH SYNOPSIS\n", Synopsis(verb), ".SH DESCRIPTION\n", Escape(verb.get_description()), "\n");
  Positionals(verb, text);
  text += ".SH EXAMPLES\n";
  Examples(verb, text);
  text += ".SH OPTIONS\n";
  Options(verb, text);
  text += ".PP\nand those that every verb takes:\n.BR culvertctl (1).\n";
  if (!SubVerbs(verb).empty()) text += ".SH COMMANDS\n";
  for (const CLI::App* sub : SubVerbs(verb)) {
    absl::StrAppend(&text, ".SS ", Escape(sub->get_name()), "\n", Synopsis(*sub), ".PP\n", Escape(sub->get_description()), "\n");
    Positionals(*sub, text);
    Options(*sub, text);
    Examples(*sub, text);
  }
  text += ".SH SEE ALSO\n.BR culvertctl (1)\n";
  return {name + ".1", std::move(text)};
}

}  // namespace

std::vector<ManPage> ManPages(const CLI::App& root, const std::string& version) {
  std::vector<ManPage> pages;
  std::string text = Head("culvertctl", root.get_description(), version);
  absl::StrAppend(&text, ".SH SYNOPSIS\n.B culvertctl\n\\fIVERB\\fR [\\fIKIND\\fR[/\\fINAME\\fR] | \\fIKIND NAME\\fR...] [\\fIFLAGS\\fR]\n",
                  ".SH DESCRIPTION\n", Escape(root.get_description()), "\n.SH EXAMPLES\n");
  Examples(root, text);
  text += ".SH VERBS\n";
  std::vector<std::string> see_also;
  for (const CLI::App* verb : SubVerbs(root)) {
    absl::StrAppend(&text, ".TP\n.BR culvertctl\\-", Escape(verb->get_name()), " (1)\n", Escape(verb->get_description()), "\n");
    pages.push_back(PageOf(*verb, version));
  }
  text += ".SH OPTIONS\n";
  Options(root, text);
  absl::StrAppend(&text, kExitCodes, kEnvironment);
  pages.insert(pages.begin(), {"culvertctl.1", std::move(text)});
  return pages;
}

}  // namespace culvert::cli
