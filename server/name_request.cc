#include "server/name_request.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/worker_context.h"

namespace culvert::server {

std::optional<NameRequest::Answer> NameRequest::Start(const std::string& host, Duration max_age) {
  Cancel();
  Resolver& resolver = is_foreign_ && context_.foreign_resolver != nullptr ? *context_.foreign_resolver : *context_.resolver;
  if (const auto addresses = resolver.ResolveNow(host, max_age)) return Answer(*addresses);
  handle_ = context_.name_requests.Emplace(this);
  // The answer comes on another thread: it goes through the mailbox and finds us by handle, if we are still there.
  const auto done = [context = &context_, mailbox = context_.mailbox, handle = handle_](const Answer& answer) {
    static_cast<void>(mailbox->Post([context, handle, answer] {
      NameRequest** found = context->name_requests.Find(handle);
      if (found == nullptr) return;
      NameRequest& request = **found;
      request.Cancel();
      request.owner_.OnResolved(answer);
    }));
  };
  if (resolver.Resolve(host, done)) return std::nullopt;
  Cancel();
  return Answer(absl::ResourceExhaustedError(absl::StrCat("resolve ", host, ": too many names wait to be resolved")));
}

void NameRequest::Cancel() {
  if (is_waiting()) context_.name_requests.Erase(std::exchange(handle_, {}));
}

}  // namespace culvert::server
