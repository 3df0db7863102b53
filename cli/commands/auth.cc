// culvertctl auth: who the daemon takes us for, and what we may ask of it.
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/command.h"
#include "cli/objects/api_methods.h"
#include "cli/text/escape.h"
#include "cli/text/json.h"
#include "cli/text/printer.h"
#include "culvert/v1/access.grpc.pb.h"
#include "proto/manifest/schema.h"

namespace culvert::cli {
namespace {

std::string Word(const google::protobuf::EnumDescriptor* type, int number) {
  const auto* value = type->FindValueByNumber(number);
  if (value == nullptr || number == 0) return "unknown";
  return absl::AsciiStrToLower(manifest::ShortName(value));
}
std::string RoleWord(v1::Role role) { return Word(v1::Role_descriptor(), role); }

class Auth : public Command {
 public:
  CLI::App* whoami = nullptr;
  CLI::App* can_i = nullptr;
  std::vector<std::string> words;
  bool list = false;

  [[nodiscard]] Takes takes() const override { return {.formats = {Format::kTable, Format::kJson}}; }

  Outcome Validate(const Globals&) override {
    if (whoami->parsed()) return std::nullopt;
    const std::string help = "culvertctl auth can-i delete listeners, or auth can-i ListenerService/DeleteListener";
    if (list) return words.empty() ? std::nullopt : Usage("--list: takes no verb; it shows all methods", help);
    if (words.empty()) return Usage("a verb and a kind, or a method, is wanted", help);
    if (words.size() > 2) return Usage(absl::StrFormat("unexpected argument \"%s\"", Visible(words[2].substr(0, 64))), help);
    if (words.size() == 1) {
      const std::vector<std::string>& verbs = ApiVerbs();
      if (std::find(verbs.begin(), verbs.end(), words[0]) != verbs.end()) {
        return Usage(absl::StrFormat("%s: a kind is wanted behind it", words[0]), help);
      }
      auto method = FindMethod(words[0]);
      if (!method.ok()) return Usage(std::string(method.status().message()), "culvertctl call --list");
      methods_.push_back(*method);
      return std::nullopt;
    }
    const auto kind = ParseKind(words[1].substr(0, words[1].find('/')));
    if (!kind.ok()) return Usage(std::string(kind.status().message()), help);
    auto methods = MethodsOf(words[0], *kind);
    if (!methods.ok()) return Usage(std::string(methods.status().message()), help);
    methods_ = *std::move(methods);
    return std::nullopt;
  }

  Outcome Run(Context& context) override {
    if (whoami->parsed()) return WhoAmI(context);
    if (list) methods_ = ApiMethods();
    v1::TestPermissionsRequest request;
    for (const ApiMethod& method : methods_) request.add_methods(method.full_name());
    v1::TestPermissionsResponse response;
    if (Outcome failed = context.client.Call<v1::AccessService>(&v1::AccessService::Stub::TestPermissions, request, &response)) {
      return failed;
    }
    std::vector<bool> allowed;
    for (const std::string& method : request.methods()) {
      allowed.push_back(std::find(response.allowed().begin(), response.allowed().end(), method) != response.allowed().end());
    }
    if (list) return List(context, allowed, response);
    const bool is_allowed = std::all_of(allowed.begin(), allowed.end(), [](bool one) { return one; });
    if (context.globals.format == Format::kJson) {
      std::vector<std::string> names;
      for (const std::string& name : request.methods()) names.push_back("\"" + name + "\"");
      context.streams.out << absl::StrFormat("{\"allowed\": %s, \"methods\": [%s]}\n", is_allowed ? "true" : "false",
                                             absl::StrJoin(names, ", "));
    } else {
      context.streams.out << (is_allowed ? "yes\n" : "no\n");
    }
    // The answer is the output; a fault line would say it twice.
    return is_allowed ? std::nullopt : Outcome(Failure{ExitCode::kFalse, {}, "", ""});
  }

 private:
  static Outcome WhoAmI(Context& context) {
    v1::WhoAmIResponse response;
    if (Outcome failed = context.client.Call<v1::AccessService>(&v1::AccessService::Stub::WhoAmI, v1::WhoAmIRequest(), &response)) {
      return failed;
    }
    if (context.globals.format == Format::kJson) {
      context.streams.out << ToJson(response);
      return std::nullopt;
    }
    context.streams.out << absl::StrFormat("PRINCIPAL  %s  ROLE %s  CHANNEL %s\n", Visible(absl::StrJoin(response.principals(), ",")),
                                           RoleWord(response.role()), Word(v1::ControlChannel_descriptor(), response.channel()));
    return std::nullopt;
  }

  Outcome List(Context& context, const std::vector<bool>& allowed, const v1::TestPermissionsResponse& response) const {
    if (context.globals.format == Format::kJson) {
      context.streams.out << ToJson(response);
      return std::nullopt;
    }
    Table table({"METHOD", "NEEDS", "ALLOWED"});
    for (size_t i = 0; i < methods_.size(); ++i) {
      table.Add({methods_[i].name, RoleWord(methods_[i].rules().role()), allowed[i] ? "yes" : "no"});
    }
    table.Print(context.streams.out, {!context.globals.no_headers, context.streams.color});
    return std::nullopt;
  }

  std::vector<ApiMethod> methods_;
};

}  // namespace

Verb AddAuth(CLI::App& root) {
  auto command = std::make_unique<Auth>();
  CLI::App* app = AddVerb(root, "auth", "Who the daemon takes you for, and what you may ask of it.",
                          "culvertctl auth whoami\n"
                          "culvertctl auth can-i delete listeners     yes, or no and exit code 1\n"
                          "culvertctl auth can-i --list");
  app->require_subcommand(1);
  command->whoami = AddVerb(*app, "whoami", "Who the daemon takes you for.", "culvertctl auth whoami");
  command->can_i = AddVerb(*app, "can-i", "Whether you may: yes, or no and exit code 1.",
                           "culvertctl auth can-i delete listeners\n"
                           "culvertctl auth can-i SessionService/CloseSession\n"
                           "culvertctl auth can-i --list");
  command->can_i->add_option("what", command->words,
                             "VERB KIND (get, list, create, update, delete, watch, close, dial, tap, ...) or a method");
  command->can_i->add_flag("--list", command->list, "all methods, the role each needs, and whether you may");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
