// culvertctl config: which daemons there are (contexts.h). Asks none of them.
#include <filesystem>
#include <utility>

#include "absl/strings/str_format.h"
#include "cli/command.h"
#include "cli/target/contexts.h"
#include "cli/text/escape.h"
#include "cli/text/json.h"
#include "cli/text/printer.h"
#include "proto/manifest/emitter.h"

namespace culvert::cli {
namespace {

class Config : public Command {
 public:
  CLI::App* view = nullptr;
  CLI::App* get_contexts = nullptr;
  CLI::App* current_context = nullptr;
  CLI::App* use_context = nullptr;
  CLI::App* set_context = nullptr;
  CLI::App* delete_context = nullptr;
  CLI::App* rename_context = nullptr;
  std::string name;
  std::string new_name;
  std::string protected_text;

  [[nodiscard]] Takes takes() const override {
    if (view->parsed()) return {.formats = {Format::kTable, Format::kJson, Format::kYaml}};
    if (get_contexts->parsed()) return {.formats = {Format::kTable, Format::kWide, Format::kJson, Format::kYaml, Format::kName}};
    return {};
  }

  Outcome Validate(const Globals& globals) override {
    const bool wants_name = !view->parsed() && !get_contexts->parsed() && !current_context->parsed();
    const std::string help = "culvertctl config --help";
    if (wants_name && name.empty()) return Usage("the name of a context is wanted", "culvertctl config get-contexts");
    if (rename_context->parsed() && new_name.empty()) return Usage("a new name is wanted", "culvertctl config rename-context OLD NEW");
    if (!protected_text.empty() && protected_text != "true" && protected_text != "false") {
      return Usage(absl::StrFormat("--protected=%s: true or false", Visible(protected_text.substr(0, 64))), help);
    }
    const bool has_settings = !globals.address.empty() || !globals.tls.ca_file.empty() || !globals.tls.certificate_file.empty() ||
                              !globals.tls.key_file.empty() || !globals.tls.server_name.empty();
    if (has_settings && !set_context->parsed()) return Usage("--address and flags of TLS belong to config set-context", help);
    return std::nullopt;
  }

  Outcome Run(Context& context) override {
    Contexts contexts;
    if (Outcome failed = contexts.Load(context.environment)) return failed;
    if (view->parsed()) return View(context, contexts);
    if (get_contexts->parsed()) return List(context, contexts);
    if (current_context->parsed()) return Current(context, contexts);
    if (set_context->parsed()) return Set(context, contexts);
    file::NamedContext* found = contexts.Find(name);
    if (found == nullptr) {
      Failure missing = contexts.Missing("config", name);
      missing.code = ExitCode::kNotFound;
      return missing;
    }
    if (rename_context->parsed()) return Rename(context, contexts, *found);
    return use_context->parsed() ? Use(context, contexts) : Delete(context, contexts);
  }

 private:
  static Outcome View(Context& context, const Contexts& contexts) {
    if (context.globals.format == Format::kJson) {
      context.streams.out << ToJson(contexts.file());
      return std::nullopt;
    }
    if (!contexts.path().empty()) context.streams.out << "# " << Visible(contexts.path()) << "\n";
    const std::string text = manifest::EmitFields(contexts.file(), 0, {});
    context.streams.out << (text.empty() ? "contexts: []\n" : text);
    return std::nullopt;
  }

  // The one that a command would use now: a flag or a variable may say another one than the file.
  static std::string InForce(const Context& context, const Contexts& contexts) {
    return context.globals.target_address.empty() ? contexts.file().current_context() : context.globals.context_name;
  }

  static Outcome List(Context& context, const Contexts& contexts) {
    const Format format = context.globals.format;
    if (format == Format::kJson || format == Format::kYaml) return View(context, contexts);
    const std::string current = InForce(context, contexts);
    Table table({"CURRENT", "NAME", "ADDRESS", "TLS", "PROTECTED"});
    for (const file::NamedContext& one : contexts.file().contexts()) {
      if (format == Format::kName) {
        context.streams.out << "context/" << one.name() << "\n";
        continue;
      }
      const char* tls = one.address().starts_with("unix:") ? "-" : one.tls().certificate_file().empty() ? "tls" : "mtls";
      table.Add({one.name() == current ? "*" : " ", one.name(), Visible(one.address()), tls, one.protected_() ? "yes" : "no"});
    }
    if (!table.empty()) table.Print(context.streams.out, {!context.globals.no_headers, context.streams.color});
    if (contexts.file().contexts_size() == 0 && !context.globals.quiet) {
      context.streams.err << "no contexts in " << Visible(contexts.path()) << "\n";
    }
    return std::nullopt;
  }

  static Outcome Current(Context& context, const Contexts& contexts) {
    const std::string current = InForce(context, contexts);
    if (current.empty()) return Fail(ExitCode::kNotFound, "no context is in use", "culvertctl config use-context NAME");
    context.streams.out << current << "\n";
    return std::nullopt;
  }

  Outcome Use(Context& context, Contexts& contexts) {
    contexts.file().set_current_context(name);
    if (Outcome failed = contexts.Save()) return failed;
    context.streams.out << "context/" << name << " in use\n";
    if (const auto other = context.environment.get("CULVERTCTL_CONTEXT"); other && !other->empty() && *other != name) {
      context.streams.err << "warning: CULVERTCTL_CONTEXT says " << Visible(*other) << ", which goes before this\n";
    }
    return std::nullopt;
  }

  // What is given replaces what was; the rest stays. Files become absolute: the folder we are in now is another one tomorrow.
  Outcome Set(Context& context, Contexts& contexts) {
    file::NamedContext* one = contexts.Find(name);
    const bool is_new = one == nullptr;
    if (is_new) {
      one = contexts.file().add_contexts();
      one->set_name(name);
    }
    const std::string before = one->SerializeAsString();
    const Globals& globals = context.globals;
    if (!globals.address.empty()) {
      one->set_address(globals.address);
      if (globals.address.starts_with("unix:")) one->clear_tls();
    }
    const auto set_file = [&](const std::string& given, auto set) {
      if (!given.empty()) (one->mutable_tls()->*set)(std::filesystem::absolute(given).lexically_normal().string());
    };
    set_file(globals.tls.ca_file, static_cast<void (file::ContextTls::*)(std::string&&)>(&file::ContextTls::set_ca_file));
    set_file(globals.tls.certificate_file, static_cast<void (file::ContextTls::*)(std::string&&)>(&file::ContextTls::set_certificate_file));
    set_file(globals.tls.key_file, static_cast<void (file::ContextTls::*)(std::string&&)>(&file::ContextTls::set_key_file));
    if (!globals.tls.server_name.empty()) one->mutable_tls()->set_server_name(globals.tls.server_name);
    if (!protected_text.empty()) one->set_protected_(protected_text == "true");
    if (const std::string fault = FaultOf(*one); !fault.empty()) {
      return Usage(absl::StrFormat("context %s: %s", Visible(name.substr(0, 64)), fault), "culvertctl config set-context --help");
    }
    const bool is_same = !is_new && before == one->SerializeAsString();
    if (!is_same) {
      if (Outcome failed = contexts.Save()) return failed;
    }
    context.streams.out << "context/" << name << (is_new ? " created\n" : is_same ? " unchanged\n" : " configured\n");
    return std::nullopt;
  }

  Outcome Delete(Context& context, Contexts& contexts) {
    auto* all = contexts.file().mutable_contexts();
    for (int i = 0; i < all->size(); ++i) {
      if (all->Get(i).name() == name) {
        all->DeleteSubrange(i, 1);
        break;
      }
    }
    const bool was_current = contexts.file().current_context() == name;
    if (was_current) contexts.file().clear_current_context();
    if (Outcome failed = contexts.Save()) return failed;
    context.streams.out << "context/" << name << " deleted\n";
    if (was_current) context.streams.err << "warning: it was the one in use; now there is none\n";
    return std::nullopt;
  }

  Outcome Rename(Context& context, Contexts& contexts, file::NamedContext& one) {
    if (contexts.Find(new_name) != nullptr) {
      return Fail(ExitCode::kConflict, absl::StrFormat("context %s exists already", Visible(new_name)),
                  "culvertctl config delete-context " + Visible(new_name));
    }
    one.set_name(new_name);
    if (const std::string fault = FaultOf(one); !fault.empty()) return Usage(fault);
    if (contexts.file().current_context() == name) contexts.file().set_current_context(new_name);
    if (Outcome failed = contexts.Save()) return failed;
    context.streams.out << "context/" << name << " renamed to " << new_name << "\n";
    return std::nullopt;
  }
};

}  // namespace

Verb AddConfig(CLI::App& root) {
  auto command = std::make_unique<Config>();
  CLI::App* app = AddVerb(root, "config", "Which daemons there are, by name: contexts. Asks none of them.",
                          "culvertctl config set-context prod --address edge-0.example:7443 --ca-file ca.crt \\\n"
                          "    --certificate-file me.crt --key-file me.key --protected\n"
                          "culvertctl config get-contexts\n"
                          "culvertctl config use-context prod\n"
                          "culvertctl --context prod status      for one command\n"
                          "export CULVERTCTL_CONTEXT=prod        for one shell");
  app->require_subcommand(1);
  command->current_context = AddVerb(*app, "current-context", "Prints the context in use.", "culvertctl config current-context");
  command->delete_context = AddVerb(*app, "delete-context", "Forgets a context.", "culvertctl config delete-context old");
  command->get_contexts = AddVerb(*app, "get-contexts", "Lists the contexts.", "culvertctl config get-contexts");
  command->rename_context = AddVerb(*app, "rename-context", "Gives a context another name.", "culvertctl config rename-context prod edge");
  command->set_context = AddVerb(*app, "set-context", "Makes a context, or changes what is given of one.",
                                 "culvertctl config set-context local --address unix:/run/culvertd/control.sock\n"
                                 "culvertctl config set-context prod --protected=false");
  command->use_context = AddVerb(*app, "use-context", "Makes a context the one in use.", "culvertctl config use-context prod");
  command->view = AddVerb(*app, "view", "Prints the file of contexts. No secret is in it, only names of files.", "culvertctl config view");
  for (CLI::App* named : {command->delete_context, command->rename_context, command->set_context, command->use_context}) {
    named->add_option("name", command->name, "name of a context");
  }
  command->rename_context->add_option("new-name", command->new_name, "its new name");
  command->set_context->add_flag("--protected{true}", command->protected_text,
                                 "whoever changes something there is asked first (--protected=false: not any more)");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
