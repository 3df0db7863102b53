#include "cli/changes/closing.h"

#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/changes/mutation.h"
#include "cli/text/escape.h"
#include "culvert/v1/session.grpc.pb.h"

namespace culvert::cli {
namespace {

using Service = v1::SessionService;

std::string Counted(size_t count, Kind kind) {
  return absl::StrFormat("%d %s", count, count == 1 ? Singular(kind) : Plural(kind));
}

// The daemon takes a filter for sessions and closes all that match at one moment.
Outcome CloseSessions(Client& client, const std::string& filter, const CloseOptions& options, bool validate_only, size_t& count) {
  v1::CloseSessionRequest request;
  request.set_filter(filter);
  request.set_graceful(options.graceful);
  request.set_reason(options.reason);
  request.set_validate_only(validate_only);
  v1::CloseSessionResponse response;
  if (Outcome failed = client.Call<Service>(&Service::Stub::CloseSession, request, &response)) return failed;
  count = response.closed_count() < 0 ? 0 : static_cast<size_t>(response.closed_count());
  return std::nullopt;
}

class Closer {
 public:
  Closer(Context& context, const Selection& selection, const CloseOptions& options)
      : context_(context), selection_(selection), options_(options) {}

  Outcome ByName() {
    const std::vector<Reference>& references = selection_.references();
    std::vector<std::string> names;
    for (const Reference& reference : references) names.push_back(ToString(reference));
    const std::string question = names.size() == 1 ? "close " + Visible(names[0]) : absl::StrFormat("close these %d", names.size());
    if (Outcome failed = Begin(question, std::move(names), references.size())) return failed;
    Outcome first_failure;
    for (const Reference& reference : references) {
      Outcome failed = CloseOne(context_.client, reference, options_);
      if (!failed) {
        context_.streams.out << Visible(ToString(reference)) << Verbed() << "\n";
      } else if (failed->code == ExitCode::kUnreachable || failed->code == ExitCode::kDenied) {
        return failed;
      } else if (!first_failure) {
        first_failure = std::move(failed);
      } else {
        Print(*failed, context_.globals.verbose, context_.streams);
      }
    }
    return first_failure;
  }

  Outcome ByFilter() {
    std::vector<std::string> texts;
    size_t all = 0;
    for (const Reference& reference : selection_.references()) {
      Group& group = groups_.emplace_back(Group{reference.kind, {}, 0});
      if (Outcome failed = Count(group)) return failed;
      all += group.count;
      texts.push_back(Counted(group.count, group.kind));
    }
    if (options_.is_dry) {
      for (const Group& group : groups_) {
        context_.streams.out << Counted(group.count, group.kind) << " would be closed\n";
      }
      return std::nullopt;
    }
    if (all > 0) {
      if (Outcome failed = Begin("close " + absl::StrJoin(texts, ", "), {}, all)) return failed;
    }
    for (Group& group : groups_) {
      if (Outcome failed = CloseGroup(group)) return failed;
      context_.streams.out << Counted(group.count, group.kind) << Verbed() << "\n";
    }
    return std::nullopt;
  }

 private:
  struct Group {
    Kind kind;
    std::vector<Reference> references;  // streams and flows
    size_t count = 0;
  };

  Outcome Begin(std::string question, std::vector<std::string> names, size_t count) {
    return BeginMutation(context_, {std::move(question), std::move(names), count, true});
  }

  const char* Verbed() const { return options_.is_dry ? " would be closed" : options_.graceful ? " closing" : " closed"; }

  Outcome Count(Group& group) {
    if (group.kind == Kind::kSession) return CloseSessions(context_.client, selection_.filter(), options_, true, group.count);
    if (Outcome failed = ListNames(context_.client, group.kind, selection_.filter(), group.references)) return failed;
    group.count = group.references.size();
    return std::nullopt;
  }

  Outcome CloseGroup(Group& group) {
    if (group.count == 0) return std::nullopt;
    if (group.kind == Kind::kSession) return CloseSessions(context_.client, selection_.filter(), options_, false, group.count);
    group.count = 0;
    for (const Reference& reference : group.references) {
      Outcome failed = CloseOne(context_.client, reference, options_);
      if (!failed) {
        ++group.count;
      } else if (failed->code != ExitCode::kNotFound) {
        return failed;
      }
    }
    return std::nullopt;
  }

  Context& context_;
  const Selection& selection_;
  const CloseOptions& options_;
  std::vector<Group> groups_;
};

}  // namespace

Outcome CloseOne(Client& client, const Reference& reference, const CloseOptions& options) {
  if (reference.kind == Kind::kUdpFlow) {
    v1::CloseUdpFlowRequest request;
    request.set_name(ResourceName(reference));
    request.set_reason(options.reason);
    request.set_validate_only(options.is_dry);
    v1::CloseUdpFlowResponse response;
    return client.Call<Service>(&Service::Stub::CloseUdpFlow, request, &response);
  }
  if (reference.kind == Kind::kStream) {
    v1::CloseStreamRequest request;
    request.set_name(ResourceName(reference));
    request.set_graceful(options.graceful);
    request.set_reason(options.reason);
    request.set_validate_only(options.is_dry);
    v1::CloseStreamResponse response;
    return client.Call<Service>(&Service::Stub::CloseStream, request, &response);
  }
  v1::CloseSessionRequest request;
  request.set_name(reference.name);
  request.set_graceful(options.graceful);
  request.set_reason(options.reason);
  request.set_validate_only(options.is_dry);
  v1::CloseSessionResponse response;
  return client.Call<Service>(&Service::Stub::CloseSession, request, &response);
}

Outcome CloseSelected(Context& context, const Selection& selection, const CloseOptions& options) {
  Closer closer(context, selection, options);
  return selection.by_name() ? closer.ByName() : closer.ByFilter();
}

}  // namespace culvert::cli
