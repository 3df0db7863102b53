#include "server/probe.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/worker_context.h"

namespace culvert::server {

using Phase = ProbeStep::Phase;

namespace {

// How long a far side may take to refuse us after the handshake: one more such, within bounds.
constexpr Duration kLeastVerdictTime = std::chrono::milliseconds(50);
constexpr Duration kMostVerdictTime = std::chrono::seconds(1);

}  // namespace

ProbeRun::ProbeRun(WorkerContext& context, ProbeRequest request, std::function<void(ProbeStep)> on_step)
    : context_(context),
      request_(std::move(request)),
      on_step_(std::move(on_step)),
      dialer_(context, request_.dialer),
      targets_(dialer_.NextTargets()),
      timer_(context.timers, *this) {
  BeginAttempt();
}

ProbeRun::~ProbeRun() {
  dial_.reset();
  object_.reset();
  tls_.reset();
  dialer_.Shutdown(CloseReason::kLocal);
}

void ProbeRun::BeginAttempt() {
  ++attempt_;
  attempt_began_ = context_.now;
  told_steps_ = 0;
  is_overdue_ = false;
  timer_.Set(context_.now + request_.timeout);
  const DialerConfig& config = *request_.dialer;
  dial_.emplace(context_,
                DialPlan{.transport = config.transport,
                         .targets = {targets_[target_]},
                         .dialer = &dialer_,
                         .socket = config.socket,
                         .timeout = request_.timeout,
                         .wants_stream = false},
                static_cast<StreamObserver&>(*this));
  dial_->Start();
}

bool ProbeRun::Run() {
  if (is_done_) return true;
  if (dial_) {
    for (; told_steps_ < dial_->steps().size(); ++told_steps_) {
      const Dial::Step& step = dial_->steps()[told_steps_];
      TellStep(step.phase, step.address, step.at);
    }
    if (!dial_->is_done()) return false;
    OnDialled();
    return is_done_;
  }
  if (tls_) {
    LookAtTls();
    return is_done_;
  }
  if (!carrier_.is_null()) {
    LookAtSession();
    return is_done_;
  }
  const auto stats = driver_->endpoint().GetStats(context_.now, stream_);
  if (stats && (stats->validated || stats->rx_datagrams > 0)) {
    TellStep(Phase::kHandshake, remote_, context_.now);
    OnReady(*stats);
  } else if (is_overdue_ || !stats) {
    ProbeStep failed = NewStep(Phase::kHandshake, remote_, context_.now);
    failed.error_reason = "NO_ANSWER";
    failed.error_message = absl::StrCat("nothing came back from ", remote_.ToString());
    EndAttempt(std::move(failed));
  }
  return is_done_;
}

void ProbeRun::OnReady(const SessionStats& stats) {
  ProbeStep ready = NewStep(Phase::kReady, remote_, context_.now);
  ready.stats = stats;
  if (tls_) ready.tls = tls_->session();
  if (!carrier_.is_null()) ready.tls = quic_tls_;
  EndAttempt(std::move(ready));
}

// What the far side says first is read for the alert that may be in it, and thrown away.
void ProbeRun::LookAtTls() {
  ByteView view;
  while (tls_->Peek(TlsStream::kMaxOpenedBytes, std::span(&view, 1)) > 0) tls_->Consume(view.size());
  if (tls_->failure() != tls::TlsFailure::kNone) {
    ProbeStep failed = NewStep(Phase::kReady, remote_, context_.now);
    failed.error_reason = tls::TlsFailureName(tls_->failure());
    failed.error_message = tls_->failure_message();
    EndAttempt(std::move(failed));
  } else if (is_overdue_ || tls_->AtEnd() || tls_->IsBroken()) {
    // That what lies behind the far side ends the stream is no refusal of ours.
    const auto stats = driver_->endpoint().GetStats(context_.now, stream_);
    OnReady(stats ? *stats : SessionStats());
  }
}

void ProbeRun::LookAtSession() {
  const auto stats = driver_->endpoint().GetSessionStats(context_.now, carrier_);
  const TargetState& target = *targets_[target_];
  if (!driver_->FindSession(carrier_).is_null()) {
    if (is_overdue_) OnReady(stats ? *stats : SessionStats());
    return;
  }
  ProbeStep failed = NewStep(Phase::kReady, remote_, context_.now);
  failed.error_reason = target.error_reason.empty() ? "PEER_CLOSED" : target.error_reason;
  failed.error_message = target.error_reason.empty() ? "the session ended right after its handshake" : target.error_message;
  EndAttempt(std::move(failed));
}

void ProbeRun::OnSession(const Dial::Connection& connection) {
  driver_ = connection.driver;
  carrier_ = connection.carrier;
  if (const Session* session = context_.sessions->Find(connection.session)) quic_tls_ = session->tls;
  // As above: the peer's verdict takes the way back and forth once more.
  is_overdue_ = false;
  const Duration handshake_time = quic_tls_ ? quic_tls_->handshake_time : Duration::zero();
  timer_.Set(context_.now + std::clamp(handshake_time, kLeastVerdictTime, kMostVerdictTime));
}

void ProbeRun::OnDialled() {
  std::optional<Dial::Connection> connection = dial_->TakeConnection();
  if (!connection) {
    ProbeStep failed = NewStep(dial_->error_phase(), {}, context_.now);
    failed.error_reason = dial_->error_reason();
    failed.error_message = dial_->error_message();
    return EndAttempt(std::move(failed));
  }
  dial_.reset();
  remote_ = connection->remote;
  if (!connection->carrier.is_null()) return OnSession(*connection);
  if (connection->driver != nullptr) {
    driver_ = connection->driver;
    stream_ = connection->stream;
    if (connection->tls != nullptr) {
      tls_ = std::move(connection->tls);
      tls_->set_observer(this);
      // A verdict takes the way back and forth once more. The attempt's time may have run out in this very iteration.
      is_overdue_ = false;
      timer_.Set(context_.now + std::clamp(tls_->session()->handshake_time, kLeastVerdictTime, kMostVerdictTime));
      return;
    }
    object_ = std::make_unique<EndpointStream>(context_, *driver_, stream_, SlotHandle{});
    return;
  }
  TellStep(Phase::kHandshake, remote_, context_.now);
  ProbeStep ready = NewStep(Phase::kReady, remote_, context_.now);
  ready.stats.peer = remote_;
  ready.stats.outgoing = ready.stats.validated = true;
  if (const auto path = connection->tcp.PathInfo()) {
    ready.stats.smoothed_rtt = path->smoothed_rtt;
    ready.stats.rttvar = path->rttvar;
    ready.stats.min_rtt = path->min_rtt;
    ready.stats.rto = path->rto;
    ready.stats.state = path->state;
  }
  EndAttempt(std::move(ready));
}

ProbeStep ProbeRun::NewStep(Phase phase, const SocketAddress& address, TimePoint at) const {
  ProbeStep step;
  step.attempt = attempt_;
  step.target = targets_[target_]->target.ToString();
  step.phase = phase;
  if (address.ip.family() != IpAddress::Family::kNone) step.address = address.ToString();
  step.elapsed = at - attempt_began_;
  return step;
}

void ProbeRun::TellStep(Phase phase, const SocketAddress& address, TimePoint at) { on_step_(NewStep(phase, address, at)); }

bool ProbeRun::IsLastAttempt() const {
  return target_ + 1 == targets_.size() && attempt_ >= std::max(request_.attempts, 1u);
}

void ProbeRun::EndAttempt(ProbeStep step) {
  dial_.reset();
  timer_.Cancel();
  if (object_) {
    object_->Close();
    object_.reset();
  }
  if (tls_) {
    tls_->Close();
    tls_.reset();
  }
  if (!std::exchange(carrier_, {}).is_null()) dialer_.CloseSessions();
  step.last = IsLastAttempt();
  is_done_ = step.last;
  on_step_(std::move(step));
  if (is_done_) return;
  if (attempt_ >= std::max(request_.attempts, 1u)) {
    attempt_ = 0;
    ++target_;
  }
  BeginAttempt();
}

void ProbeRun::Cancel() {
  if (is_done_) return;
  is_done_ = true;
  ProbeStep step = NewStep(Phase::kSocket, {}, context_.now);
  step.error_reason = "CANCELLED";
  step.error_message = "the daemon is stopping";
  step.last = true;
  on_step_(std::move(step));
}

void ProbeRun::OnTimer(TimePoint /*now*/) { is_overdue_ = true; }

}  // namespace culvert::server
