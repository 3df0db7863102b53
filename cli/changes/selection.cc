#include "cli/changes/selection.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "cli/objects/selector.h"
#include "cli/text/escape.h"
#include "culvert/v1/dialer.grpc.pb.h"
#include "culvert/v1/forward.grpc.pb.h"
#include "culvert/v1/listener.grpc.pb.h"
#include "culvert/v1/session.grpc.pb.h"

namespace culvert::cli {
namespace {

constexpr int kPageSize = 1000;
constexpr int kMaxPages = 1000;  // a daemon whose token never ends must not keep us for ever

// Page after page of names alone. `name_field`: what names the objects, as a read mask says it.
template <typename Service, typename Request, typename Response, typename Take>
Outcome ListPages(Client& client, grpc::Status (Service::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                  const std::string& filter, const char* name_field, Take&& take) {
  Request request;
  request.set_page_size(kPageSize);
  request.set_filter(filter);
  request.mutable_read_mask()->add_paths(name_field);
  for (int page = 0; page < kMaxPages; ++page) {
    Response response;
    if (Outcome failed = client.Call<Service>(method, request, &response)) return failed;
    take(response);
    if (response.next_page_token().empty()) return std::nullopt;
    request.set_page_token(response.next_page_token());
  }
  return Fail(ExitCode::kServer, "the list does not end");
}

}  // namespace

Outcome ListNames(Client& client, Kind kind, const std::string& filter, std::vector<Reference>& out) {
  const auto add = [&](const std::string& name) { out.push_back({kind, BriefName(kind, name)}); };
  switch (kind) {
    case Kind::kListener:
      return ListPages<v1::ListenerService>(client, &v1::ListenerService::Stub::ListListeners, filter, "metadata.name",
                                            [&](const auto& page) {
                                              for (const v1::Listener& one : page.listeners()) add(one.metadata().name());
                                            });
    case Kind::kDialer:
      return ListPages<v1::DialerService>(client, &v1::DialerService::Stub::ListDialers, filter, "metadata.name", [&](const auto& page) {
        for (const v1::Dialer& one : page.dialers()) add(one.metadata().name());
      });
    case Kind::kForward:
      return ListPages<v1::ForwardService>(client, &v1::ForwardService::Stub::ListForwards, filter, "metadata.name", [&](const auto& page) {
        for (const v1::Forward& one : page.forwards()) add(one.metadata().name());
      });
    case Kind::kStream:
      return ListPages<v1::SessionService>(client, &v1::SessionService::Stub::ListStreams, filter, "name", [&](const auto& page) {
        for (const v1::Stream& one : page.streams()) add(one.name());
      });
    case Kind::kUdpFlow:
      return ListPages<v1::SessionService>(client, &v1::SessionService::Stub::ListUdpFlows, filter, "name", [&](const auto& page) {
        for (const v1::UdpFlow& one : page.udp_flows()) add(one.name());
      });
    default:
      return ListPages<v1::SessionService>(client, &v1::SessionService::Stub::ListSessions, filter, "name", [&](const auto& page) {
        for (const v1::Session& one : page.sessions()) add(one.name());
      });
  }
}

Outcome Selection::Parse(const std::vector<std::string>& words, const Globals& globals, bool all, const std::string& verb, bool observed) {
  const std::string help = "culvertctl " + verb + " --help";
  auto parsed = ParseReferences(words);
  if (!parsed.ok()) return Usage(std::string(parsed.status().message()), help);
  references_ = *std::move(parsed);
  for (const Reference& reference : references_) {
    if (!IsDeclared(reference.kind) && (!observed || reference.kind == Kind::kEvent)) {
      return Usage(absl::StrFormat("%s is for listeners, dialers and forwards%s", verb, observed ? ", sessions, streams and udpflows" : ""),
                   help);
    }
    if (!IsDeclared(reference.kind) && !globals.selector.empty()) {
      return Usage(absl::StrFormat("-l: %s have no labels", Plural(reference.kind)), "--filter 'remote:10.0.0.0/8'");
    }
  }
  if (!globals.selector.empty()) {
    auto filter = FilterOfSelector(globals.selector);
    if (!filter.ok()) return Usage("-l: " + std::string(filter.status().message()), "-l tier=edge,site!=a");
    filter_ = *std::move(filter);
  }
  filter_ = Both(filter_, globals.filter);
  if (all && !filter_.empty()) return Usage("--all goes with neither --filter nor -l", help);
  const bool chooses = all || !filter_.empty();
  if (by_name() && chooses) return Usage(std::string("names go with neither --filter, -l nor --all"), help);
  if (!by_name() && !chooses) {
    return Usage("a name is wanted: KIND/NAME or KIND NAME", absl::StrFormat("culvertctl get %s", Plural(references_.front().kind)));
  }
  return std::nullopt;
}

Outcome Selection::Find(Context& context, std::vector<Reference>& out) const {
  if (by_name()) {
    out = references_;
    return std::nullopt;
  }
  for (const Reference& reference : references_) {
    if (Outcome failed = ListNames(context.client, reference.kind, filter_, out)) return failed;
  }
  if (out.empty()) return Fail(ExitCode::kNotFound, "nothing matches" + (filter_.empty() ? "" : ": " + Visible(filter_)));
  return std::nullopt;
}

}  // namespace culvert::cli
