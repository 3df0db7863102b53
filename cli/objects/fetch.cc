#include "cli/objects/fetch.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "cli/objects/lists.h"
#include "cli/text/escape.h"

namespace culvert::cli {
namespace {

template <typename Message>
void MoveInto(std::vector<Resource>& out, std::vector<Message>& from) {
  out.reserve(out.size() + from.size());
  for (Message& message : from) out.emplace_back(std::move(message));
}

template <typename Message, typename ListThem>
Outcome ListAs(std::vector<Resource>& out, ListThem&& list) {
  std::vector<Message> listed;
  Outcome failed = list(listed);
  MoveInto(out, listed);
  return failed;
}

}  // namespace

Outcome List(Client& client, Kind kind, const Query& query, std::vector<Resource>& out, uint64_t& missed_events) {
  switch (kind) {
    case Kind::kSession:
      return ListAs<v1::Session>(out, [&](auto& listed) { return ListSessions(client, listed, query); });
    case Kind::kStream:
      return ListAs<v1::Stream>(out, [&](auto& listed) { return ListStreams(client, listed, query); });
    case Kind::kUdpFlow:
      return ListAs<v1::UdpFlow>(out, [&](auto& listed) { return ListUdpFlows(client, listed, query); });
    case Kind::kEvent: {
      v1::ListEventsRequest request;
      request.set_filter(query.filter);
      uint64_t missed = 0;
      Outcome failed = ListAs<v1::Event>(out, [&](auto& listed) { return ListEvents(client, request, listed, missed); });
      missed_events += missed;
      return failed;
    }
    default:
      return ListAs<v1::Object>(out, [&](auto& listed) { return ListObjects(client, kind, listed, query); });
  }
}

std::vector<Resource>& Fetcher::GroupOf(Kind kind) {
  for (Group& group : groups_) {
    if (group.kind == kind) return group.items;
  }
  return groups_.emplace_back(Group{kind, {}}).items;
}

Outcome Fetcher::Fetch(const Reference& reference, const std::string& order_by) {
  std::vector<Resource>& out = GroupOf(reference.kind);
  if (reference.name.empty()) {
    Query query = query_;
    if (!order_by.empty()) query.order_by = order_by;
    return List(client_, reference.kind, query, out, missed_events_);
  }
  return FetchOne(reference, out);
}

Outcome Fetcher::FetchOne(const Reference& reference, std::vector<Resource>& out) {
  if (reference.kind == Kind::kSession) {
    v1::Session session;
    if (Outcome failed = GetSession(client_, reference.name, session)) return failed;
    out.emplace_back(std::move(session));
    return std::nullopt;
  }
  if (!IsDeclared(reference.kind)) return Pick(reference, out);
  v1::Object object;
  if (Outcome failed = GetObject(client_, reference, object)) return failed;
  out.emplace_back(std::move(object));
  return std::nullopt;
}

Outcome Fetcher::Pick(const Reference& reference, std::vector<Resource>& out) {
  auto listed = std::find_if(listed_.begin(), listed_.end(), [&](const Listed& one) { return one.kind == reference.kind; });
  if (listed == listed_.end()) {
    std::vector<Resource> all;
    if (Outcome failed = List(client_, reference.kind, {}, all, missed_events_)) return failed;
    listed = listed_.insert(listed_.end(), Listed{reference.kind, std::move(all)});
  }
  const auto found = std::find_if(listed->all.begin(), listed->all.end(),
                                  [&](const Resource& one) { return NameOf(one) == reference.name; });
  if (found == listed->all.end()) {
    return Fail(ExitCode::kNotFound, absl::StrFormat("%s does not exist (RESOURCE_NOT_FOUND)", Visible(ToString(reference))));
  }
  out.push_back(*found);
  return std::nullopt;
}

}  // namespace culvert::cli
