// What becomes of a pool's sessions: established, proven, kept, moved, lost.
#include <algorithm>
#include <utility>

#include "server/endpoint_driver.h"
#include "server/session_pool.h"
#include "server/worker_context.h"

namespace culvert::server {
namespace {

// How long a peer may take to refuse us after the handshake: one more such, within bounds.
constexpr Duration kLeastVerdictTime = std::chrono::milliseconds(50);
constexpr Duration kMostVerdictTime = std::chrono::seconds(1);

// Ends that are nobody's failure; a peer that closes a session right after its handshake does not want us.
bool IsOrdinaryEnd(const std::string& reason, bool was_proven) {
  return reason.empty() || reason == "IDLE_TIMEOUT" || (was_proven && reason == "PEER_CLOSED");
}

}  // namespace

void SessionPool::KeepSessions() {
  keeps_sessions_ = true;
  if (clean_up_at_ == kInfiniteFuture) clean_up_at_ = context_.now + kCleanUpInterval;
  Consider();
}

void SessionPool::OnConfigChanged(bool tls_changed) {
  if (tls_changed) {
    // Handshakes under the old settings are begun anew under the others.
    for (const auto& race : races_) GiveKeepingPlace(race->is_for_keeping);
    races_.clear();
    CloseSessions();
    EndPatience();
  }
  Consider();
}

void SessionPool::BeginStop() {
  is_stopping_ = true;
  Consider();
}

void SessionPool::CloseSessions() {
  for (Member& member : std::exchange(members_, {})) {
    SetKept(member, false);
    if (!member.entry.is_null()) draining_.push_back(member.at);
    member.at.driver->quic()->CloseSession(context_.now, member.at.session);
    member.at.driver->MarkDirty();
  }
}

bool SessionPool::OnSessionOpened(EndpointDriver& driver, SessionHandle session) {
  const bool is_ours =
      std::ranges::any_of(races_, [&](const auto& race) { return race->OnSessionOpened(driver, session); });
  const auto early = Find(driver, session);
  if (early != members_.end()) OnEstablished(*early);
  if (is_ours || early != members_.end()) Consider();
  return is_ours || early != members_.end();
}

size_t SessionPool::handshake_count() const {
  const auto early = std::count_if(members_.begin(), members_.end(), [](const Member& member) { return !member.is_established; });
  return races_.size() + static_cast<size_t>(early);
}

bool SessionPool::OnSessionGone(EndpointDriver& driver, SessionHandle session) {
  const auto found = Find(driver, session);
  if (found == members_.end()) {
    const size_t drained = std::erase_if(draining_, [&](const SessionRace::Runner& runner) {
      return runner.driver == &driver && runner.session == session;
    });
    if (drained > 0) {
      Consider();
      return true;
    }
    const bool is_ours = std::ranges::any_of(races_, [&](const auto& race) { return race->OnSessionGone(driver, session); });
    if (is_ours) Consider();
    return is_ours;
  }
  const bool was_proven = found->is_proven;
  GiveKeepingPlace(found->is_kept);
  members_.erase(found);
  EndPatience();
  const auto info = driver.quic()->GetSessionInfo(session);
  if (info && !IsOrdinaryEnd(info->error_reason, was_proven)) {
    if (was_proven) {
      // It worked until now, so the next one is tried at once.
      host_.OnTargetFailed(target_, info->error_reason, info->error_message);
      target_.skip_until = context_.now;
    } else {
      Fail(info->error_reason, info->error_message);
    }
  }
  Consider();
  return true;
}

bool SessionPool::OnStreamsAvailable(EndpointDriver& driver, SessionHandle session) {
  const bool is_ours = Find(driver, session) != members_.end();
  if (is_ours) Consider();
  return is_ours;
}

bool SessionPool::Forget(EndpointDriver& driver, SessionHandle session) {
  const auto found = Find(driver, session);
  if (found == members_.end()) return false;
  SetKept(*found, false);
  members_.erase(found);
  EndPatience();
  return true;
}

std::vector<SessionPool::Member>::iterator SessionPool::Find(EndpointDriver& driver, SessionHandle session) {
  return std::find_if(members_.begin(), members_.end(), [&](const Member& member) {
    return member.at.driver == &driver && member.at.session == session;
  });
}

void SessionPool::Adopt(SessionRace& race) {
  Member member;
  member.at = *race.winner();
  quic::Endpoint& endpoint = *member.at.driver->quic();
  const auto info = endpoint.GetSessionInfo(member.at.session);
  if (info && info->established) OnEstablished(member);
  if (const uint32_t streams = endpoint.AvailableStreams(member.at.session); streams > 0) expected_streams_ = streams;
  if (race.is_for_keeping) {
    member.is_kept = std::exchange(race.is_for_keeping, false);
    endpoint.KeepAlive(member.at.session, true);
  }
  members_.push_back(std::move(member));
  if (clean_up_at_ == kInfiniteFuture) clean_up_at_ = context_.now + kCleanUpInterval;
}

void SessionPool::OnEstablished(Member& member) {
  if (std::exchange(member.is_established, true)) return;
  member.entry = host_.Register(*member.at.driver, member.at.session, target_);
  const auto info = member.at.driver->quic()->GetSessionInfo(member.at.session);
  const Duration handshake_time = info ? info->handshake_time : Duration::zero();
  member.proven_at = context_.now + std::clamp(handshake_time, kLeastVerdictTime, kMostVerdictTime);
  FollowSource(member);
}

void SessionPool::Prove(Member& member) {
  member.is_proven = true;
  backoff_.OnSuccess();
  target_.error_reason.clear();
  target_.error_message.clear();
  target_.skip_until = {};
}

void SessionPool::Fail(const std::string& reason, const std::string& message) {
  host_.OnTargetFailed(target_, reason, message);
  // Handshakes that fail together are one failure.
  if (context_.now >= backoff_.until()) {
    backoff_.OnFailure(context_.now, host_.settings().backoff_min, host_.settings().backoff_max, *context_.random);
  }
  target_.skip_until = backoff_.until();
  if (members_.empty() && races_.empty()) return FailWaiting(reason, message);
  // They may still get what they want from another session.
  for (StreamRequest* request : waiting_) {
    request->error_reason_ = reason;
    request->error_message_ = message;
    request->patient_until_ = std::max(request->patient_until_, backoff_.until());
  }
}

void SessionPool::FailWaiting(const std::string& reason, const std::string& message) {
  // Those whom an answer leads to ask again wait behind.
  for (size_t left = waiting_.size(); left > 0 && !waiting_.empty(); --left) {
    StreamRequest& request = *waiting_.front();
    waiting_.pop_front();
    request.is_waiting_ = false;
    request.error_reason_ = reason;
    request.error_message_ = message;
    request.Answer();
  }
}

bool SessionPool::TakeKeepingPlace() {
  uint64_t kept = kept_everywhere_->load();
  while (kept < host_.settings().min_sessions) {
    if (kept_everywhere_->compare_exchange_weak(kept, kept + 1)) return true;
  }
  return false;
}

void SessionPool::GiveKeepingPlace(bool& is_kept) {
  if (std::exchange(is_kept, false)) kept_everywhere_->fetch_sub(1);
}

void SessionPool::SetKept(Member& member, bool is_kept) {
  if (member.is_kept == is_kept) return;
  if (is_kept) {
    member.is_kept = true;
  } else {
    GiveKeepingPlace(member.is_kept);
  }
  member.at.driver->quic()->KeepAlive(member.at.session, is_kept);
  member.at.driver->MarkDirty();
}

void SessionPool::KeepEnough() {
  const DialerConfig& config = host_.settings();
  const uint64_t wanted = keeps_sessions_ && !is_stopping_ && !config.paused ? config.min_sessions : 0;
  for (const auto& race : races_) {
    if (kept_everywhere_->load() > wanted) GiveKeepingPlace(race->is_for_keeping);
  }
  for (Member& member : members_) {
    if (kept_everywhere_->load() > wanted) SetKept(member, false);
  }
  if (wanted == 0) return;
  // What is there anyway is kept before anything is begun.
  for (Member& member : members_) {
    if (!member.is_kept && TakeKeepingPlace()) SetKept(member, true);
  }
  for (const auto& race : races_) {
    if (!race->is_for_keeping) race->is_for_keeping = TakeKeepingPlace();
  }
  while (context_.now >= backoff_.until() && races_.size() < kMaxHandshakes && TakeKeepingPlace()) {
    if (BeginRace(/*for_keeping=*/true)) continue;
    bool is_kept = true;
    GiveKeepingPlace(is_kept);
    return;
  }
}

void SessionPool::OnRoutesChanged() {
  for (Member& member : members_) FollowSource(member);
}

void SessionPool::FollowSource(Member& member) {
  const DialerConfig& config = host_.settings();
  // An address that was chosen by the user stays.
  if (!config.quic->migration() || config.socket.bind_address.family() != IpAddress::Family::kNone) return;
  const IpAddress source = host_.SourceAddressTo(member.at.peer);
  if (source.family() == IpAddress::Family::kNone || source == member.source) return;
  const bool was_known = member.source.family() != IpAddress::Family::kNone;
  member.source = source;
  if (!was_known) return;
  const uint16_t port = member.at.driver->socket().local_address().port;
  member.at.driver->quic()->MigrateTo(context_.now, member.at.session, {source, port});
  member.at.driver->MarkDirty();
}

// Sessions are removed when they end; should one have been missed, it is removed here.
void SessionPool::CleanUp() {
  clean_up_at_ = context_.now + kCleanUpInterval;
  for (size_t i = 0; i < members_.size();) {
    if (members_[i].at.driver->quic()->GetSessionInfo(members_[i].at.session)) {
      ++i;
      continue;
    }
    GiveKeepingPlace(members_[i].is_kept);
    members_.erase(members_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  std::erase_if(draining_, [](const SessionRace::Runner& runner) { return !runner.driver->quic()->GetSessionInfo(runner.session); });
  EndPatience();
}

}  // namespace culvert::server
