#include "server/access/standing_calls.h"

#include <utility>
#include <vector>

#include "server/access/admission.h"

namespace culvert::server {

absl::StatusOr<std::unique_ptr<StandingCalls::Ticket>> StandingCalls::Enter(const CallerSource& source, const grpc::ServerContextBase& call,
                                                                            const google::protobuf::Descriptor& request, Revoke revoke) {
  std::unique_ptr<Ticket> ticket;
  {
    const std::lock_guard lock(mutex_);
    ticket = std::make_unique<Ticket>(*this, all_.insert(all_.end(), {source.CallerOf(call), &request, std::move(revoke)}));
  }
  if (absl::Status status = AdmitTo(source, call, request).status(); !status.ok()) return status;
  return ticket;
}

void StandingCalls::LookAgain(const AccessPolicy& policy) {
  std::vector<std::pair<Revoke, absl::Status>> revoked;
  {
    const std::lock_guard lock(mutex_);
    for (Standing& one : all_) {
      if (one.caller.channel != v1::CONTROL_CHANNEL_TLS) continue;
      one.caller.role = policy.RoleOf(one.caller.principals);
      if (absl::Status status = JudgeRole(one.caller, *one.request); !status.ok()) revoked.emplace_back(one.revoke, std::move(status));
    }
  }
  for (auto& [revoke, status] : revoked) revoke(std::move(status));
}

StandingCalls::Ticket::~Ticket() {
  Standing gone;  // what it holds ends without the lock
  const std::lock_guard lock(book_.mutex_);
  gone = std::move(*at_);
  book_.all_.erase(at_);
}

}  // namespace culvert::server
