#include "server/tls_handshake.h"

#include <algorithm>
#include <utility>

#include "server/worker_context.h"

namespace culvert::server {

bool TlsHandshake::TurnQueue::Run() {
  for (int i = 0; i < kTurns && !waiting_.empty(); ++i) {
    TlsHandshake* handshake = waiting_.front();
    waiting_.pop_front();
    if (handshake == nullptr) continue;
    handshake->is_waiting_ = false;
    handshake->OnTurn();
  }
  return !waiting_.empty();
}

TlsHandshake::TlsHandshake(WorkerContext& context, std::unique_ptr<TlsStream> stream, TimePoint deadline, Owner& owner)
    : context_(context), owner_(owner), stream_(std::move(stream)), timer_(context.timers, *this) {
  stream_->set_observer(this);
  timer_.Set(deadline);
  AskForTurn();
}

TlsHandshake::~TlsHandshake() {
  if (stream_) stream_->set_observer(nullptr);
  if (is_waiting_) std::ranges::replace(context_.handshakes.waiting_, this, static_cast<TlsHandshake*>(nullptr));
}

void TlsHandshake::AskForTurn() {
  if (std::exchange(is_waiting_, true)) return;
  context_.handshakes.waiting_.push_back(this);
}

void TlsHandshake::OnTimer(TimePoint /*now*/) {
  is_overdue_ = true;
  AskForTurn();
}

void TlsHandshake::OnTurn() {
  using Progress = tls::TlsConnection::Progress;
  const Progress progress = stream_->Handshake();
  if (progress == Progress::kFailed) {
    const tls::TlsFailure failure = stream_->failure();
    End(std::string(tls::TlsFailureName(failure)), stream_->failure_message());
    return;
  }
  if (progress == Progress::kWaiting) {
    if (stream_->IsBroken()) return End("TLS_TRUNCATED", "the session ended in the middle of the handshake");
    if (is_overdue_) End("HANDSHAKE_TIMEOUT", "the TLS handshake was not done in time");
    return;
  }
  stream_->set_observer(nullptr);
  timer_.Cancel();
  owner_.OnHandshakeOver(*this);
}

void TlsHandshake::End(std::string reason, std::string message) {
  error_reason_ = std::move(reason);
  error_message_ = std::move(message);
  // In order, so that an alert reaches the peer; without one there is nothing to deliver.
  if (stream_->failure() == tls::TlsFailure::kNone) {
    stream_->Reset(CloseReason::kAborted);
  } else {
    stream_->Close();
  }
  timer_.Cancel();
  owner_.OnHandshakeOver(*this);
}

}  // namespace culvert::server
