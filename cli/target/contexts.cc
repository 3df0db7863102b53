#include "cli/target/contexts.h"

#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "cli/process/private_file.h"
#include "cli/target/address.h"
#include "cli/text/escape.h"
#include "proto/manifest/emitter.h"
#include "proto/manifest/message.h"
#include "proto/manifest/suggest.h"

namespace culvert::cli {
namespace {

constexpr size_t kMaxName = 63;

std::string PathOf(const Environment& environment) {
  // A relative one is to be ignored (XDG Base Directory Specification).
  if (const auto config = environment.get("XDG_CONFIG_HOME"); config && config->starts_with('/')) {
    return *config + "/culvertctl/config.yaml";
  }
  const auto home = environment.get("HOME");
  return home && home->starts_with('/') ? *home + "/.config/culvertctl/config.yaml" : "";
}

bool IsName(const std::string& name) {
  if (name.empty() || name.size() > kMaxName || !absl::ascii_isalnum(static_cast<unsigned char>(name[0]))) return false;
  for (const unsigned char c : name) {
    if (!absl::ascii_isalnum(c) && c != '-' && c != '_' && c != '.') return false;
  }
  return true;
}

}  // namespace

std::string FaultOf(const file::NamedContext& context) {
  if (!IsName(context.name())) {
    return absl::StrFormat("name: \"%s\" is not 1 to %d letters, digits, '-', '_' and '.', the first a letter or digit",
                           Visible(context.name().substr(0, kMaxName)), kMaxName);
  }
  if (context.address().empty()) return "address: must be set: unix:PATH or HOST:PORT";
  const auto address = ParseAddress(context.address(), "address");
  if (!address.ok()) return std::string(address.status().message());
  const file::ContextTls& tls = context.tls();
  if (context.has_tls() && !address->socket_path.empty()) return "tls: only for HOST:PORT; a Unix socket has none";
  if (!tls.certificate_file().empty() && tls.key_file().empty()) return "tls.key_file: must be set: certificate_file is";
  if (!tls.key_file().empty() && tls.certificate_file().empty()) return "tls.certificate_file: must be set: key_file is";
  return "";
}

Outcome Contexts::Load(const Environment& environment) {
  file_.Clear();
  path_ = PathOf(environment);
  if (path_.empty()) return std::nullopt;
  std::optional<std::string> text;
  if (Outcome failed = ReadPrivateFile(path_, environment.user_id, text)) return failed;
  if (!text) return std::nullopt;
  std::map<std::string, int> lines;
  Failure failure{ExitCode::kUsage, {}, "", ""};
  if (const absl::Status status = manifest::ParseMessage(*text, path_, file_, lines); !status.ok()) {
    const std::vector<std::string> faults = absl::StrSplit(status.message(), '\n');
    for (const std::string& fault : faults) failure.faults.push_back(Visible(fault));
    return failure;
  }
  std::set<std::string> names;
  for (int i = 0; i < file_.contexts_size(); ++i) {
    const std::string at = absl::StrFormat("contexts[%d]", i);
    std::string fault = FaultOf(file_.contexts(i));
    if (fault.empty() && !names.insert(file_.contexts(i).name()).second) {
      fault = absl::StrFormat("name: \"%s\" stands twice", file_.contexts(i).name());
    }
    if (fault.empty()) continue;
    const std::string path = absl::StrCat(at, ".", fault.substr(0, fault.find(':')));
    failure.faults.push_back(absl::StrFormat("%s: %s.%s", Visible(manifest::WhereIn(path_, lines, path)), at, fault));
  }
  if (!failure.faults.empty()) return failure;
  return std::nullopt;
}

Outcome Contexts::Save() const {
  if (path_.empty()) {
    return Usage("there is no place for contexts: neither XDG_CONFIG_HOME nor HOME is set", "export HOME=/home/you");
  }
  return WritePrivateFile(path_, manifest::EmitFields(file_, 0, {}));
}

file::NamedContext* Contexts::Find(const std::string& name) {
  for (file::NamedContext& context : *file_.mutable_contexts()) {
    if (context.name() == name) return &context;
  }
  return nullptr;
}

std::vector<std::string> Contexts::Names() const {
  std::vector<std::string> names;
  for (const file::NamedContext& context : file_.contexts()) names.push_back(context.name());
  return names;
}

Failure Contexts::Missing(const std::string& origin, const std::string& name) const {
  const std::string where = path_.empty() ? "" : " in " + Visible(path_);
  return {ExitCode::kUsage,
          {absl::StrFormat("%s: no context \"%s\"%s%s", origin, Visible(name.substr(0, kMaxName)), where,
                           manifest::DidYouMean(name, Names()))},
          file_.contexts_size() == 0 ? "culvertctl config set-context NAME --address unix:PATH" : "culvertctl config get-contexts",
          ""};
}

std::string Contexts::Absolute(const std::string& path) const {
  if (path.empty() || path.starts_with('/')) return path;
  return (std::filesystem::path(path_).parent_path() / path).lexically_normal().string();
}

}  // namespace culvert::cli
