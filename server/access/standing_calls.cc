#include "server/access/standing_calls.h"

#include <utility>
#include <vector>

#include "culvert/v1/dialer.pb.h"
#include "culvert/v1/observe.pb.h"
#include "server/access/admission.h"
#include "server/access/methods.h"
#include "server/error_builder.h"

namespace culvert::server {

size_t StandingCalls::MostOfOneCaller(const google::protobuf::Descriptor& request) {
  // A quarter of what there is for all (stats_hub.h, event_hub.h, watch_hub.h), half of it where that is little (supervisor.h); of
  // Connect half of what one worker takes (data_plane_flows.cc), as one program may well carry most of them.
  constexpr size_t kReaders = 8;
  constexpr size_t kConnects = 128;
  constexpr size_t kTails = 4;  // half of the taps, all readers of the log (services/tail_reactors.cc)
  if (&request == v1::ConnectRequest::descriptor()) return kConnects;
  return &request == v1::TapRequest::descriptor() || &request == v1::TailLogsRequest::descriptor() ? kTails : kReaders;
}

absl::StatusOr<std::unique_ptr<StandingCalls::Ticket>> StandingCalls::Enter(const CallerSource& source, const grpc::ServerContextBase& call,
                                                                            const google::protobuf::Descriptor& request, Revoke revoke) {
  std::unique_ptr<Ticket> ticket;
  {
    const std::lock_guard lock(mutex_);
    Standing one{source.CallerOf(call), &request, std::move(revoke)};
    size_t& count = counts_[ShareOf(one)];
    if (const size_t most = MostOfOneCaller(request); count >= most) {
      const google::protobuf::MethodDescriptor* method = MethodTaking(request);
      return LimitExceeded((method != nullptr ? method->name() : request.name()) + " streams of one caller", most);
    }
    ++count;
    ticket = std::make_unique<Ticket>(*this, all_.insert(all_.end(), std::move(one)));
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
  if (const auto count = book_.counts_.find(ShareOf(*at_)); --count->second == 0) book_.counts_.erase(count);
  gone = std::move(*at_);
  book_.all_.erase(at_);
}

}  // namespace culvert::server
