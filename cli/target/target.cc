#include "cli/target/target.h"

#include "absl/strings/str_format.h"
#include "cli/target/address.h"
#include "cli/target/contexts.h"

namespace culvert::cli {
namespace {

std::string Variable(const Environment& environment, const char* name) { return environment.get(name).value_or(""); }

// Which context is meant, and by whom; an empty name: none.
struct Choice {
  std::string name;
  std::string origin;
};

Choice Choose(const Globals& globals, const Environment& environment) {
  if (!globals.context.empty()) return {globals.context, "--context"};
  if (!globals.address.empty()) return {};
  if (std::string name = Variable(environment, "CULVERTCTL_CONTEXT"); !name.empty()) return {name, "CULVERTCTL_CONTEXT"};
  if (!Variable(environment, "CULVERTCTL_ADDRESS").empty()) return {};
  return {"", "current_context"};
}

void TakeContext(const Contexts& contexts, const file::NamedContext& context, Target& target) {
  target.context = context.name();
  target.is_protected = context.protected_();
  target.tls.ca_file = contexts.Absolute(context.tls().ca_file());
  target.tls.certificate_file = contexts.Absolute(context.tls().certificate_file());
  target.tls.key_file = contexts.Absolute(context.tls().key_file());
  target.tls.server_name = context.tls().server_name();
}

// The flags, each over what the context says. The first flag that was given, for messages.
std::string TakeFlags(const TlsFlags& flags, TlsFlags& tls) {
  std::string first;
  const auto take = [&first](const char* flag, const std::string& given, std::string& out) {
    if (given.empty()) return;
    out = given;
    if (first.empty()) first = flag;
  };
  take("--ca-file", flags.ca_file, tls.ca_file);
  take("--certificate-file", flags.certificate_file, tls.certificate_file);
  take("--key-file", flags.key_file, tls.key_file);
  take("--tls-server-name", flags.server_name, tls.server_name);
  return first;
}

}  // namespace

std::string Target::ToString() const { return socket_paths.empty() ? host_port : "unix:" + socket_paths.front(); }

Outcome ResolveTarget(const Globals& globals, const Environment& environment, Target& target) {
  target = {};
  std::string address, origin;
  if (Choice choice = Choose(globals, environment); !choice.origin.empty()) {
    Contexts contexts;
    if (Outcome failed = contexts.Load(environment)) return failed;
    if (choice.name.empty()) choice.name = contexts.file().current_context();
    if (!choice.name.empty()) {
      const file::NamedContext* context = contexts.Find(choice.name);
      if (context == nullptr) return contexts.Missing(choice.origin, choice.name);
      TakeContext(contexts, *context, target);
      address = context->address();
      origin = "context " + context->name();
    }
  }
  if (!globals.address.empty()) {
    address = globals.address;
    origin = "--address";
  } else if (const std::string variable = Variable(environment, "CULVERTCTL_ADDRESS");
             !variable.empty() && globals.context.empty()) {
    address = variable;
    origin = "CULVERTCTL_ADDRESS";
  }
  const std::string tls_flag = TakeFlags(globals.tls, target.tls);
  if (address.empty()) {
    target.socket_paths = DefaultSocketPaths(environment);
  } else {
    const auto parsed = ParseAddress(address, origin);
    if (!parsed.ok()) return Usage(std::string(parsed.status().message()), "--address unix:PATH or --address HOST:PORT");
    if (!parsed->socket_path.empty()) target.socket_paths = {parsed->socket_path};
    target.host_port = parsed->host_port;
  }
  if (target.host_port.empty()) {
    if (!tls_flag.empty()) {
      return Usage(absl::StrFormat("%s: only for --address HOST:PORT; %s is no TLS", tls_flag, target.ToString()));
    }
    target.tls = {};
    return std::nullopt;
  }
  if (target.tls.certificate_file.empty() != target.tls.key_file.empty()) {
    const bool has_key = !target.tls.key_file.empty();
    return Usage(absl::StrFormat("%s: must be given: %s is", has_key ? "--certificate-file" : "--key-file",
                                 has_key ? "--key-file" : "--certificate-file"));
  }
  return std::nullopt;
}

}  // namespace culvert::cli
