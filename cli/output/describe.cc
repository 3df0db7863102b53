// In the order of a description: what it is; how it is set; how it does; who has to do with it; conditions; events.
#include "cli/output/describe.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/advice/limits.h"
#include "cli/output/tables.h"
#include "cli/text/enum_name.h"
#include "cli/text/escape.h"
#include "cli/text/units.h"
#include "google/protobuf/util/time_util.h"
#include "proto/manifest/emitter.h"
#include "proto/manifest/manifest.h"

namespace culvert::cli {
namespace {

using google::protobuf::Timestamp;

template <typename Strings>
std::string Joined(const Strings& strings) {
  std::vector<std::string> parts;
  for (const auto& one : strings) parts.push_back(Visible(one));
  return absl::StrJoin(parts, ", ");
}

template <typename Map>
std::string JoinedPairs(const Map& map) {
  std::vector<std::string> parts;
  for (const auto& [key, value] : map) parts.push_back(Visible(absl::StrCat(key, "=", value)));
  std::sort(parts.begin(), parts.end());
  return absl::StrJoin(parts, ", ");
}

// Why and how often, the most frequent first.
Table Counts(const google::protobuf::Map<std::string, uint64_t>& counts) {
  std::vector<std::pair<std::string, uint64_t>> sorted(counts.begin(), counts.end());
  std::sort(sorted.begin(), sorted.end(), [](const auto& left, const auto& right) {
    return left.second != right.second ? left.second > right.second : left.first < right.first;
  });
  Table table({"REASON", "COUNT"});
  for (const auto& [reason, count] : sorted) table.Add({Visible(reason), absl::StrCat(count)});
  return table;
}

class Description {
 public:
  Description(const Surroundings& around, const Table::Options& options) : around_(around), facts_(options) {}

  Facts Finish() {
    AddEvents();
    return std::move(facts_);
  }

  void Add(const v1::Object& object) {
    if (object.has_listener()) {
      AddListener(object.listener());
    } else if (object.has_dialer()) {
      AddDialer(object.dialer());
    } else {
      AddForward(object.forward());
    }
  }
  void Add(const v1::Session& session);
  void Add(const v1::Stream& stream);
  void Add(const v1::UdpFlow& flow);
  void Add(const v1::Event& event);

 private:
  void AddListener(const v1::Listener& listener);
  void AddDialer(const v1::Dialer& dialer);
  void AddForward(const v1::Forward& forward);

  std::string Ago(const Timestamp& time) const {
    if (time.seconds() == 0) return "";
    return absl::StrFormat("%s (%s ago)", Visible(google::protobuf::util::TimeUtil::ToString(time)),
                           HumanAge(around_.now_seconds - time.seconds()));
  }
  std::string In(const Timestamp& time) const {
    const int64_t left = time.seconds() - around_.now_seconds;
    return left >= 0 ? "in " + HumanAge(left) : HumanAge(-left) + " ago";
  }

  // The first lines of all declared kinds. `conditions` tell which generation they are about.
  template <typename Conditions>
  void AddMetadata(const v1::Metadata& metadata, v1::State state, const Conditions& conditions) {
    facts_.Add("Name", Visible(metadata.name()));
    facts_.Add("State", StateCell(state));
    facts_.Add("Labels", JoinedPairs(metadata.labels()));
    facts_.Add("Annotations", JoinedPairs(metadata.annotations()));
    int64_t observed = metadata.generation();
    for (const v1::Condition& condition : conditions) observed = std::min<int64_t>(observed, condition.observed_generation());
    facts_.Add("Generation", absl::StrFormat("%d (observed %d)", metadata.generation(), observed));
    facts_.Add("Manager", Visible(metadata.manager()));
    facts_.Add("Created", Ago(metadata.create_time()));
    if (metadata.update_time().seconds() > metadata.create_time().seconds()) facts_.Add("Changed", Ago(metadata.update_time()));
    if (metadata.has_expire_time()) facts_.Add("Expires", In(metadata.expire_time()));
  }

  void AddSettings(const google::protobuf::Message& spec) { facts_.AddText("Settings", manifest::EmitFields(spec, 0, {true})); }

  void AddSocket(const v1::SocketStatus& socket) {
    if (socket.receive_buffer_bytes() == 0 && socket.send_buffer_bytes() == 0) return;
    facts_.Add("Socket", absl::StrFormat("receive buffer %s, send buffer %s, offload: send %s, receive %s",
                                         HumanBytes(socket.receive_buffer_bytes()), HumanBytes(socket.send_buffer_bytes()),
                                         socket.gso() ? "on" : "off", socket.gro() ? "on" : "off"));
  }

  void AddTls(const v1::TlsStatus& tls) {
    facts_.Add("Certificate", Visible(tls.certificate_subject()));
    facts_.Add("For names", Joined(tls.certificate_names()));
    if (tls.has_certificate_not_after()) {
      const int64_t left = tls.certificate_not_after().seconds() - around_.now_seconds;
      constexpr int64_t kSoon = 7 * 86400;
      const std::string until = google::protobuf::util::TimeUtil::ToString(tls.certificate_not_after());
      facts_.Add("Valid until", {absl::StrFormat("%s (%s)", Visible(until), In(tls.certificate_not_after())),
                                 left < 0 ? Paint::kBad : left < kSoon ? Paint::kWarn : Paint::kNone});
    }
    facts_.Add("Pin", Visible(tls.spki_pin()));
    facts_.Add("Handshakes", absl::StrFormat("%d, %d of them resumed, %d failed", tls.handshakes(), tls.handshakes_resumed(),
                                             tls.handshakes_failed()));
  }

  // Those that have counted anything, but bytes, which are always said.
  void AddCounters(const v1::Counters& counters) {
    Table table({"COUNTER", "RX", "TX"});
    const auto count = [](uint64_t value) { return absl::StrCat(value); };
    table.Add({"bytes", HumanBytes(counters.rx_bytes()), HumanBytes(counters.tx_bytes())});
    if (counters.rx_packets() + counters.tx_packets() > 0) {
      table.Add({"datagrams", count(counters.rx_packets()), count(counters.tx_packets())});
      table.Add({"datagram-bytes", HumanBytes(counters.rx_packet_bytes()), HumanBytes(counters.tx_packet_bytes())});
    }
    if (counters.rx_dropped() > 0) table.Add({"dropped", count(counters.rx_dropped()), "-"});
    if (counters.rx_segments() + counters.tx_segments() > 0) {
      table.Add({"segments", count(counters.rx_segments()), count(counters.tx_segments())});
      const auto part = [&](uint64_t value) {
        if (counters.tx_segments() == 0) return count(value);
        const double share = static_cast<double>(value) / static_cast<double>(counters.tx_segments());
        return absl::StrFormat("%d (%s)", value, HumanShare(share));
      };
      table.Add({"lost", "-", part(counters.lost_packets())});
      table.Add({"sent-again", "-", part(counters.retransmitted_packets())});
      if (counters.duplicate_segments() > 0) table.Add({"duplicate", count(counters.duplicate_segments()), "-"});
      if (counters.out_of_window_segments() > 0) table.Add({"out-of-window", count(counters.out_of_window_segments()), "-"});
    }
    facts_.AddTable("Traffic", table);
  }

  void AddOpened(const std::string& what, const v1::Counters& counters) {
    facts_.Add(what, absl::StrFormat("%d open, %d opened, %d closed, %d failed", counters.active(), counters.opened(), counters.closed(),
                                     counters.failed()));
  }

  template <typename Conditions>
  void AddConditions(const Conditions& conditions) {
    Table table({"TYPE", "STATUS", "REASON", "SINCE", "MESSAGE"});
    for (const v1::Condition& condition : conditions) {
      const std::string status = EnumName(condition.status());
      const std::string word = status.empty() ? "" : status.substr(0, 1) + absl::AsciiStrToLower(status.substr(1));
      const std::string since = condition.last_transition_time().seconds() == 0
                                    ? "-"
                                    : HumanAge(around_.now_seconds - condition.last_transition_time().seconds());
      table.Add({Visible(condition.type()),
                 {word, condition.status() == v1::Condition::STATUS_FALSE ? Paint::kBad : Paint::kNone},
                 Visible(condition.reason()), since, Visible(condition.message())});
    }
    facts_.AddTable("Conditions", table);
  }

  // Forwards that name it.
  template <typename Names>
  void AddUsers(Names&& names) {
    std::vector<std::string> users;
    for (const Resource& one : around_.forwards) {
      if (names(std::get<v1::Object>(one).forward().spec())) users.push_back(DisplayName(one));
    }
    facts_.Add("Used by", users.empty() ? "<none>" : absl::StrJoin(users, ", "));
  }

  void AddShares(const std::string& heading, const v1::TimeInLimit& time) {
    Table table({"LIMIT", "SHARE", "TIME"});
    const LimitTimes times = LimitTimes::Of(time);
    for (const Limit limit : kLimits) {
      if (times.in(limit) <= 0) continue;
      table.Add({EnumName(limit), HumanShare(times.share(limit)), HumanUptime(static_cast<int64_t>(times.in(limit)))});
    }
    facts_.AddTable(heading, table);
  }

  void AddPath(const v1::PathStats& path);

  void AddEvents() {
    Table table({"LAST", "TYPE", "REASON", "COUNT", "MESSAGE"});
    for (const v1::Event& event : around_.events) {
      table.Add({event.last_time().seconds() == 0 ? "-" : HumanAge(around_.now_seconds - event.last_time().seconds()),
                 {EventTypeName(event.type()), event.type() == v1::Event::TYPE_WARNING ? Paint::kWarn : Paint::kNone},
                 Visible(event.reason()), absl::StrCat(event.count()), Visible(event.message())});
    }
    facts_.AddTable("Events", table);
  }

  const Surroundings& around_;
  Facts facts_;
};

void Description::AddListener(const v1::Listener& listener) {
  const v1::ListenerStatus& status = listener.status();
  AddMetadata(listener.metadata(), status.state(), status.conditions());
  facts_.Add("Bound to", Joined(status.bound_addresses()));
  AddOpened("Sessions", status.counters());
  AddUsers([&](const v1::ForwardSpec& spec) {
    return spec.listener() == listener.metadata().name() || spec.reverse_listener() == listener.metadata().name();
  });
  AddSocket(status.socket());
  if (status.has_tls()) AddTls(status.tls());
  AddSettings(listener.spec());
  AddCounters(status.counters());
  facts_.AddTable("Dropped datagrams", Counts(status.dropped_datagrams()));
  facts_.AddTable("Refused streams", Counts(status.refused_streams()));
  AddConditions(status.conditions());
}

void Description::AddDialer(const v1::Dialer& dialer) {
  const v1::DialerStatus& status = dialer.status();
  AddMetadata(dialer.metadata(), status.state(), status.conditions());
  AddOpened("Sessions", status.counters());
  AddUsers([&](const v1::ForwardSpec& spec) { return spec.dialer() == dialer.metadata().name(); });
  AddSocket(status.socket());
  if (status.has_tls()) AddTls(status.tls());
  AddSettings(dialer.spec());
  Table targets({"TARGET", "ADDRESSES", "SESSIONS", "LAST-ERROR"});
  for (const v1::TargetStatus& target : status.targets()) {
    std::string error = Visible(target.last_error_reason());
    if (!target.last_error_message().empty()) error += ": " + Visible(target.last_error_message());
    targets.Add({Visible(target.target()), Joined(target.addresses()), absl::StrCat(target.sessions()),
                 {error, error.empty() ? Paint::kNone : Paint::kBad}});
  }
  facts_.AddTable("Targets", targets);
  AddCounters(status.counters());
  AddConditions(status.conditions());
}

void Description::AddForward(const v1::Forward& forward) {
  const v1::ForwardStatus& status = forward.status();
  AddMetadata(forward.metadata(), status.state(), status.conditions());
  AddOpened("Streams", status.counters());
  facts_.Add("UDP flows", absl::StrFormat("%d open, %d opened", status.udp_flows(), status.udp_flows_opened()));
  if (!forward.spec().reverse().empty()) facts_.Add("Parked streams", absl::StrCat(status.reverse_parked()));
  AddSettings(forward.spec());
  AddCounters(status.counters());
  facts_.AddTable("Dropped datagrams", Counts(status.dropped_datagrams()));
  facts_.AddTable("Refused streams", Counts(status.refused_streams()));
  AddConditions(status.conditions());
}

void Description::AddPath(const v1::PathStats& path) {
  Table table({"FIGURE", "VALUE"});
  const auto time = [&](const char* name, bool is_there, const google::protobuf::Duration& value) {
    if (is_there) table.Add({name, HumanLatency(value)});
  };
  const auto bytes = [&](const char* name, uint64_t value) {
    if (value > 0) table.Add({name, HumanBytes(value)});
  };
  time("rtt", path.has_smoothed_rtt(), path.smoothed_rtt());
  time("least-rtt", path.has_min_rtt(), path.min_rtt());
  time("rtt-variance", path.has_rtt_variance(), path.rtt_variance());
  time("retransmission-timeout", path.has_retransmission_timeout(), path.retransmission_timeout());
  bytes("congestion-window", path.congestion_window_bytes());
  bytes("slow-start-threshold", path.slow_start_threshold_bytes());
  if (path.congestion_window_bytes() > 0) table.Add({"in-flight", HumanBytes(path.bytes_in_flight())});
  bytes("peer-window", path.peer_window_bytes());
  bytes("send-queue", path.send_queue_bytes());
  bytes("receive-window", path.receive_window_bytes());
  bytes("receive-buffered", path.receive_buffered_bytes());
  if (path.pacing_bytes_per_second() > 0) table.Add({"pacing", HumanBitRate(static_cast<double>(path.pacing_bytes_per_second())) + "/s"});
  if (path.path_mtu_bytes() > 0) table.Add({"mtu", absl::StrCat(path.path_mtu_bytes(), "B")});
  if (path.path_mtu_reductions() > 0) table.Add({"mtu-reductions", absl::StrCat(path.path_mtu_reductions())});
  if (path.waste_ratio() > 0) table.Add({"waste", absl::StrFormat("%.2f", path.waste_ratio())});
  if (path.spurious_retransmits() > 0) table.Add({"sent-again-needlessly", absl::StrCat(path.spurious_retransmits())});
  if (path.migrations() > 0) table.Add({"migrations", absl::StrCat(path.migrations())});
  if (path.ecn_marks() > 0) table.Add({"ecn-marks", absl::StrCat(path.ecn_marks())});
  facts_.AddTable("Path", table);
  facts_.Add("Limited by", EnumName(path.limited_by()));
  AddShares("Time in limit", path.time_in_limit());
}

void Description::Add(const v1::Session& session) {
  facts_.Add("Name", SessionId(session));
  Cell state = StateCell(session.state());
  if (!session.transport_state().empty()) state.text += " (" + Visible(session.transport_state()) + ")";
  facts_.Add("State", std::move(state));
  facts_.Add("Transport", EnumName(session.transport()));
  facts_.Add("Owner", OwnerOf(session));
  facts_.Add("Forward", Visible(session.forward()));
  facts_.Add("Local", Visible(session.local_address()));
  facts_.Add("Remote", Visible(session.remote_address()));
  facts_.Add("Opened", Ago(session.open_time()));
  facts_.Add("Closed", Ago(session.close_time()));
  facts_.Add("Close reason", Visible(session.close_reason()));
  facts_.Add("Worker", absl::StrCat(session.worker()));
  if (session.conversation_id() > 0) facts_.Add("Conversation", absl::StrCat(session.conversation_id()));
  facts_.Add("Peer address", session.validated() ? "proven" : "not proven");
  if (session.insecure()) facts_.Add("Insecure", {"yes", Paint::kWarn});
  if (session.has_tls()) {
    const v1::TlsSession& tls = session.tls();
    facts_.Add("TLS", absl::StrFormat("%s  %s%s", Visible(tls.version()), Visible(tls.cipher()), tls.resumed() ? "  resumed" : ""));
    facts_.Add("ALPN", Visible(tls.alpn()));
    facts_.Add("Server name", Visible(tls.server_name()));
    facts_.Add("Peer", Visible(tls.peer_name()));
    if (tls.has_handshake_time()) facts_.Add("Handshake", HumanLatency(tls.handshake_time()));
  }
  if (session.transport() == v1::TRANSPORT_QUIC) {
    facts_.Add("Streams", absl::StrFormat("%s open, %d opened", StreamsCell(session), session.opened_streams()));
  }
  AddCounters(session.counters());
  if (session.has_path()) AddPath(session.path());
  const TableOptions options{.now_seconds = around_.now_seconds};
  facts_.AddTable("Streams", TableOf({Kind::kStream, around_.streams}, options));
}

void Description::Add(const v1::Stream& stream) {
  facts_.Add("Name", StreamId(stream));
  facts_.Add("State", StateCell(stream.state()));
  facts_.Add("Forward", Visible(stream.forward()));
  facts_.Add("Source", Visible(stream.source()));
  facts_.Add("Destination", DestinationCell(stream.destination()));
  facts_.Add("Session", SessionId(stream.session()));
  facts_.Add("Far session", SessionId(stream.far_session()));
  facts_.Add("Opened", Ago(stream.open_time()));
  if (stream.has_connect_latency()) facts_.Add("Connected in", HumanLatency(stream.connect_latency()));
  facts_.Add("Idle", HumanAge(stream.idle_time().seconds()));
  facts_.Add("Worker", absl::StrCat(stream.worker()));
  AddCounters(stream.counters());
  AddShares("Time in limit towards the source", stream.time_in_limit());
  AddShares("Time in limit towards the destination", stream.far_time_in_limit());
}

void Description::Add(const v1::UdpFlow& flow) {
  facts_.Add("Name", UdpFlowId(flow));
  facts_.Add("Forward", Visible(flow.forward()));
  facts_.Add("Listener", Visible(flow.listener()));
  facts_.Add("Session", SessionId(flow.session()));
  facts_.Add("Source", Visible(flow.source()));
  facts_.Add("Destination", DestinationCell(flow.destination()));
  facts_.Add("Seen as", Visible(flow.outside_address()));
  facts_.Add("Opened", Ago(flow.open_time()));
  facts_.Add("Idle", absl::StrFormat("%s of %s", HumanAge(flow.idle_time().seconds()), HumanAge(flow.idle_timeout().seconds())));
  facts_.Add("Waiting", absl::StrFormat("%d datagrams", flow.queued_packets()));
  facts_.Add("Worker", absl::StrCat(flow.worker()));
  AddCounters(flow.counters());
}

void Description::Add(const v1::Event& event) {
  facts_.Add("Revision", absl::StrCat(event.revision()));
  facts_.Add("Type", EventTypeName(event.type()));
  facts_.Add("Reason", Visible(event.reason()));
  facts_.Add("Subject", Visible(event.subject()));
  facts_.Add("Message", Visible(event.message()));
  facts_.Add("Count", absl::StrCat(event.count()));
  facts_.Add("First", Ago(event.first_time()));
  facts_.Add("Last", Ago(event.last_time()));
}

}  // namespace

Facts FactsAbout(const Resource& resource, const Surroundings& around, const Table::Options& options) {
  Description description(around, options);
  std::visit([&](const auto& one) { description.Add(one); }, resource);
  return description.Finish();
}

}  // namespace culvert::cli
