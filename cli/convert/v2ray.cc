// In this order: inbounds and outbounds are collected; those over kcp and quic become listeners and dialers; every inbound is followed
// to its outbound, and where both are plain a forward joins what was made; what is made is printed with its secrets put in.
#include "cli/convert/v2ray.h"

#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/convert/v2ray_routes.h"
#include "cli/convert/v2ray_stream.h"
#include "core/base/status_macros.h"
#include "culvert/v1/config.pb.h"
#include "proto/manifest/emitter.h"
#include "proto/manifest/manifest.h"

namespace culvert::cli {
namespace {

struct Made {
  v1::Object object;
  std::string comment;
  StreamSecrets secrets;
};

// "my Inbound" as a name of culvert: a DNS label, not taken yet.
std::string NameFrom(const std::string& tag, const std::string& otherwise, std::set<std::string>& taken) {
  constexpr size_t kMax = 58;  // room for a number behind it
  std::string name;
  for (const char c : tag) {
    const auto letter = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(letter)) {
      name += static_cast<char>(absl::ascii_tolower(letter));
    } else if (!name.empty() && name.back() != '-') {
      name += '-';
    }
  }
  if (!name.empty() && absl::ascii_isdigit(static_cast<unsigned char>(name[0]))) name = "n" + name;
  name = name.substr(0, kMax);
  while (!name.empty() && name.back() == '-') name.pop_back();
  if (name.empty()) name = otherwise;
  std::string unique = name;
  for (int i = 2; !taken.insert(unique).second; ++i) unique = absl::StrCat(name, "-", i);
  return unique;
}

bool IsRaw(const std::string& protocol) { return protocol == "dokodemo-door" || protocol == "freedom"; }
// What both ends speak inside the stream, so that neither needs to be understood between them.
bool IsProxy(const std::string& protocol) { return protocol == "socks" || protocol == "http"; }

class Converter {
 public:
  Converter(JsonView root, const ConvertOptions& options, Notes& notes)
      : transport_(root["transport"]), options_(options), notes_(notes), routes_(root, notes) {}

  void Run() {
    for (const V2rayBound& inbound : routes_.inbounds()) Inbound(inbound);
    for (const V2rayBound& outbound : routes_.outbounds()) {
      if (NetworkOf(outbound.stream()) != StreamNetwork::kOther && !seen_.contains(&outbound)) Outbound(outbound, {});
    }
  }
  std::vector<Made>& made() { return made_; }

 private:
  StreamSource SourceOf(const V2rayBound& bound) const {
    return {bound.stream(), transport_, bound.path + ".streamSettings", options_.is_peer};
  }
  static std::string Described(const V2rayBound& bound) {
    return absl::StrCat(bound.path, bound.tag.empty() ? "" : " \"" + Visible(bound.tag.substr(0, 60)) + "\"", ", ",
                        Visible(bound.protocol.substr(0, 40)));
  }

  void Inbound(const V2rayBound& inbound) {
    const bool is_ours = NetworkOf(inbound.stream()) != StreamNetwork::kOther;
    if (options_.is_peer) {
      if (is_ours) InboundAsDialer(inbound);
      if (!is_ours) (void)FollowPlain(inbound);
      return;
    }
    if (is_ours) {
      InboundAsListener(inbound);
    } else {
      FollowPlain(inbound);
    }
  }

  // --- an inbound over kcp or quic ---

  void InboundAsListener(const V2rayBound& inbound) {
    Extras(inbound);
    Made made{{}, Described(inbound), {}};
    v1::Listener& listener = *made.object.mutable_listener();
    const auto bind = BindOf(inbound, notes_);
    if (!bind) return;
    if (!ConvertStream(SourceOf(inbound), *listener.mutable_spec(), made.secrets, notes_)) return;
    listener.mutable_spec()->set_bind(bind->ToString());
    const std::string name = NameFrom(inbound.tag, "listener", listeners_);
    listener.mutable_metadata()->set_name(name);
    made_.push_back(std::move(made));
    if (const auto destination = FixedDestination(inbound)) {
      const V2rayBound* outbound = routes_.OutboundOf(inbound);
      if (outbound == nullptr) return;
      if (NetworkOf(outbound->stream()) != StreamNetwork::kOther) {
        const std::string dialer = Outbound(*outbound, *destination);
        if (!dialer.empty()) Forward(name, dialer, "", inbound);
        return;
      }
      if (outbound->protocol == "freedom") return Forward(name, "", Redirected(*outbound, *destination).ToString(), inbound);
      notes_.Add(outbound->json, outbound->path,
                 absl::StrFormat("protocol %s: no forward for %s: culvert carries raw streams", outbound->protocol, inbound.path));
      return;
    }
    if (inbound.protocol == "dokodemo-door") {
      notes_.Add(inbound.settings() ? inbound.settings() : inbound.json, inbound.path + ".settings",
                 "no fixed address and port: write the forward of this listener yourself");
      return;
    }
    notes_.Add(
        inbound.json["protocol"], inbound.path + ".protocol",
        absl::StrFormat("%s is not carried over: culvert carries raw streams and does not look into them. A forward of this listener "
                        "can lead to a %s server behind it",
                        inbound.protocol, inbound.protocol));
  }

  void InboundAsDialer(const V2rayBound& inbound) {
    const auto bind = BindOf(inbound, notes_);
    if (!bind) return;
    HostPort target{bind->ip.ToString(), bind->port};
    if (bind->ip.is_unspecified()) {
      target.host = options_.host;
      if (target.host.empty()) {
        notes_.Add(inbound.json["listen"] ? inbound.json["listen"] : inbound.json, inbound.path + ".listen",
                   "it listens on all addresses: say with --host which one leads there; not converted");
        return;
      }
    }
    MakeDialer(inbound, {target});
    if (!IsRaw(inbound.protocol)) {
      notes_.Add(inbound.json["protocol"], inbound.path + ".protocol",
                 absl::StrFormat("it expects %s inside the stream: what goes through the dialer must speak it", inbound.protocol));
    }
  }

  // --- an inbound over something else, whose outbound may be over kcp or quic ---

  void FollowPlain(const V2rayBound& inbound) {
    const V2rayBound* outbound = nullptr;
    for (const V2rayBound& one : routes_.outbounds()) {
      if (NetworkOf(one.stream()) != StreamNetwork::kOther) outbound = &one;
    }
    if (outbound == nullptr) return;  // nothing of ours is anywhere: no word about rules either
    outbound = routes_.OutboundOf(inbound);
    if (outbound == nullptr || NetworkOf(outbound->stream()) == StreamNetwork::kOther) return;
    const std::string dialer = Outbound(*outbound, FixedDestination(inbound));
    if (dialer.empty() || options_.is_peer) return;
    const bool is_raw = inbound.protocol == "dokodemo-door" && outbound->protocol == "freedom";
    const bool is_passed = IsProxy(inbound.protocol) && inbound.protocol == outbound->protocol;
    if (!is_raw && !is_passed) {
      notes_.Add(inbound.json["protocol"] ? inbound.json["protocol"] : inbound.json, inbound.path,
                 absl::StrFormat("no forward from %s to %s (%s): v2ray translates one into the other, culvert carries raw streams",
                                 inbound.protocol, outbound->protocol, outbound->path));
      return;
    }
    if (is_passed) {
      notes_.Add(inbound.json["protocol"], inbound.path + ".protocol",
                 absl::StrFormat("%s is passed through as it comes: users and passwords are those of the far side", inbound.protocol));
    }
    if (inbound.stream()["network"] && inbound.stream()["network"].text() != "tcp") {
      notes_.Add(inbound.stream(), inbound.path + ".streamSettings.network", "only tcp, kcp and quic are carried over; no listener");
      return;
    }
    PlainListener(inbound, dialer);
  }

  void PlainListener(const V2rayBound& inbound, const std::string& dialer) {
    const auto bind = BindOf(inbound, notes_);
    if (!bind) return;
    Extras(inbound);
    bool has_tcp = inbound.protocol != "dokodemo-door" || !inbound.settings()["network"];
    for (const std::string& network : inbound.settings()["network"].texts()) {
      has_tcp = has_tcp || network == "tcp";
      if (network == "udp") {
        notes_.Add(inbound.settings()["network"], inbound.path + ".settings.network",
                   "udp is not carried over: raw streams of v2ray carry no datagrams (two culvertds with stream_header CULVERT do)");
      }
    }
    if (!has_tcp) return;
    Made made{{}, Described(inbound), {}};
    v1::Listener& listener = *made.object.mutable_listener();
    listener.mutable_metadata()->set_name(NameFrom(inbound.tag, "local", listeners_));
    listener.mutable_spec()->set_transport(v1::TRANSPORT_TCP);
    listener.mutable_spec()->set_bind(bind->ToString());
    const std::string name = listener.metadata().name();
    made_.push_back(std::move(made));
    Forward(name, dialer, "", inbound);
  }

  // --- an outbound over kcp or quic ---

  // Makes the dialer of an outbound, or with --peer the listener of its far end, once for every destination; answers the name of the
  // dialer, empty when there is none. `destination`: what an inbound fixes.
  std::string Outbound(const V2rayBound& outbound, const std::optional<HostPort>& destination) {
    seen_.insert(&outbound);
    std::vector<HostPort> targets = ServersOf(outbound);
    if (outbound.protocol == "freedom") {
      if (destination) targets = {Redirected(outbound, *destination)};
      if (!destination && outbound.settings()["redirect"]) targets = {Redirected(outbound, {"", 0})};
      if (!targets.empty() && (targets[0].host.empty() || targets[0].port == 0)) targets.clear();
    }
    if (targets.empty()) {
      notes_.Add(outbound.json, outbound.path, "no address and port that it dials: not converted");
      return "";
    }
    std::string key = absl::StrCat(outbound.path, " ", targets.front().ToString());
    if (const auto found = dialers_of_.find(key); found != dialers_of_.end()) return found->second;
    if (!IsRaw(outbound.protocol)) {
      notes_.Add(outbound.json["protocol"], outbound.path + ".protocol",
                 absl::StrFormat("%s is not carried over: culvert carries raw streams; the far side still expects %s inside them",
                                 outbound.protocol, outbound.protocol));
    }
    if (outbound.json["mux"]["enabled"].is_true()) {
      notes_.Add(outbound.json["mux"], outbound.path + ".mux",
                 "not carried over: QUIC has streams of its own, and mKCP has one per session");
    }
    if (outbound.json["proxySettings"]) {
      notes_.Add(outbound.json["proxySettings"], outbound.path + ".proxySettings", "not carried over: a dialer reaches its targets itself");
    }
    std::string name;
    if (options_.is_peer) {
      OutboundAsListener(outbound, targets.front());
    } else {
      name = MakeDialer(outbound, targets);
    }
    dialers_of_.emplace(std::move(key), name);
    return name;
  }

  void OutboundAsListener(const V2rayBound& outbound, const HostPort& target) {
    Made made{{}, "the far end of " + Described(outbound), {}};
    v1::Listener& listener = *made.object.mutable_listener();
    if (!ConvertStream(SourceOf(outbound), *listener.mutable_spec(), made.secrets, notes_)) return;
    const auto ip = IpAddress::Parse(target.host);
    listener.mutable_spec()->set_bind(SocketAddress{ip.ok() ? *ip : IpAddress::AnyV6(), target.port}.ToString());
    listener.mutable_metadata()->set_name(NameFrom(outbound.tag, "listener", listeners_));
    made_.push_back(std::move(made));
    notes_.Add(outbound.json, outbound.path, "write the forward of its listener yourself: where streams go is not in this file");
  }

  std::string MakeDialer(const V2rayBound& bound, const std::vector<HostPort>& targets) {
    Made made{{}, (options_.is_peer ? "reaches " : "") + Described(bound), {}};
    v1::Dialer& dialer = *made.object.mutable_dialer();
    if (!ConvertStream(SourceOf(bound), *dialer.mutable_spec(), made.secrets, notes_)) return "";
    for (const HostPort& target : targets) dialer.mutable_spec()->add_targets(target.ToString());
    const std::string through = bound.json["sendThrough"].text();
    if (const auto ip = IpAddress::Parse(through); !options_.is_peer && ip.ok() && !ip->is_unspecified()) {
      dialer.mutable_spec()->mutable_socket()->set_bind_address(through);
    }
    dialer.mutable_metadata()->set_name(NameFrom(bound.tag, "dialer", dialers_));
    std::string name = dialer.metadata().name();
    made_.push_back(std::move(made));
    return name;
  }

  void Forward(const std::string& listener, const std::string& dialer, const std::string& destination, const V2rayBound& inbound) {
    Made made{{}, inbound.path + " and where it leads", {}};
    v1::Forward& forward = *made.object.mutable_forward();
    forward.mutable_metadata()->set_name(NameFrom(listener, "forward", forwards_));
    forward.mutable_spec()->set_listener(listener);
    forward.mutable_spec()->set_dialer(dialer);
    forward.mutable_spec()->set_destination(destination);
    made_.push_back(std::move(made));
  }

  void Extras(const V2rayBound& inbound) {
    if (inbound.json["sniffing"]["enabled"].is_true()) {
      notes_.Add(inbound.json["sniffing"], inbound.path + ".sniffing", "not carried over: culvert does not look into streams");
    }
    if (inbound.json["allocate"]) {
      notes_.Add(inbound.json["allocate"], inbound.path + ".allocate", "not carried over: a listener stays at its port");
    }
  }

  const JsonView transport_;
  const ConvertOptions& options_;
  Notes& notes_;
  V2rayRoutes routes_;
  std::vector<Made> made_;
  std::set<std::string> listeners_, dialers_, forwards_;  // names that are taken
  std::set<const V2rayBound*> seen_;
  std::map<std::string, std::string> dialers_of_;  // outbound and target to the dialer's name
};

// Puts a line behind the first one that is `block`. Secrets are never in messages, so the emitter does not have them.
void PutBehind(std::string& yaml, const std::string& block, const std::string& line) {
  const size_t at = yaml.find(block);
  if (at != std::string::npos) yaml.insert(at + block.size(), line);
}

// The secret of an object, inline or as a file that the caller writes.
std::string SecretLine(const std::string& field, const std::string& value, const Made& made, const ConvertOptions& options,
                       Conversion& out) {
  if (options.seed_dir.empty()) return absl::StrFormat("%s: %s\n", field, manifest::EmitText(value));
  const std::string kind = absl::AsciiStrToLower(std::string(manifest::KindOf(made.object)));
  const std::string path = absl::StrFormat("%s/%s-%s.%s", options.seed_dir, kind, manifest::MetadataOf(made.object).name(), field);
  out.secrets.push_back({path, value + "\n"});
  return absl::StrFormat("%s_file: %s\n", field, manifest::EmitText(path));
}

std::string Print(const Made& made, const ConvertOptions& options, Conversion& out) {
  std::string yaml = manifest::ToYaml(made.object);
  if (made.secrets.seed) {
    // An empty seed is no file: one that holds nothing is a mistake everywhere else.
    const bool is_empty = made.secrets.seed->empty();
    const ConvertOptions inline_options;
    PutBehind(yaml, "\n  kcp:\n", "    " + SecretLine("seed", *made.secrets.seed, made, is_empty ? inline_options : options, out));
  }
  if (made.secrets.key) PutBehind(yaml, "\n    outer:\n", "      " + SecretLine("key", *made.secrets.key, made, options, out));
  return absl::StrFormat("# %s\n%s", made.comment, yaml);
}

}  // namespace

absl::StatusOr<Conversion> ConvertV2ray(std::string_view text, const std::string& file, const ConvertOptions& options) {
  CULVERT_ASSIGN_OR_RETURN(const JsonDocument document, JsonDocument::Read(text, file));
  Notes notes(file);
  Converter converter(document.root(), options, notes);
  converter.Run();
  Conversion out;
  std::vector<std::string> documents;
  bool has_inline_secret = false;
  for (const Made& made : converter.made()) {
    documents.push_back(Print(made, options, out));
    has_inline_secret = has_inline_secret || (options.seed_dir.empty() && (made.secrets.seed || made.secrets.key));
  }
  out.yaml = absl::StrJoin(documents, "---\n");
  out.objects = documents.size();
  out.notes = notes.all();
  if (has_inline_secret) {
    out.notes.push_back({true, "seeds and keys stand in the YAML as they are: keep it to yourself, or take --seed-dir DIR"});
  }
  return out;
}

}  // namespace culvert::cli
