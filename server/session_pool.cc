// Flow: a request, an event or the timer leads to Consider, which takes in races that are over, serves who waits, keeps enough
// sessions, and begins and aborts handshakes as needed. What becomes of single sessions is in session_pool_members.cc.
#include "server/session_pool.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/endpoint_driver.h"
#include "server/worker_context.h"

namespace culvert::server {
namespace {

constexpr size_t kMaxAddresses = 16;  // of one name
constexpr Duration kMaxHandshakeTime = std::chrono::seconds(8);
// How soon to look again when the dialer's limit, which other targets and workers share, is in the way.
constexpr Duration kBlockedPause = std::chrono::milliseconds(100);

}  // namespace

StreamRequest::StreamRequest(SessionPool& pool, Owner& owner, TimePoint deadline, bool wants_stream)
    : pool_(pool), owner_(owner), deadline_(deadline), wants_stream_(wants_stream), timer_(pool.context_.timers, *this) {}

StreamRequest::~StreamRequest() {
  if (is_waiting_) pool_.Remove(*this);
}

void StreamRequest::Start() {
  is_starting_ = true;
  pool_.Add(*this);
  is_starting_ = false;
  if (!is_answered_) timer_.Set(deadline_);
}

void StreamRequest::Answer() {
  is_answered_ = true;
  timer_.Cancel();
  if (!is_starting_) owner_.OnPoolAnswer();
}

void StreamRequest::OnTimer(TimePoint /*now*/) { pool_.OnDeadline(*this); }

SessionPool::SessionPool(WorkerContext& context, Host& host, TargetState& target)
    : context_(context), host_(host), target_(target), timer_(context.timers, *this), name_(context, *this) {
  const ObjectId& id = host_.settings().id;
  kept_everywhere_ = context_.session_counts->For("kept " + target.target.ToString(), id);
}

SessionPool::~SessionPool() {
  for (const auto& race : races_) GiveKeepingPlace(race->is_for_keeping);
  for (Member& member : members_) GiveKeepingPlace(member.is_kept);
}

void SessionPool::Add(StreamRequest& request) {
  request.patient_until_ = members_.empty() ? context_.now : context_.now + Patience();
  request.place_ = waiting_.insert(waiting_.end(), &request);
  request.is_waiting_ = true;
  if (!addresses_.empty()) request.owner_.OnPoolStep(ProbeStep::Phase::kResolve, {});
  Consider();
}

void SessionPool::Remove(StreamRequest& request) {
  waiting_.erase(request.place_);
  request.is_waiting_ = false;
  Consider();
}

void SessionPool::OnDeadline(StreamRequest& request) {
  if (!request.error_reason_.empty()) {
    // What went wrong while it waited says more than that its time is over.
  } else if (addresses_.empty()) {
    request.error_reason_ = "RESOLVE_FAILED";
    request.error_message_ = absl::StrCat("resolve ", target_.target.host, ": no answer in time");
  } else if (members_.empty() || !races_.empty()) {
    request.error_reason_ = "HANDSHAKE_TIMEOUT";
    request.error_message_ = absl::StrCat("QUIC with ", target_.target.ToString(), ": no session in time");
  } else {
    request.error_reason_ = "NO_STREAMS";
    request.error_message_ = absl::StrCat("QUIC with ", target_.target.ToString(), ": all sessions are full");
  }
  waiting_.erase(request.place_);
  request.is_waiting_ = false;
  request.Answer();
  Consider();
}

// A session of its own is what a request wants that has waited for credit long enough.
size_t SessionPool::CountImpatient() const {
  return static_cast<size_t>(std::count_if(waiting_.begin(), waiting_.end(), [this](const StreamRequest* request) {
    return request->patient_until_ <= context_.now;
  }));
}

Duration SessionPool::Patience() const {
  Duration rtt = kMostPatience;
  for (const Member& member : members_) rtt = std::min(rtt, member.at.driver->quic()->SmoothedRtt(member.at.session));
  return std::clamp(rtt, kLeastPatience, kMostPatience);
}

void SessionPool::EndPatience() {
  if (!members_.empty()) return;
  for (StreamRequest* request : waiting_) request->patient_until_ = std::min(request->patient_until_, context_.now);
}

void SessionPool::Consider() {
  consider_again_ = true;
  if (is_considering_) return;
  is_considering_ = true;
  while (std::exchange(consider_again_, false)) {
    SettleRaces();
    Serve();
    KeepEnough();
    BeginRaces();
    AbortNeedlessRaces();
    if (is_stopping_ && waiting_.empty()) CloseSessions();
  }
  is_considering_ = false;
  Arm();
}

void SessionPool::SettleRaces() {
  for (size_t i = 0; i < races_.size();) {
    SessionRace& race = *races_[i];
    if (!race.winner() && !race.is_lost()) {
      ++i;
      continue;
    }
    const std::unique_ptr<SessionRace> over = std::move(races_[i]);
    races_.erase(races_.begin() + static_cast<std::ptrdiff_t>(i));
    if (over->winner()) {
      Adopt(*over);
    } else {
      GiveKeepingPlace(over->is_for_keeping);
      Fail(over->error_reason(), over->error_message());
    }
  }
}

void SessionPool::Serve() {
  while (!waiting_.empty()) {
    StreamRequest& request = *waiting_.front();
    if (!Grant(request)) return;
    waiting_.pop_front();
    request.is_waiting_ = false;
    request.Answer();
  }
}

bool SessionPool::Grant(StreamRequest& request) {
  // A session that has streams but gives none is about to end; each turn of the loop removes one such.
  for (;;) {
    Member* best = nullptr;
    uint32_t least = 0;
    for (Member& member : members_) {
      quic::Endpoint& endpoint = *member.at.driver->quic();
      if (request.wants_stream_ ? endpoint.AvailableStreams(member.at.session) == 0 : !member.is_established) continue;
      const uint32_t streams = endpoint.OpenStreams(member.at.session);
      if (best != nullptr && streams >= least) continue;
      best = &member;
      least = streams;
    }
    if (best == nullptr) return false;
    StreamRequest::Grant& grant = request.grant_;
    grant = {nullptr, best->at.driver, best->at.session, best->entry, best->at.peer};
    if (!request.wants_stream_) return true;
    if (const auto stream = grant.driver->quic()->OpenStream(context_.now, grant.carrier)) {
      best->has_given = true;
      grant.stream = std::make_unique<EndpointStream>(context_, *grant.driver, *stream, SlotHandle{});
      grant.driver->MarkDirty();
      return true;
    }
    const bool was_established = best->is_established;
    if (was_established) static_cast<void>(Forget(*grant.driver, grant.carrier));
    grant = {};
    if (!was_established) return false;
  }
}

void SessionPool::BeginRaces() {
  if (waiting_.empty()) return;
  const bool wants_stream = std::ranges::any_of(waiting_, [](const StreamRequest* request) { return request->wants_stream_; });
  const bool is_in_vain = std::ranges::any_of(members_, [wants_stream](const Member& member) {
    // A peer that lets us open nothing on a session would not on another one. Who needs no stream waits for the handshake.
    return wants_stream ? !member.has_given : !member.is_established;
  });
  if (is_in_vain) return;
  const size_t wanted = (CountImpatient() + expected_streams_ - 1) / expected_streams_;
  // In a pause after a failure one at a time is tried, because whoever asks now was told of no better target.
  const size_t allowed = context_.now < backoff_.until() ? 1 : kMaxHandshakes;
  while (races_.size() < std::min(wanted, allowed)) {
    if (BeginRace(/*for_keeping=*/false)) continue;
    if (host_.settings().paused) {
      FailWaiting("PAUSED", "the dialer is paused");
    } else if (races_.empty() && members_.empty() && !addresses_.empty() && !host_.MayOpenSession()) {
      FailWaiting("SESSION_LIMIT", absl::StrCat("the dialer's max_sessions leaves none for ", target_.target.ToString()));
    }
    return;
  }
}

bool SessionPool::BeginRace(bool for_keeping) {
  if (!HasAddresses() || !host_.MayOpenSession()) return false;
  std::vector<SocketAddress> peers;
  for (const IpAddress& address : addresses_) peers.push_back({address, target_.target.port});
  auto race = std::make_unique<SessionRace>(context_, static_cast<SessionRace::Host&>(*this), std::move(peers));
  race->is_for_keeping = for_keeping;
  SessionRace& started = *races_.emplace_back(std::move(race));
  started.Start();
  if (started.is_lost() || started.winner()) consider_again_ = true;
  return true;
}

bool SessionPool::HasAddresses() {
  if (addresses_.empty() || context_.now >= addresses_good_until_) LookUp();
  if (addresses_.empty()) return false;
  return context_.now < addresses_good_until_ || context_.now >= lookup_patience_until_;
}

void SessionPool::LookUp() {
  if (name_.is_waiting()) return;
  // While a pause lasts nobody is asked again and again.
  if (const auto answer = name_.Start(target_.target.host, host_.settings().resolve_interval)) return OnResolved(*answer);
  resolve_overdue_at_ = context_.now + host_.settings().dial_timeout;
  lookup_patience_until_ = context_.now + kLookupPatience;
}

void SessionPool::OnResolved(const NameRequest::Answer& answer) {
  resolve_overdue_at_ = kInfiniteFuture;
  if (answer.ok()) {
    addresses_ = TakeTurns(*answer);
    if (addresses_.size() > kMaxAddresses) addresses_.resize(kMaxAddresses);
    target_.addresses.clear();
    for (const IpAddress& address : addresses_) target_.addresses.push_back(address.ToString());
    for (StreamRequest* request : waiting_) request->owner_.OnPoolStep(ProbeStep::Phase::kResolve, {});
  } else if (addresses_.empty()) {
    Fail("RESOLVE_FAILED", std::string(answer.status().message()));
  }
  // Addresses that were good are used on while the name cannot be resolved.
  if (!addresses_.empty()) addresses_good_until_ = context_.now + host_.settings().resolve_interval;
  Consider();
}

quic::ConnectOptions SessionPool::OptionsFor(const SocketAddress& peer) {
  const DialerConfig& config = host_.settings();
  quic::ConnectOptions options{.peer = peer,
                               .tls = config.tls,
                               .server_name = config.tls_server_name,
                               .resumption = host_.resumption(),
                               .handshake_timeout = std::min(kMaxHandshakeTime, config.dial_timeout)};
  if (!options.server_name.empty()) return options;
  options.server_name = IpAddress::Parse(target_.target.host).ok() ? kQuicServerName : target_.target.host;
  // The dot of a fully qualified name stands in no certificate.
  if (options.server_name.ends_with('.')) options.server_name.pop_back();
  return options;
}

void SessionPool::OnAttempt(const SocketAddress& peer) {
  for (StreamRequest* request : waiting_) request->owner_.OnPoolStep(ProbeStep::Phase::kSocket, peer);
}

void SessionPool::AbortNeedlessRaces() {
  if (!waiting_.empty()) return;
  std::erase_if(races_, [](const std::unique_ptr<SessionRace>& race) { return !race->is_for_keeping; });
}

void SessionPool::Arm() {
  TimePoint next = std::min(clean_up_at_, resolve_overdue_at_);
  if (name_.is_waiting() && lookup_patience_until_ > context_.now) next = std::min(next, lookup_patience_until_);
  bool is_blocked = false;
  for (const StreamRequest* request : waiting_) {
    if (request->patient_until_ > context_.now) {
      next = std::min(next, request->patient_until_);
    } else {
      is_blocked |= races_.empty();
    }
  }
  if (keeps_sessions_ && !is_stopping_ && !host_.settings().paused && kept_everywhere_->load() < host_.settings().min_sessions) {
    if (backoff_.until() > context_.now) next = std::min(next, backoff_.until());
    is_blocked |= backoff_.until() <= context_.now;
  }
  if (is_blocked) next = std::min(next, context_.now + kBlockedPause);
  for (const Member& member : members_) {
    if (!member.is_proven) next = std::min(next, member.proven_at);
  }
  timer_.Set(next);
}

void SessionPool::OnTimer(TimePoint now) {
  for (Member& member : members_) {
    if (!member.is_proven && now >= member.proven_at) Prove(member);
  }
  if (now >= clean_up_at_) CleanUp();
  if (name_.is_waiting() && now >= resolve_overdue_at_) {
    name_.Cancel();
    OnResolved(absl::DeadlineExceededError(absl::StrCat("resolve ", target_.target.host, ": no answer in time")));
  }
  Consider();
}

}  // namespace culvert::server
