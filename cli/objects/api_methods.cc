#include "cli/objects/api_methods.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/text/escape.h"
#include "core/base/check.h"
#include "culvert/v1/access.pb.h"
#include "culvert/v1/config.pb.h"
#include "culvert/v1/daemon.pb.h"
#include "culvert/v1/dialer.pb.h"
#include "culvert/v1/forward.pb.h"
#include "culvert/v1/listener.pb.h"
#include "culvert/v1/observe.pb.h"
#include "culvert/v1/session.pb.h"
#include "proto/manifest/suggest.h"

namespace culvert::cli {
namespace {

constexpr size_t kMaxShown = 80;

// A verb, a kind, and what it calls. Kinds that are not named have it with every name below: %s is "Listener", "Listeners".
struct Call {
  const char* verb;
  Kind kind;
  const char* method;
};
constexpr Call kCalls[] = {
    {"get", Kind::kListener, "ListenerService/GetListener"},
    {"get", Kind::kDialer, "DialerService/GetDialer"},
    {"get", Kind::kForward, "ForwardService/GetForward"},
    {"get", Kind::kSession, "SessionService/GetSession"},
    {"list", Kind::kListener, "ListenerService/ListListeners"},
    {"list", Kind::kDialer, "DialerService/ListDialers"},
    {"list", Kind::kForward, "ForwardService/ListForwards"},
    {"list", Kind::kSession, "SessionService/ListSessions"},
    {"list", Kind::kStream, "SessionService/ListStreams"},
    {"list", Kind::kUdpFlow, "SessionService/ListUdpFlows"},
    {"list", Kind::kEvent, "ObserveService/ListEvents"},
    {"create", Kind::kListener, "ListenerService/CreateListener"},
    {"create", Kind::kDialer, "DialerService/CreateDialer"},
    {"create", Kind::kForward, "ForwardService/CreateForward"},
    {"update", Kind::kListener, "ListenerService/UpdateListener"},
    {"update", Kind::kDialer, "DialerService/UpdateDialer"},
    {"update", Kind::kForward, "ForwardService/UpdateForward"},
    {"delete", Kind::kListener, "ListenerService/DeleteListener"},
    {"delete", Kind::kDialer, "DialerService/DeleteDialer"},
    {"delete", Kind::kForward, "ForwardService/DeleteForward"},
    {"apply", Kind::kListener, "ConfigService/Apply"},
    {"apply", Kind::kDialer, "ConfigService/Apply"},
    {"apply", Kind::kForward, "ConfigService/Apply"},
    {"export", Kind::kListener, "ConfigService/Export"},
    {"export", Kind::kDialer, "ConfigService/Export"},
    {"export", Kind::kForward, "ConfigService/Export"},
    {"watch", Kind::kListener, "ObserveService/Watch"},
    {"watch", Kind::kDialer, "ObserveService/Watch"},
    {"watch", Kind::kForward, "ObserveService/Watch"},
    {"watch", Kind::kSession, "ObserveService/Watch"},
    {"watch", Kind::kEvent, "ObserveService/ListEvents"},
    {"close", Kind::kSession, "SessionService/CloseSession"},
    {"close", Kind::kStream, "SessionService/CloseStream"},
    {"close", Kind::kUdpFlow, "SessionService/CloseUdpFlow"},
    {"dial", Kind::kDialer, "DialerService/ProbeDialer"},
    {"connect", Kind::kDialer, "DialerService/Connect"},
    {"top", Kind::kSession, "ObserveService/WatchStats"},
    {"top", Kind::kStream, "ObserveService/WatchStats"},
    {"top", Kind::kUdpFlow, "ObserveService/WatchStats"},
    {"top", Kind::kForward, "ObserveService/WatchStats"},
    {"tap", Kind::kStream, "ObserveService/Tap"},
    {"tap", Kind::kUdpFlow, "ObserveService/Tap"},
    {"logs", Kind::kEvent, "ObserveService/TailLogs"},
};
// What people type for what the API calls otherwise.
constexpr std::pair<const char*, const char*> kSynonyms[] = {
    {"set", "update"},  {"edit", "update"},      {"label", "update"}, {"annotate", "update"},
    {"describe", "get"}, {"patch", "update"}, {"probe", "dial"},   {"events", "list"}};

std::string Canonical(const std::string& verb) {
  for (const auto& [from, to] : kSynonyms) {
    if (verb == from) return to;
  }
  return verb;
}

}  // namespace

const v1::MethodRules& ApiMethod::rules() const { return method->options().GetExtension(v1::method_rules); }

const std::vector<ApiMethod>& ApiMethods() {
  static const std::vector<ApiMethod> all = [] {
    std::vector<ApiMethod> methods;
    const google::protobuf::FileDescriptor* const files[] = {
        v1::ListListenersRequest::descriptor()->file(), v1::ListDialersRequest::descriptor()->file(),
        v1::ListForwardsRequest::descriptor()->file(),  v1::ListSessionsRequest::descriptor()->file(),
        v1::WatchRequest::descriptor()->file(),         v1::ApplyRequest::descriptor()->file(),
        v1::GetDaemonRequest::descriptor()->file(),     v1::WhoAmIRequest::descriptor()->file()};
    for (const auto* file : files) {
      for (int s = 0; s < file->service_count(); ++s) {
        for (int m = 0; m < file->service(s)->method_count(); ++m) {
          const auto* method = file->service(s)->method(m);
          methods.push_back({method, absl::StrCat(method->service()->name(), "/", method->name())});
        }
      }
    }
    return methods;
  }();
  return all;
}

absl::StatusOr<ApiMethod> FindMethod(std::string_view name) {
  std::string wanted(name);
  if (absl::StartsWith(wanted, "/")) wanted.erase(0, 1);
  if (absl::StartsWith(wanted, "culvert.v1.")) wanted.erase(0, 11);
  std::vector<std::string> names;
  const ApiMethod* by_method = nullptr;
  for (const ApiMethod& one : ApiMethods()) {
    if (absl::EqualsIgnoreCase(one.name, wanted)) return one;
    if (absl::EqualsIgnoreCase(one.method->name(), wanted)) by_method = &one;
    names.push_back(one.name);
    if (wanted.find('/') == std::string::npos) names.push_back(one.method->name());
  }
  if (by_method != nullptr) return *by_method;
  return absl::InvalidArgumentError(
      absl::StrFormat("no method \"%s\"%s", Visible(name.substr(0, kMaxShown)), manifest::DidYouMean(wanted, names)));
}

absl::StatusOr<std::vector<ApiMethod>> MethodsOf(const std::string& verb, Kind kind) {
  const std::string wanted = Canonical(verb);
  std::vector<ApiMethod> methods;
  bool is_known = false;
  for (const Call& call : kCalls) {
    // To get one of a kind is also to see what there is.
    const bool is_same = wanted == call.verb || (wanted == "get" && std::string_view(call.verb) == "list");
    is_known = is_known || wanted == call.verb;
    if (!is_same || kind != call.kind) continue;
    const auto method = FindMethod(call.method);
    CULVERT_CHECK(method.ok());
    methods.push_back(*method);
  }
  if (!is_known) {
    return absl::InvalidArgumentError(absl::StrFormat("unknown verb \"%s\"%s", Visible(verb.substr(0, kMaxShown)),
                                                      manifest::DidYouMean(verb, ApiVerbs())));
  }
  if (methods.empty()) {
    return absl::InvalidArgumentError(absl::StrFormat("%s cannot be asked to %s: they have %s", Plural(kind), Visible(verb),
                                                      absl::StrJoin(VerbsOf(kind), ", ")));
  }
  return methods;
}

std::vector<std::string> VerbsOf(Kind kind) {
  std::vector<std::string> verbs;
  for (const Call& call : kCalls) {
    if (call.kind == kind) verbs.emplace_back(call.verb);
  }
  return verbs;
}

const std::vector<std::string>& ApiVerbs() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> verbs;
    for (const Call& call : kCalls) {
      if (std::find(verbs.begin(), verbs.end(), call.verb) == verbs.end()) verbs.emplace_back(call.verb);
    }
    for (const auto& synonym : kSynonyms) verbs.emplace_back(synonym.first);
    return verbs;
  }();
  return all;
}

}  // namespace culvert::cli
