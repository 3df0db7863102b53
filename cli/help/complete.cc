// In this order: the words in front of the last are walked to find the verb, what its flags say about the daemon, and its positional
// words; then the last word is a flag, the value of a flag, a verb, or a positional word of the verb.
#include "cli/help/complete.h"
#include "cli/objects/kind_types.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "cli/help/complete_values.h"
#include "cli/objects/api_methods.h"
#include "cli/target/contexts.h"
#include "cli/text/escape.h"
#include "culvert/v1/types.pb.h"
#include "proto/manifest/schema.h"

namespace culvert::cli {
namespace {

constexpr Duration kNamesLimit = std::chrono::seconds(1);

// What stands in front of the word that is being typed.
struct Line {
  CLI::App* app = nullptr;               // the innermost verb
  std::vector<CLI::App*> path;           // root, verb, sub-verb
  std::vector<std::string> words;        // positional ones of the innermost
  const CLI::Option* waiting = nullptr;  // a flag whose value comes now
  bool only_words = false;               // behind "--"
};

const CLI::Option* FindOption(const Line& line, const std::string& name) {
  for (auto app = line.path.rbegin(); app != line.path.rend(); ++app) {
    for (const CLI::Option* option : (*app)->get_options()) {
      if (option->check_name(name)) return option;
    }
  }
  return nullptr;
}

bool Is(const CLI::Option& option, const char* name) { return option.check_lname(name); }

// Flags that say which daemon the line means.
void Note(const CLI::Option& option, const std::string& value, Globals& globals) {
  if (Is(option, "context")) globals.context = value;
  if (Is(option, "address")) globals.address = value;
  if (Is(option, "ca-file")) globals.tls.ca_file = value;
  if (Is(option, "certificate-file")) globals.tls.certificate_file = value;
  if (Is(option, "key-file")) globals.tls.key_file = value;
  if (Is(option, "tls-server-name")) globals.tls.server_name = value;
}

CLI::App* SubVerb(CLI::App& app, const std::string& name) {
  for (CLI::App* sub : app.get_subcommands({})) {
    if (sub->get_name() == name) return sub;
  }
  return nullptr;
}

Line Walk(CLI::App& root, const std::vector<std::string>& words, Globals& globals) {
  Line line{&root, {&root}, {}, nullptr, false};
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    const std::string& word = words[i];
    if (line.waiting != nullptr) {
      Note(*std::exchange(line.waiting, nullptr), word, globals);
    } else if (line.only_words || !absl::StartsWith(word, "-") || word == "-") {
      CLI::App* sub = line.words.empty() ? SubVerb(*line.app, word) : nullptr;
      if (sub != nullptr) {
        line.app = sub;
        line.path.push_back(sub);
      } else {
        line.words.push_back(word);
      }
    } else if (word == "--") {
      line.only_words = true;
    } else {
      const size_t equals = word.find('=');
      const CLI::Option* option = FindOption(line, word.substr(0, equals));
      if (option == nullptr || option->get_items_expected_max() == 0) continue;
      if (equals == std::string::npos) {
        line.waiting = option;
      } else {
        Note(*option, word.substr(equals + 1), globals);
      }
    }
  }
  return line;
}

// A shell puts the word into the line as it is. Names are made of these; a server could send others.
bool IsHarmless(const std::string& name) {
  return std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.' || c == '/'; });
}

class Completer {
 public:
  Completer(const std::vector<Verb>& verbs, Globals& globals, const Environment& environment)
      : verbs_(verbs), globals_(globals), environment_(environment) {}

  Completion Run(CLI::App& root, const std::vector<std::string>& words) {
    line_ = Walk(root, words, globals_);
    last_ = words.empty() ? "" : words.back();
    if (line_.waiting != nullptr) {
      Values(*line_.waiting, "", last_);
    } else if (!line_.only_words && absl::StartsWith(last_, "-")) {
      Flags();
    } else if (!line_.app->get_subcommands({}).empty()) {
      for (const CLI::App* sub : line_.app->get_subcommands({})) Add(sub->get_name(), sub->get_description());
    } else {
      Words();
    }
    return std::move(found_);
  }

 private:
  void Add(const std::string& word, const std::string& description = "") {
    if (absl::StartsWith(word, last_)) found_.candidates.push_back({word, description});
  }
  void AddAll(const std::vector<std::string>& words, const std::string& prefix = "") {
    for (const std::string& word : words) Add(prefix + word);
  }
  void AddAll(const std::vector<Candidate>& all, const std::string& prefix = "") {
    for (const Candidate& one : all) Add(prefix + one.word, one.description);
  }

  std::string VerbName() const { return line_.path.size() > 1 ? line_.path[1]->get_name() : ""; }
  Takes VerbTakes() const {
    for (const Verb& verb : verbs_) {
      if (line_.path.size() > 1 && verb.app == line_.path[1]) return verb.command->takes();
    }
    return {};
  }

  // --- flags and their values ---

  void Flags() {
    if (const size_t equals = last_.find('='); equals != std::string::npos && absl::StartsWith(last_, "--")) {
      const CLI::Option* option = FindOption(line_, last_.substr(0, equals));
      if (option != nullptr) Values(*option, last_.substr(0, equals + 1), last_.substr(equals + 1));
      return;
    }
    const Takes takes = VerbTakes();
    const bool has_verb = line_.path.size() > 1;
    for (const CLI::App* app : line_.path) {
      for (const CLI::Option* option : app->get_options()) {
        if (has_verb && Is(*option, "filter") && !takes.filter) continue;
        if (has_verb && Is(*option, "selector") && !takes.selector) continue;
        if (has_verb && Is(*option, "dry-run") && takes.dry_run.empty()) continue;
        for (const std::string& name : option->get_lnames()) Add("--" + name, option->get_description());
        if (last_ != "-" || !option->get_lnames().empty()) continue;
        for (const std::string& name : option->get_snames()) Add("-" + name, option->get_description());
      }
    }
  }

  void Values(const CLI::Option& option, const std::string& prefix, const std::string& typed) {
    static const std::map<std::string, const google::protobuf::EnumDescriptor*> kEnums = {{"transport", v1::Transport_descriptor()},
                                                                                          {"header", v1::PacketHeader_descriptor()},
                                                                                          {"protocol", v1::ListenerProtocol_descriptor()},
                                                                                          {"stream-header", v1::StreamHeader_descriptor()}};
    static const std::vector<std::string> kFiles = {"ca-file",   "certificate-file", "key-file", "seed-dir",  "filename", "file",
                                                    "seed-file", "tls-cert",         "tls-key",  "tls-trust", "out",      "data",
                                                    "key-file"};
    if (option.check_sname("f")) {
      found_.files = true;
    } else if (Is(option, "output")) {
      Formats(prefix);
    } else if (Is(option, "color")) {
      AddAll({"auto", "always", "never"}, prefix);
    } else if (Is(option, "dry-run")) {
      for (const DryRun one : VerbTakes().dry_run) Add(prefix + (one == DryRun::kLocal ? "local" : "server"));
    } else if (Is(option, "context")) {
      ContextNames(prefix);
    } else if (Is(option, "address")) {
      if (absl::StartsWith(typed, "unix:")) {
        found_.files = true;
      } else {
        Add(prefix + "unix:");
      }
    } else if (Is(option, "set")) {
      Settings(prefix, typed);
    } else if (Is(option, "listener") || Is(option, "reverse-listener")) {
      AddAll(Names(Kind::kListener), prefix);
    } else if (Is(option, "dialer")) {
      AddAll(Names(Kind::kDialer), prefix);
    } else if (Is(option, "for")) {
      For(prefix, typed);
    } else if (Is(option, "kind") || Is(option, "kinds")) {
      AddAll(Kinds(), prefix);
    }
    for (const std::string& name : option.get_lnames()) {
      if (const auto found = kEnums.find(name); found != kEnums.end()) AddAll(manifest::ShortNames(found->second), prefix);
      if (std::find(kFiles.begin(), kFiles.end(), name) != kFiles.end()) found_.files = true;
    }
  }

  void Formats(const std::string& prefix) {
    static constexpr std::pair<Format, const char*> kWords[] = {
        {Format::kWide, "wide"},          {Format::kJson, "json"},
        {Format::kJsonLines, "jsonl"},    {Format::kYaml, "yaml"},
        {Format::kName, "name"},          {Format::kJsonPath, "jsonpath="},
        {Format::kJmesPath, "jmespath="}, {Format::kCustomColumns, "custom-columns="}};
    const Takes takes = VerbTakes();
    for (const auto& [format, word] : kWords) {
      const bool is_taken = std::find(takes.formats.begin(), takes.formats.end(), format) != takes.formats.end();
      if (is_taken || line_.path.size() == 1) Add(prefix + word);
    }
  }

  void ContextNames(const std::string& prefix = "") {
    Contexts contexts;
    if (contexts.Load(environment_)) return;
    for (const file::NamedContext& one : contexts.file().contexts()) Add(prefix + one.name(), one.address());
  }

  // wait --for, events --for
  void For(const std::string& prefix, const std::string& typed) {
    if (VerbName() == "wait") {
      static const std::vector<std::string> kConditions = {"Ready",         "Bound", "Secure", "PeerReachable", "CertificateValid",
                                                           "BuffersGranted"};
      AddAll(kConditions, prefix + "condition=");
      AddAll({"delete", "drained", "jsonpath="}, prefix);
      return;
    }
    Objects(prefix, typed, Kinds());
  }

  // --- positional words ---

  void Words() {
    const std::string verb = VerbName();
    static const std::vector<std::string> kOfObjects = {"get", "describe", "delete", "label", "annotate", "edit", "wait", "explain-limit"};
    const size_t at = line_.words.size();
    if (std::find(kOfObjects.begin(), kOfObjects.end(), verb) != kOfObjects.end()) return ObjectWords(Kinds());
    if (verb == "close") return ObjectWords({"sessions", "streams", "udpflows"});
    if (verb == "set") return at == 0 ? ObjectWords({"listeners", "dialers", "forwards"}) : Settings("", last_);
    if (verb == "create" && at == 0) return AddAll({"listener", "dialer", "forward"});
    if (verb == "top" && at == 0) return AddAll({"sessions", "streams", "udpflows", "forwards"});
    if (verb == "explain" && at == 0) return Explain();
    if ((verb == "dial" || verb == "connect") && at == 0) return AddAll(Names(Kind::kDialer));
    if (verb == "completion" && at == 0) return AddAll({"bash", "zsh", "fish"});
    if (verb == "call" && at == 0) return AddAll(Methods());
    if (verb == "config" && at == 0) return ContextNames();
    if (verb == "auth" && line_.app->get_name() == "can-i") {
      if (at == 0) {
        AddAll(ApiVerbs());
        AddAll(Methods());
      }
      if (at == 1) AddAll(Kinds());
      return;
    }
    if (verb == "convert") found_.files = true;
  }

  static std::vector<std::string> Kinds() {
    return {"listeners", "dialers", "forwards", "sessions", "streams", "udpflows", "events", "all"};
  }

  // "listeners", "listeners a b", "listeners/a".
  void ObjectWords(const std::vector<std::string>& kinds) {
    if (line_.words.empty() || absl::StrContains(line_.words[0], "/")) return Objects("", last_, kinds);
    const auto kind = ParseKind(line_.words[0]);
    if (!kind.ok()) return;
    for (const std::string& name : Names(*kind)) {
      if (std::find(line_.words.begin() + 1, line_.words.end(), name) == line_.words.end()) Add(name);
    }
  }

  void Objects(const std::string& prefix, const std::string& typed, const std::vector<std::string>& kinds) {
    const size_t slash = typed.find('/');
    if (slash == std::string::npos) return AddAll(kinds, prefix);
    const auto kind = ParseKind(typed.substr(0, slash));
    if (kind.ok()) AddAll(Names(*kind), prefix + typed.substr(0, slash + 1));
  }

  // Of "set listener/a ..." and "create listener a --set ...".
  void Settings(const std::string& prefix, const std::string& typed) {
    if (line_.words.empty()) return;
    const auto kind = ParseKind(line_.words[0].substr(0, line_.words[0].find('/')));
    if (kind.ok() && SpecOf(*kind) != nullptr) AddAll(FieldPaths(SpecOf(*kind), typed, /*assigns=*/true), prefix);
  }

  void Explain() {
    const size_t dot = last_.find('.');
    if (dot == std::string::npos) {
      for (const char* kind : {"listener", "dialer", "forward", "session", "stream", "udpflow", "event"}) Add(std::string(kind) + ".");
      return;
    }
    const auto kind = ParseKind(last_.substr(0, dot));
    if (kind.ok()) AddAll(FieldPaths(&DescriptorOf(*kind), last_.substr(dot + 1), /*assigns=*/false), last_.substr(0, dot + 1));
  }

  std::vector<std::string> Names(Kind kind) {
    globals_.request_timeout = kNamesLimit;
    Client client(globals_, environment_);
    client.set_patience(Duration::zero());
    std::vector<std::string> names = LiveNames(client, kind);
    std::erase_if(names, [](const std::string& name) { return !IsHarmless(name); });
    return names;
  }

  const std::vector<Verb>& verbs_;
  Globals& globals_;
  const Environment& environment_;
  Line line_;
  std::string last_;
  Completion found_;
};

}  // namespace

Completion Complete(CLI::App& root, const std::vector<Verb>& verbs, Globals& globals, const Environment& environment,
                    const std::vector<std::string>& words) {
  return Completer(verbs, globals, environment).Run(root, words);
}

std::string ToLines(const Completion& completion) {
  std::string out;
  bool is_open = !completion.candidates.empty();
  for (const Candidate& one : completion.candidates) {
    // A name that has to be made visible is not what would have to be typed.
    if (Visible(one.word) != one.word) continue;
    absl::StrAppend(&out, one.word, one.description.empty() ? "" : "\t", Visible(one.description), "\n");
    is_open = is_open && absl::StrContains("=.:/", one.word.substr(one.word.size() - 1));
  }
  return out + (completion.files ? ":files" : is_open ? ":nospace" : ":") + "\n";
}

}  // namespace culvert::cli
