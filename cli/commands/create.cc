// culvertctl create: one object from flags. Common fields have flags of their own, every field can be set by its path.
#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/changes/declared.h"
#include "cli/changes/mutation.h"
#include "cli/command.h"
#include "cli/objects/assignment.h"
#include "cli/objects/object_changes.h"
#include "cli/text/escape.h"
#include "cli/text/json.h"
#include "proto/manifest/faults.h"
#include "proto/manifest/manifest.h"
#include "proto/manifest/rules.h"

namespace culvert::cli {
namespace {

constexpr unsigned kForListener = 1, kForDialer = 2, kForForward = 4;

unsigned BitOf(Kind kind) { return kind == Kind::kListener ? kForListener : kind == Kind::kDialer ? kForDialer : kForForward; }

// A flag and the field it stands for.
struct Alias {
  const char* flag;
  unsigned kinds;
  const char* path;  // "header" is that of the transport's datagrams
  const char* help;
};
constexpr Alias kAliases[] = {
    {"--transport", kForListener | kForDialer, "transport", "TCP, UDP, KCP or QUIC"},
    {"--bind", kForListener, "bind", "ADDRESS:PORT to accept at"},
    {"--protocol", kForListener, "protocol", "RAW, SOCKS5 or HTTP_CONNECT: what clients speak first"},
    {"--users-file", kForListener, "users_file", "who may use it, a line NAME:PASSWORD each"},
    {"--target,--targets", kForDialer, "targets", "HOST:PORT to dial; several with commas or by repeating it"},
    {"--dial-timeout", kForDialer, "dial_timeout", "how long opening a stream may take"},
    {"--min-sessions", kForDialer, "min_sessions", "sessions kept open (QUIC)"},
    {"--max-sessions", kForListener | kForDialer, "max_sessions", "sessions at a time"},
    {"--stream-header", kForListener | kForDialer, "stream_header", "CULVERT between two culvertds, NONE towards v2ray"},
    {"--tls-cert", kForListener | kForDialer, "tls.certificate_file", "our certificates in PEM"},
    {"--tls-key", kForListener | kForDialer, "tls.private_key_file", "the key of the first of them"},
    {"--tls-trust", kForListener | kForDialer, "tls.trust_file", "certificates that vouch for the other side"},
    {"--tls-server-name", kForDialer, "tls.server_name", "the name to ask for and to verify"},
    {"--tls-pin", kForListener | kForDialer, "tls.pinned_spki", "sha256/...: the other side's key"},
    {"--seed-file", kForListener | kForDialer, "kcp.seed_file", "mKCP: a file with the seed in it"},
    {"--key-file", kForListener | kForDialer, "quic.outer.key_file", "QUIC: a file with the key of v2ray's wrapper"},
    {"--security", kForListener | kForDialer, "quic.outer.security", "QUIC: AES_128_GCM or CHACHA20_POLY1305, v2ray's wrapper"},
    {"--header", kForListener | kForDialer, "header", "disguise of datagrams: SRTP, UTP, WECHAT_VIDEO, DTLS, WIREGUARD"},
    {"--listener", kForForward, "listener", "where streams come in"},
    {"--dialer", kForForward, "dialer", "where they go on; without one from here"},
    {"--destination", kForForward, "destination", "HOST:PORT for those that name none"},
    {"--allow", kForForward, "allowed_destinations", "HOST:PORTS that may be named; several with commas or by repeating it"},
    {"--reverse", kForForward, "reverse", "the name under which it is offered from the other side"},
};
// The same without a value.
constexpr Alias kSwitches[] = {
    {"--tls", kForListener | kForDialer, "tls", "TLS inside, with its defaults"},
    {"--insecure", kForListener | kForDialer, "insecure", "allow what protects nobody, e.g. mKCP without a seed"},
    {"--proxy-protocol", kForForward, "proxy_protocol", "backends get a PROXY v2 header"},
    {"--paused", kForListener | kForDialer | kForForward, "paused", "take nothing yet"},
};

std::string FirstFlag(const Alias& alias) {
  const std::string flag(alias.flag);
  return flag.substr(0, flag.find(','));
}

class Create : public Command {
 public:
  std::vector<std::string> words;
  std::map<const Alias*, std::vector<std::string>> given;
  std::map<const Alias*, bool> switched;
  std::vector<std::string> settings, labels, annotations;
  std::string ttl;

  [[nodiscard]] Takes takes() const override {
    return {.formats = {Format::kTable, Format::kName, Format::kYaml, Format::kJson}, .dry_run = {DryRun::kServer, DryRun::kLocal}};
  }

  Outcome Validate(const Globals&) override {
    constexpr const char* kExample = "culvertctl create listener NAME --transport TCP --bind 127.0.0.1:5432";
    const auto references = ParseReferences(words);
    if (!references.ok()) return Usage(std::string(references.status().message()), kExample);
    const Reference& reference = references->front();
    if (!IsDeclared(reference.kind)) return Usage("only listeners, dialers and forwards are created", kExample);
    if (references->size() != 1 || reference.name.empty()) return Usage("one name is wanted: create KIND NAME", kExample);
    kind_ = reference.kind;
    object_ = EmptyObject(kind_);
    MutableMetadataOf(object_).set_name(reference.name);
    (void)MutableSpec();
    if (Outcome failed = TakeSwitches()) return failed;
    if (Outcome failed = TakeAliases()) return failed;
    for (const std::string& setting : settings) {
      const auto assignment = ParseAssignment(setting);
      if (!assignment.ok()) return Usage("--set: " + std::string(assignment.status().message()), Help());
      if (const absl::Status status = Assign(*assignment, CurrentFolder(), object_); !status.ok()) {
        return Usage("--set " + std::string(status.message()), Help());
      }
    }
    v1::Metadata& metadata = MutableMetadataOf(object_);
    if (Outcome failed = TakeTexts("--label", labels, *metadata.mutable_labels())) return failed;
    if (Outcome failed = TakeTexts("--annotation", annotations, *metadata.mutable_annotations())) return failed;
    if (ttl.empty()) return std::nullopt;
    const absl::Status status = Assign({"ttl", ttl}, "", object_);
    return status.ok() ? std::nullopt : Usage("--ttl: " + WithoutPath(status), "--ttl 10m");
  }

  Outcome Run(Context& context) override {
    const std::string name = Visible(manifest::DisplayName(object_));
    if (context.globals.dry_run == DryRun::kLocal) return CheckHere(context, name);
    if (Outcome failed = BeginMutation(context, {.question = "create " + name})) return failed;
    const bool is_dry = context.globals.dry_run == DryRun::kServer;
    Changed changed;
    if (Outcome failed = CreateObject(context.client, object_, is_dry, changed)) {
      if (failed->code == ExitCode::kConflict && failed->next.empty() && !failed->faults.empty() &&
          failed->faults.front().find("RESOURCE_EXISTS") != std::string::npos) {
        failed->next = "culvertctl set " + name + " path=value    or    culvertctl edit " + name;
      }
      return failed;
    }
    PrintWarnings(context, name, changed.warnings);
    Show(context, name, changed.object, is_dry ? " created (dry run)\n" : " created\n", true);
    return std::nullopt;
  }

 private:
  std::string Help() const { return absl::StrFormat("culvertctl explain %s.spec", Singular(kind_)); }

  // A spec is there even when nothing in it is set.
  google::protobuf::Message& MutableSpec() {
    google::protobuf::Message& body = MutableBodyOf(object_);
    return *body.GetReflection()->MutableMessage(&body, body.GetDescriptor()->FindFieldByName("spec"));
  }

  static std::string WithoutPath(const absl::Status& status) {
    const std::string message(status.message());
    const size_t colon = message.find(": ");
    return colon == std::string::npos ? message : message.substr(colon + 2);
  }

  Outcome Misplaced(const Alias& alias) const {
    std::vector<std::string> kinds;
    for (const Kind kind : {Kind::kListener, Kind::kDialer, Kind::kForward}) {
      if ((alias.kinds & BitOf(kind)) != 0) kinds.push_back(std::string(Plural(kind)));
    }
    return Usage(absl::StrFormat("%s is not for a %s, only for %s", FirstFlag(alias), Singular(kind_), absl::StrJoin(kinds, " and ")),
                 Help());
  }

  Outcome TakeSwitches() {
    for (const Alias& alias : kSwitches) {
      const auto found = switched.find(&alias);
      if (found == switched.end() || !found->second) continue;
      if ((alias.kinds & BitOf(kind_)) == 0) return Misplaced(alias);
      const std::string value = std::string(alias.path) == "tls" ? "{}" : "true";
      if (const absl::Status status = Assign({alias.path, value}, "", object_); !status.ok()) return Usage(std::string(status.message()));
    }
    return std::nullopt;
  }

  Outcome TakeAliases() {
    for (const Alias& alias : kAliases) {
      const auto found = given.find(&alias);
      if (found == given.end() || found->second.empty()) continue;
      if ((alias.kinds & BitOf(kind_)) == 0) return Misplaced(alias);
      std::string path = alias.path;
      if (path == "header") {
        path = transport() == v1::TRANSPORT_KCP ? "kcp.header" : transport() == v1::TRANSPORT_QUIC ? "quic.outer.header" : "";
        if (path.empty()) return Usage("--header is for the datagrams of transport KCP or QUIC", "--transport KCP --header SRTP");
      }
      const auto field = FindAssigned(object_, path);
      if (found->second.size() > 1 && field.ok() && !field->field().is_repeated()) return Usage(FirstFlag(alias) + " stands twice", Help());
      const absl::Status status = Assign({path, absl::StrJoin(found->second, ",")}, CurrentFolder(), object_);
      if (!status.ok()) return Usage(FirstFlag(alias) + ": " + WithoutPath(status), Help());
    }
    return std::nullopt;
  }

  v1::Transport transport() const {
    if (object_.has_listener()) return object_.listener().spec().transport();
    return object_.has_dialer() ? object_.dialer().spec().transport() : v1::TRANSPORT_UNSPECIFIED;
  }

  Outcome TakeTexts(const char* flag, const std::vector<std::string>& texts, google::protobuf::Map<std::string, std::string>& out) const {
    for (const std::string& text : texts) {
      const size_t equals = text.find('=');
      if (equals == std::string::npos || equals == 0) {
        return Usage(absl::StrFormat("%s: \"%s\" is not key=value", flag, Visible(text.substr(0, 64))), std::string(flag) + " tier=edge");
      }
      out[text.substr(0, equals)] = text.substr(equals + 1);
    }
    return std::nullopt;
  }

  Outcome CheckHere(Context& context, const std::string& name) const {
    Failure failure{ExitCode::kUsage, {}, Help(), ""};
    for (const manifest::Violation& violation : manifest::CheckRules(BodyOf(object_))) {
      failure.faults.push_back(violation.path + ": " + violation.message);
    }
    if (!failure.faults.empty()) return failure;
    Show(context, name, object_, " valid (dry run)\n", false);
    return std::nullopt;
  }

  static void Show(Context& context, const std::string& name, const v1::Object& object, const char* verbed, bool with_status) {
    std::ostream& out = context.streams.out;
    if (context.globals.format == Format::kYaml) {
      out << manifest::ToYaml(object, with_status);
    } else if (context.globals.format == Format::kJson) {
      out << ObjectToJson(object);
    } else {
      out << name << (context.globals.format == Format::kName ? "\n" : verbed);
    }
  }

  Kind kind_ = Kind::kListener;
  v1::Object object_;
};

}  // namespace

Verb AddCreate(CLI::App& root) {
  auto command = std::make_unique<Create>();
  CLI::App* app =
      AddVerb(root, "create", "Creates one listener, dialer or forward.",
              "culvertctl create listener quic-in --transport QUIC --bind [::]:4433 --tls-cert tls.crt --tls-key tls.key\n"
              "culvertctl create listener local-pg --transport TCP --bind 127.0.0.1:5432 --label tier=edge\n"
              "culvertctl create dialer edge --transport KCP --target edge.example:4000 --seed-file seed --set kcp.mtu_bytes=1350\n"
              "culvertctl create forward pg --listener local-pg --dialer edge --destination db.internal:5432\n"
              "culvertctl create dialer edge --transport KCP --target a:1 --seed-file seed -o yaml --dry-run=local > edge.yaml");
  app->add_option("what", command->words, "KIND NAME or KIND/NAME");
  for (const Alias& alias : kAliases) {
    app->add_option(alias.flag, command->given[&alias], alias.help)->allow_extra_args(false);
  }
  for (const Alias& alias : kSwitches) app->add_flag(alias.flag, command->switched[&alias], alias.help);
  app->add_option("--set", command->settings, "path=value: any field of the spec; may be repeated")->allow_extra_args(false);
  app->add_option("--label", command->labels, "key=value; may be repeated")->allow_extra_args(false);
  app->add_option("--annotation", command->annotations, "key=value; may be repeated")->allow_extra_args(false);
  app->add_option("--ttl", command->ttl, "the daemon deletes it after this long unless it is renewed, e.g. 10m");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
