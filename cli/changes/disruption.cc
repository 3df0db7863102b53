#include "cli/changes/disruption.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "cli/text/escape.h"
#include "culvert/v1/config.grpc.pb.h"
#include "proto/manifest/manifest.h"

namespace culvert::cli {
namespace {

// As apply takes it: what was observed is no part of it, and whoever was faster meanwhile is found out by the change itself.
v1::Object AsDeclared(const v1::Object& object) {
  v1::Object declared = object;
  if (declared.has_listener()) {
    declared.mutable_listener()->clear_status();
    declared.mutable_listener()->mutable_metadata()->clear_etag();
  } else {
    declared.mutable_dialer()->clear_status();
    declared.mutable_dialer()->mutable_metadata()->clear_etag();
  }
  return declared;
}

bool ClosesSessions(Context& context, const v1::Object& after) {
  v1::ApplyRequest request;
  *request.add_objects() = AsDeclared(after);
  request.set_validate_only(true);
  request.set_force_conflicts(true);  // whose it is does not matter to the question
  v1::ApplyResponse response;
  const grpc::Status status = context.client.RawCall<v1::ConfigService>(&v1::ConfigService::Stub::Apply, request, &response);
  return status.ok() && std::ranges::any_of(response.results(), [](const auto& result) { return result.disruptive(); });
}

// The daemon does not know them cleared when they are left out: it keeps what it does not show.
bool ClearsSecret(const v1::Object& after, const std::vector<std::string>& paths) {
  const auto cleared = [&](const char* path, bool is_set) { return std::ranges::find(paths, path) != paths.end() && !is_set; };
  const auto judge = [&](const auto& spec) {
    return cleared("spec.kcp.seed", !spec.kcp().seed().empty()) || cleared("spec.quic.outer.key", !spec.quic().outer().key().empty());
  };
  return after.has_listener() ? judge(after.listener().spec()) : judge(after.dialer().spec());
}

}  // namespace

void WarnOfClosing(Context& context, const v1::Object& before, const v1::Object& after, const std::vector<std::string>& paths) {
  // Forwards have no sessions of their own, and labels and annotations touch none.
  const bool is_asked = !before.has_forward() && std::ranges::any_of(paths, [](const auto& path) { return absl::StartsWith(path, "spec"); });
  if (!is_asked || !(ClearsSecret(after, paths) || ClosesSessions(context, after))) return;
  const auto& counters = before.has_listener() ? before.listener().status().counters() : before.dialer().status().counters();
  const std::string now = counters.active() == 0 ? "none" : std::to_string(counters.active());
  context.streams.err << absl::StrFormat("warning: %s: closes its sessions (%s now)\n", Visible(manifest::DisplayName(after)), now);
}

}  // namespace culvert::cli
