#include "server/drain.h"

#include <map>
#include <set>

#include "server/stats_proto.h"

namespace culvert::server {
namespace {

bool IsFromFar(const ObjectTable& table, const std::string& listener) {
  const EntryPtr entry = table.Find({Kind::kListener, listener});
  if (entry == nullptr) return false;
  const v1::Transport transport = entry->object.listener().spec().transport();
  return transport == v1::TRANSPORT_KCP || transport == v1::TRANSPORT_QUIC;
}

// The forwards whose streams and flows come from another daemon.
std::set<std::string> InboundForwards(const ObjectTable& table) {
  std::set<std::string> inbound;
  for (const EntryPtr& entry : table.OfKind(Kind::kForward)) {
    const v1::ForwardSpec& spec = entry->object.forward().spec();
    const bool is_private = !spec.reverse().empty() && !spec.dialer().empty();
    if (is_private || IsFromFar(table, spec.listener())) inbound.insert(entry->object.forward().metadata().name());
  }
  return inbound;
}

}  // namespace

void Drain::Begin(const DrainRequest& request, Duration timeout, TimePoint now, int64_t now_unix_ns) {
  if (phase_ != v1::Drain::PHASE_DRAINING) {
    left_ = {};
    start_unix_ns_ = now_unix_ns;
  }
  request_ = request;
  deadline_ = now + timeout;
  deadline_unix_ns_ = now_unix_ns + timeout.count();
  end_unix_ns_ = 0;
  phase_ = v1::Drain::PHASE_DRAINING;
}

Drain::Left Drain::LeftIn(const MergedReport& report, const ObjectTable& table) const {
  const bool is_whole = !request_.inbound_only;
  const std::set<std::string> inbound = is_whole ? std::set<std::string>() : InboundForwards(table);
  Left left;
  std::set<std::string> in_use;  // sessions
  const auto is_meant = [&](const std::string& forward) { return is_whole || inbound.contains(forward); };
  for (const StreamSnapshot& stream : report.streams) {
    if (!is_meant(stream.forward)) continue;
    ++left.streams;
    in_use.insert(stream.session_id);
    in_use.insert(stream.far_session_id);
  }
  for (const UdpFlowSnapshot& flow : report.udp_flows) {
    if (!is_meant(flow.forward)) continue;
    ++left.udp_flows;
    in_use.insert(flow.session_id);
  }
  for (const SessionSnapshot& session : report.sessions) {
    if (in_use.contains(session.id)) {
      ++left.sessions;
    } else if (!session.listener.empty() && (is_whole || IsFromFar(table, session.listener))) {
      left.idle_sessions.push_back(session.id);
    }
  }
  return left;
}

bool Drain::Note(const Left& left, TimePoint now, int64_t now_unix_ns) {
  left_ = left;
  if (phase_ != v1::Drain::PHASE_DRAINING) return false;
  if (!left.IsNothing() && now < deadline_) return false;
  phase_ = left.IsNothing() ? v1::Drain::PHASE_DRAINED : v1::Drain::PHASE_TIMED_OUT;
  end_unix_ns_ = now_unix_ns;
  return true;
}

DrainMode Drain::mode() const {
  if (phase_ == v1::Drain::PHASE_SERVING) return DrainMode::kNone;
  return request_.inbound_only ? DrainMode::kInbound : DrainMode::kWhole;
}

v1::Drain Drain::ToProto() const {
  v1::Drain drain;
  drain.set_phase(phase_);
  if (phase_ == v1::Drain::PHASE_SERVING) return drain;
  drain.set_inbound_only(request_.inbound_only);
  *drain.mutable_start_time() = ToTimestamp(start_unix_ns_);
  *drain.mutable_deadline() = ToTimestamp(deadline_unix_ns_);
  if (end_unix_ns_ != 0) *drain.mutable_end_time() = ToTimestamp(end_unix_ns_);
  drain.set_sessions_left(left_.sessions);
  drain.set_streams_left(left_.streams);
  drain.set_udp_flows_left(left_.udp_flows);
  drain.set_exits(request_.exit_when_drained);
  return drain;
}

}  // namespace culvert::server
