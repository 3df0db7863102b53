// A relay as others see it: while it lives (Snapshot) and when it has ended (EndedLog).
#include <utility>

#include "server/listener_runtime.h"
#include "server/relay.h"
#include "server/worker_context.h"

namespace culvert::server {

std::string Relay::destination() const {
  if (near_.door != nullptr && !near_.door->request().destination.host.empty()) return near_.door->request().destination.ToString();
  const HostPort& fixed = parties_.forward->config->destination;
  return fixed.host.empty() ? std::string() : fixed.ToString();
}

void Relay::RecordPump() {
  const auto verdict = pump_->was_cut() ? EndedRecord::Verdict::kBroken : EndedRecord::Verdict::kClosed;
  switch (pump_->end()) {
    case PumpEnd::kIdleTimeout: return Record(verdict, kEndedIdle);
    case PumpEnd::kRequested: return Record(verdict, kEndedHere);
    case PumpEnd::kNearBroke: return Record(verdict, kEndedBySource);
    case PumpEnd::kFarBroke: return Record(verdict, kEndedByFarSide);
    case PumpEnd::kFinished:
    case PumpEnd::kNone: return Record(verdict, kEndedFinished);
  }
}

void Relay::Record(EndedRecord::Verdict verdict, std::string_view reason, std::string message) {
  EndedRecord record;
  record.ended_at_unix_ns = opened_at_unix_ns_ + (context_.now - opened_at_).count();
  record.verdict = verdict;
  record.reason = reason;
  record.message = std::move(message);
  record.forward = parties_.forward->config->id.name;
  if (parties_.listener != nullptr) record.listener = parties_.listener->config()->id.name;
  if (!near_.session.is_null()) record.session_id = context_.sessions->IdOf(near_.session);
  if (!far_.session.is_null()) record.far_session_id = context_.sessions->IdOf(far_.session);
  record.source = source();
  record.destination = destination();
  record.duration = context_.now - opened_at_;
  if (pump_) {
    record.rx_bytes = pump_->bytes_from_near();
    record.tx_bytes = pump_->bytes_from_far();
  }
  record.worker = context_.index;
  context_.ended.Add(std::move(record));
}

StreamSnapshot Relay::Snapshot() const {
  StreamSnapshot snapshot;
  snapshot.session = near_.session;
  snapshot.far_session = far_.session;
  snapshot.forward = parties_.forward->config->id.name;
  snapshot.source = source();
  snapshot.destination = destination();
  snapshot.is_open = pump_.has_value();
  snapshot.opened_at_unix_ns = opened_at_unix_ns_;
  snapshot.connect_latency = connect_latency_;
  snapshot.rx_bytes = pump_ ? pump_->bytes_from_near() : 0;
  snapshot.tx_bytes = pump_ ? pump_->bytes_from_far() : 0;
  snapshot.idle = pump_ ? context_.now - pump_->last_moved() : Duration::zero();
  if (near_.stream != nullptr) snapshot.time_in_limit = near_.stream->time_in_limit();
  if (far_.stream != nullptr) snapshot.far_time_in_limit = far_.stream->time_in_limit();
  return snapshot;
}

}  // namespace culvert::server
