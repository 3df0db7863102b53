// A UDP relay's flows as others see them: where they go, and that they have ended (EndedLog).
#include <utility>

#include "core/io/monotonic_clock.h"
#include "server/listener_runtime.h"
#include "server/udp_relay.h"
#include "server/worker_context.h"

namespace culvert::server {

std::string UdpRelay::DestinationOf(const dispatch::Flow& flow) const {
  const bool is_none = flow.host.empty() && flow.destination.ip.family() == IpAddress::Family::kNone;
  return is_none ? DefaultDestination() : dispatch::Destination{flow.destination, flow.host}.ToString();
}

void UdpRelay::Record(const dispatch::Flow* flow, EndedRecord::Verdict verdict, std::string_view reason, const std::string& message) {
  EndedRecord record;
  record.ended_at_unix_ns = io::UnixNanoseconds();
  record.kind = EndedRecord::Kind::kUdpFlow;
  record.verdict = verdict;
  record.reason = reason;
  record.message = message;
  record.forward = setup_.parties.forward->config->id.name;
  if (setup_.parties.listener != nullptr) record.listener = setup_.parties.listener->config()->id.name;
  if (!setup_.session.is_null()) record.session_id = context_.sessions->IdOf(setup_.session);
  if (!far_session_.is_null()) record.far_session_id = context_.sessions->IdOf(far_session_);
  record.source = setup_.source;
  record.destination = flow != nullptr ? DestinationOf(*flow) : setup_.request.destination.host.empty() ? DefaultDestination() : setup_.request.destination.ToString();
  if (flow != nullptr) {
    record.duration = context_.now - flow->opened_at;
    record.rx_packets = flow->counters.rx_packets;
    record.rx_bytes = flow->counters.rx_bytes;
    record.tx_packets = flow->counters.tx_packets;
    record.tx_bytes = flow->counters.tx_bytes;
    record.dropped = flow->counters.dropped;
  }
  record.worker = context_.index;
  context_.ended.Add(std::move(record));
}

}  // namespace culvert::server
