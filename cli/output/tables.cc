#include "cli/output/tables.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/advice/limits.h"
#include "cli/text/enum_name.h"
#include "cli/text/escape.h"
#include "cli/text/units.h"
#include "proto/manifest/manifest.h"

namespace culvert::cli {
namespace {

std::string YesNo(bool value) { return value ? "yes" : "no"; }

std::string AgeOf(const google::protobuf::Timestamp& since, const TableOptions& options) {
  return since.seconds() == 0 ? "-" : HumanAge(options.now_seconds - since.seconds());
}

std::string NameCell(Kind kind, const std::string& resource, const TableOptions& options) {
  const std::string name = Visible(BriefName(kind, resource));
  return options.with_kind ? ToString({kind, name}) : name;
}

// The first of several, and how many more there are.
template <typename Strings>
std::string FirstOf(const Strings& strings) {
  if (strings.empty()) return "";
  return Visible(strings[0]) + (strings.size() > 1 ? absl::StrFormat("+%d", strings.size() - 1) : "");
}

// Why an object is not ready: the reasons of its false conditions.
template <typename Conditions>
std::string Reasons(const Conditions& conditions) {
  std::string out;
  for (const v1::Condition& condition : conditions) {
    if (condition.status() == v1::Condition::STATUS_FALSE)
      absl::StrAppend(&out, out.empty() ? "" : ",", Visible(condition.reason()));
  }
  return out;
}

std::vector<std::string> Headers(std::vector<std::string> narrow, const std::vector<std::string>& wide, bool is_wide) {
  if (is_wide) narrow.insert(narrow.end() - 1, wide.begin(), wide.end());  // AGE stays last
  return narrow;
}

// The disguise of a listener's or dialer's datagrams; empty: the default, or none.
template <typename Spec>
std::string HeaderOf(const Spec& spec) {
  return EnumName(spec.has_quic() ? spec.quic().outer().header() : spec.kcp().header());
}

// QUIC always has it.
template <typename Spec>
bool HasTls(const Spec& spec) {
  return spec.has_tls() || spec.transport() == v1::TRANSPORT_QUIC;
}

// "APPLICATION:91.3%,PACING:8.7%": shares of the session's age, but those that are none.
std::string TimeInLimitCell(const v1::TimeInLimit& time) {
  std::string cell;
  const LimitTimes times = LimitTimes::Of(time);
  for (const Limit limit : kLimits) {
    if (times.share(limit) < 0.0005) continue;  // it would show as 0.0%
    absl::StrAppend(&cell, cell.empty() ? "" : ",", EnumName(limit), ":", HumanShare(times.share(limit)));
  }
  return cell;
}

void AddListener(const v1::Listener& listener, const TableOptions& options, Table& table) {
  const v1::ListenerSpec& spec = listener.spec();
  const v1::ListenerStatus& status = listener.status();
  std::vector<Cell> row = {NameCell(Kind::kListener, listener.metadata().name(), options), EnumName(spec.transport()),
                           // Port 0 asks for any port: the one that was given is what people look for.
                           spec.bind().ends_with(":0") && status.bound_addresses_size() > 0
                               ? FirstOf(status.bound_addresses())
                               : Visible(spec.bind()),
                           StateCell(status.state()), absl::StrCat(status.counters().active()),
                           HumanBytes(status.counters().rx_bytes()), HumanBytes(status.counters().tx_bytes())};
  if (options.wide) {
    row.insert(row.end(), {EnumName(spec.protocol()), FirstOf(status.bound_addresses()), HeaderOf(spec), YesNo(HasTls(spec)),
                           YesNo(spec.insecure()), YesNo(spec.paused()), absl::StrCat(status.counters().rx_dropped()),
                           Visible(status.tls().spki_pin()), Reasons(status.conditions())});
  }
  row.push_back(AgeOf(listener.metadata().create_time(), options));
  table.Add(std::move(row));
}

void AddDialer(const v1::Dialer& dialer, const TableOptions& options, Table& table) {
  const v1::DialerSpec& spec = dialer.spec();
  const v1::DialerStatus& status = dialer.status();
  std::vector<Cell> row = {NameCell(Kind::kDialer, dialer.metadata().name(), options),
                           EnumName(spec.transport()),
                           FirstOf(spec.targets()),
                           StateCell(status.state()),
                           absl::StrCat(status.counters().active()),
                           HumanBytes(status.counters().rx_bytes()),
                           HumanBytes(status.counters().tx_bytes())};
  if (options.wide) {
    std::string last_error;
    for (const v1::TargetStatus& target : status.targets()) {
      if (!target.last_error_reason().empty()) last_error = Visible(target.last_error_reason());
    }
    row.insert(row.end(),
               {HeaderOf(spec), YesNo(HasTls(spec)), YesNo(spec.insecure()), YesNo(spec.paused()),
                absl::StrCat(status.counters().failed()), last_error, Reasons(status.conditions())});
  }
  row.push_back(AgeOf(dialer.metadata().create_time(), options));
  table.Add(std::move(row));
}

// A reverse forward has no listener on its private side and no dialer on its public one: what comes, or goes, is the name.
std::string ListenerCell(const v1::ForwardSpec& spec) {
  return spec.listener().empty() && !spec.reverse().empty() ? "reverse:" + Visible(spec.reverse())
                                                            : Visible(spec.listener());
}
std::string DialerCell(const v1::ForwardSpec& spec) {
  if (!spec.dialer().empty()) return Visible(spec.dialer());
  return spec.reverse().empty() ? "<direct>" : "reverse:" + Visible(spec.reverse());
}

uint64_t SumOf(const google::protobuf::Map<std::string, uint64_t>& counts) {
  uint64_t sum = 0;
  for (const auto& [reason, count] : counts) sum += count;
  return sum;
}

void AddForward(const v1::Forward& forward, const TableOptions& options, Table& table) {
  const v1::ForwardSpec& spec = forward.spec();
  const v1::ForwardStatus& status = forward.status();
  std::vector<Cell> row = {NameCell(Kind::kForward, forward.metadata().name(), options),
                           ListenerCell(spec),
                           DialerCell(spec),
                           Visible(spec.destination()),
                           StateCell(status.state()),
                           absl::StrCat(status.counters().active()),
                           HumanBytes(status.counters().rx_bytes()),
                           HumanBytes(status.counters().tx_bytes())};
  if (options.wide) {
    row.insert(row.end(), {YesNo(spec.paused()), absl::StrCat(status.counters().opened()),
                           absl::StrCat(status.counters().failed()), absl::StrCat(status.udp_flows()),
                           absl::StrCat(SumOf(status.refused_streams())), Reasons(status.conditions())});
  }
  row.push_back(AgeOf(forward.metadata().create_time(), options));
  table.Add(std::move(row));
}

// "TLSv1.3/h2", "+resumed" behind it.
std::string TlsCell(const v1::Session& session) {
  if (!session.has_tls()) return "";
  const v1::TlsSession& tls = session.tls();
  return Visible(tls.version()) + (tls.alpn().empty() ? "" : "/" + Visible(tls.alpn())) + (tls.resumed() ? "+resumed" : "");
}

std::string Share(uint64_t part, uint64_t whole) {
  return HumanShare(whole == 0 ? std::nullopt
                               : std::optional<double>(static_cast<double>(part) / static_cast<double>(whole)));
}

void AddSession(const v1::Session& session, const TableOptions& options, Table& table) {
  const v1::PathStats& path = session.path();
  const v1::Counters& counters = session.counters();
  std::vector<Cell> row = {NameCell(Kind::kSession, session.name(), options),
                           EnumName(session.transport()),
                           OwnerOf(session),
                           Visible(session.remote_address()),
                           StateCell(session.state()),
                           path.has_smoothed_rtt() ? HumanLatency(path.smoothed_rtt()) : "-",
                           HumanBytes(counters.rx_bytes()),
                           HumanBytes(counters.tx_bytes())};
  if (options.wide) {
    row.insert(row.end(), {Visible(session.forward()), HumanBytes(path.congestion_window_bytes()),
                           HumanBytes(path.bytes_in_flight()), Share(counters.lost_packets(), counters.tx_segments()),
                           Share(counters.retransmitted_packets(), counters.tx_segments()),
                           path.waste_ratio() > 0 ? absl::StrFormat("%.2f", path.waste_ratio()) : "-",
                           EnumName(path.limited_by()), StreamsCell(session), MigrationsCell(session),
                           absl::StrCat(session.worker()), TlsCell(session),
                           Visible(session.tls().peer_name()), TimeInLimitCell(path.time_in_limit())});
  }
  row.push_back(AgeOf(session.open_time(), options));
  table.Add(std::move(row));
}

void AddStream(const v1::Stream& stream, const TableOptions& options, Table& table) {
  std::vector<Cell> row = {NameCell(Kind::kStream, stream.name(), options),
                           Visible(stream.forward()),
                           Visible(stream.source()),
                           DestinationCell(stream.destination()),
                           StateCell(stream.state()),
                           HumanBytes(stream.counters().rx_bytes()),
                           HumanBytes(stream.counters().tx_bytes())};
  if (options.wide) {
    row.insert(row.end(), {SessionId(stream.session()), SessionId(stream.far_session()),
                           stream.has_connect_latency() ? HumanLatency(stream.connect_latency()) : "-",
                           HumanAge(stream.idle_time().seconds()), absl::StrCat(stream.worker())});
  }
  row.push_back(AgeOf(stream.open_time(), options));
  table.Add(std::move(row));
}

void AddUdpFlow(const v1::UdpFlow& flow, const TableOptions& options, Table& table) {
  std::vector<Cell> row = {NameCell(Kind::kUdpFlow, flow.name(), options),
                           Visible(flow.forward()),
                           Visible(flow.source()),
                           DestinationCell(flow.destination()),
                           HumanBytes(flow.counters().rx_bytes()),
                           HumanBytes(flow.counters().tx_bytes()),
                           absl::StrCat(flow.counters().rx_dropped()),
                           HumanAge(flow.idle_time().seconds())};
  if (options.wide) {
    row.insert(row.end(), {Visible(flow.outside_address()), SessionId(flow.session()), absl::StrCat(flow.queued_packets()),
                           HumanAge(flow.idle_timeout().seconds()), absl::StrCat(flow.worker()),
                           AgeOf(flow.open_time(), options)});
  }
  table.Add(std::move(row));
}

void AddEvent(const v1::Event& event, const TableOptions& options, Table& table) {
  table.Add({AgeOf(event.last_time(), options), AgeOf(event.first_time(), options), absl::StrCat(event.count()),
             EventTypeName(event.type()), Visible(event.reason()), Visible(event.subject()), Visible(event.message())});
}

void AddObject(const v1::Object& object, const TableOptions& options, Table& table) {
  if (object.has_listener()) return AddListener(object.listener(), options, table);
  if (object.has_dialer()) return AddDialer(object.dialer(), options, table);
  AddForward(object.forward(), options, table);
}

}  // namespace

Cell StateCell(v1::State state) {
  switch (state) {
    case v1::STATE_ACTIVE:
      return {StateName(state), Paint::kGood};
    case v1::STATE_PENDING:
    case v1::STATE_DEGRADED:
    case v1::STATE_DRAINING:
      return {StateName(state), Paint::kWarn};
    case v1::STATE_FAILED:
      return {StateName(state), Paint::kBad};
    default:
      return {StateName(state)};
  }
}

std::string StateName(v1::State state) { return EnumName(state); }

std::string OwnerOf(const v1::Session& session) {
  if (!session.listener().empty()) return "lsn/" + Visible(session.listener());
  return session.dialer().empty() ? "" : "dl/" + Visible(session.dialer());
}

std::string StreamsCell(const v1::Session& session) {
  if (session.transport() != v1::TRANSPORT_QUIC) return "-";
  return absl::StrFormat("%d/%d", session.open_streams(), session.max_streams());
}

std::string MigrationsCell(const v1::Session& session) {
  return session.transport() != v1::TRANSPORT_QUIC ? "-" : absl::StrCat(session.path().migrations());
}

std::string SessionId(const v1::Session& session) { return SessionId(session.name()); }
std::string SessionId(const std::string& name) { return Visible(BriefName(Kind::kSession, name)); }
std::string StreamId(const v1::Stream& stream) { return Visible(BriefName(Kind::kStream, stream.name())); }
std::string UdpFlowId(const v1::UdpFlow& flow) { return Visible(BriefName(Kind::kUdpFlow, flow.name())); }

std::string DestinationCell(const std::string& destination) {
  return destination.empty() ? "<far-side>" : Visible(destination);
}

std::string EventTypeName(v1::Event::Type type) {
  switch (type) {
    case v1::Event::TYPE_NORMAL:
      return "Normal";
    case v1::Event::TYPE_WARNING:
      return "Warning";
    default:
      return EnumName(type);
  }
}

Table HeadingsOf(Kind kind, const TableOptions& options) {
  switch (kind) {
    case Kind::kListener:
      return Table(Headers({"NAME", "TRANSPORT", "BIND", "STATE", "SESSIONS", "RX", "TX", "AGE"},
                           {"PROTOCOL", "BOUND", "HEADER", "TLS", "INSECURE", "PAUSED", "DROPPED", "PIN", "REASONS"}, options.wide));
    case Kind::kDialer:
      return Table(Headers({"NAME", "TRANSPORT", "TARGETS", "STATE", "SESSIONS", "RX", "TX", "AGE"},
                           {"HEADER", "TLS", "INSECURE", "PAUSED", "FAILED", "LAST-ERROR", "REASONS"}, options.wide));
    case Kind::kForward:
      return Table(Headers({"NAME", "LISTENER", "DIALER", "DESTINATION", "STATE", "STREAMS", "RX", "TX", "AGE"},
                           {"PAUSED", "OPENED", "FAILED", "FLOWS", "REFUSED", "REASONS"}, options.wide));
    case Kind::kSession:
      return Table(Headers({"NAME", "TRANSPORT", "OWNER", "REMOTE", "STATE", "RTT", "RX", "TX", "AGE"},
                           {"FORWARD", "CWND", "IN-FLIGHT", "LOSS", "RETRANSMIT", "WASTE", "LIMITED-BY", "STREAMS", "MIGRATIONS",
                            "WORKER", "TLS", "PEER", "TIME-IN-LIMIT"},
                           options.wide));
    case Kind::kStream:
      return Table(Headers({"NAME", "FORWARD", "SOURCE", "DESTINATION", "STATE", "RX", "TX", "AGE"},
                           {"SESSION", "FAR-SESSION", "CONNECT", "IDLE", "WORKER"}, options.wide));
    case Kind::kUdpFlow: {
      std::vector<std::string> headers = {"NAME", "FORWARD", "SOURCE", "DESTINATION", "RX", "TX", "DROPPED", "IDLE"};
      // How long it was silent says more of a flow than when it began, which is why AGE is not in every table.
      if (options.wide) headers.insert(headers.end(), {"OUTSIDE", "SESSION", "QUEUED", "TIMEOUT", "WORKER", "AGE"});
      return Table(std::move(headers));
    }
    case Kind::kEvent:
      break;
  }
  return Table({"LAST", "FIRST", "COUNT", "TYPE", "REASON", "SUBJECT", "MESSAGE"});
}

void AddRow(const Resource& resource, const TableOptions& options, Table& table) {
  switch (KindOf(resource)) {
    case Kind::kSession:
      return AddSession(std::get<v1::Session>(resource), options, table);
    case Kind::kStream:
      return AddStream(std::get<v1::Stream>(resource), options, table);
    case Kind::kUdpFlow:
      return AddUdpFlow(std::get<v1::UdpFlow>(resource), options, table);
    case Kind::kEvent:
      return AddEvent(std::get<v1::Event>(resource), options, table);
    default:
      return AddObject(std::get<v1::Object>(resource), options, table);
  }
}

Table TableOf(const Group& group, const TableOptions& options) {
  Table table = HeadingsOf(group.kind, options);
  for (const Resource& resource : group.items) AddRow(resource, options, table);
  return table;
}

Table EventTable(const std::vector<v1::Event>& events, const TableOptions& options) {
  Table table = HeadingsOf(Kind::kEvent, options);
  for (const v1::Event& event : events) AddEvent(event, options, table);
  return table;
}

}  // namespace culvert::cli
