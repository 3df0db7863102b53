#include "server/relay.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/dialer_runtime.h"
#include "server/worker_context.h"

namespace culvert::server {

Relay::Relay(WorkerContext& context, Host& host, const Parties& parties, SessionStream near)
    : context_(context),
      host_(host),
      parties_(parties),
      options_{.idle_timeout = parties.forward->config->idle_timeout,
               .half_close_linger = parties.forward->config->half_close_linger},
      timer_(context.timers, *this),
      near_(std::move(near)) {}

Relay::~Relay() {
  if (pump_) {
    Account();
    parties_.forward->tally.OnClosed();
  }
}

void Relay::Start(SlotHandle handle, DialPlan plan) {
  handle_ = handle;
  if (Session* session = context_.sessions->Find(near_.session)) {
    if (session->transport != Transport::kQuic) session->relay = handle;
    session->forward = parties_.forward->config;
  }
  near_.stream->set_observer(this);
  dial_.emplace(context_, std::move(plan), static_cast<StreamObserver&>(*this));
  dial_->Start();
  host_.Schedule(handle_);
}

bool Relay::Run() {
  if (is_done_) return false;
  if (dial_) {
    if (near_.stream->IsBroken()) {
      // Who wanted the stream is gone before it was opened.
      near_.stream->Close();
      parties_.forward->tally.OnFailed();
      is_done_ = true;
      return false;
    }
    if (!dial_->is_done()) return false;
    OnDialled();
    if (is_done_) return false;
  }
  const bool more = pump_->Run(context_.now);
  Account();
  Arm();
  is_done_ = pump_->is_done();
  if (far_target_ != nullptr && (is_done_ || counted_from_far_ > 0)) JudgeTarget();
  return more;
}

void Relay::JudgeTarget() {
  TargetState& target = *std::exchange(far_target_, nullptr);
  if (far_.tls->failure() != tls::TlsFailure::kNone) {
    parties_.dialer->OnTargetFailed(target, std::string(tls::TlsFailureName(far_.tls->failure())),
                                    absl::StrCat("TLS with ", target.target.ToString(), ": ", far_.tls->failure_message()));
    return;
  }
  target.error_reason.clear();
  target.error_message.clear();
}

void Relay::OnDialled() {
  std::optional<Dial::Connection> connection = dial_->TakeConnection();
  dial_.reset();
  if (!connection) {
    parties_.forward->tally.OnFailed();
    if (parties_.dialer != nullptr) parties_.dialer->tally().OnFailed();
    near_.stream->Reset(CloseReason::kAborted);
    is_done_ = true;
    return;
  }
  if (connection->quic != nullptr) {
    far_ = {std::move(connection->quic), connection->session};
    far_driver_ = connection->driver;
    far_carrier_ = connection->carrier;
  } else {
    OpenFarSession(*connection);
  }
  far_.stream->set_observer(this);
  pump_.emplace(*near_.stream, *far_.stream, options_, context_.now);
  parties_.forward->tally.OnOpened();
}

void Relay::OpenFarSession(Dial::Connection& connection) {
  Session session;
  session.forward = parties_.forward->config;
  session.tally = parties_.far_tally;
  session.relay = handle_;
  if (parties_.dialer != nullptr) {
    session.dialer = parties_.dialer->config();
    session.target = connection.target;
  }
  if (connection.driver == nullptr) {
    far_ = OpenTcpSession(context_, std::move(connection.tcp), connection.remote, std::move(session));
  } else if (connection.tls == nullptr) {
    far_ = OpenEndpointSession(context_, *connection.driver, connection.stream, connection.remote, std::move(session));
  } else {
    far_ = OpenTlsSession(context_, *connection.driver, connection.stream, connection.remote, std::move(connection.tls),
                          std::move(session));
    far_target_ = connection.target;
  }
}

void Relay::OnTimer(TimePoint now) {
  armed_for_ = kInfiniteFuture;
  if (!pump_ || is_done_) return;
  pump_->OnTimer(now);
  host_.Schedule(handle_);
}

void Relay::Account() {
  ObjectCounters& counters = parties_.forward->tally.counters;
  counters.rx_bytes += pump_->bytes_from_near() - std::exchange(counted_from_near_, pump_->bytes_from_near());
  counters.tx_bytes += pump_->bytes_from_far() - std::exchange(counted_from_far_, pump_->bytes_from_far());
}

bool Relay::IsQuiet(Duration silence) const {
  return pump_ && !pump_->is_stalled() && context_.now - pump_->last_moved() >= silence;
}

void Relay::Arm() {
  // Deadlines mostly move later with every byte: the timer is only ever moved earlier, and looks again when it fires.
  const TimePoint next = pump_->NextDeadline();
  if (next >= armed_for_) return;
  armed_for_ = next;
  timer_.Set(next);
}

void Relay::End(bool in_order) {
  if (is_done_) return;
  if (pump_) {
    pump_->End(context_.now, in_order);
    if (far_target_ != nullptr) JudgeTarget();
  } else {
    near_.stream->Reset(CloseReason::kAdmin);
    parties_.forward->tally.OnFailed();
  }
  is_done_ = true;
}

}  // namespace culvert::server
