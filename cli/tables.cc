#include "cli/tables.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "cli/escape.h"
#include "cli/units.h"
#include "proto/manifest/manifest.h"
#include "proto/manifest/schema.h"

namespace culvert::cli {
namespace {

template <typename Enum>
std::string EnumName(Enum value) {
  const auto* descriptor = google::protobuf::GetEnumDescriptor<Enum>()->FindValueByNumber(static_cast<int>(value));
  if (descriptor == nullptr) return absl::StrCat(static_cast<int>(value));
  return descriptor->number() == 0 ? "" : manifest::ShortName(descriptor);
}

std::string YesNo(bool value) { return value ? "yes" : "no"; }

std::string AgeOf(const google::protobuf::Timestamp& since, const TableOptions& options) {
  return since.seconds() == 0 ? "-" : HumanAge(options.now_seconds - since.seconds());
}

std::string NameOf(Kind kind, const std::string& name, const TableOptions& options) {
  return options.with_kind ? ToString({kind, Visible(name)}) : Visible(name);
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

void AddListener(const v1::Listener& listener, const TableOptions& options, Table& table) {
  const v1::ListenerSpec& spec = listener.spec();
  const v1::ListenerStatus& status = listener.status();
  std::vector<Cell> row = {NameOf(Kind::kListener, listener.metadata().name(), options), EnumName(spec.transport()),
                           // Port 0 asks for any port: the one that was given is what people look for.
                           spec.bind().ends_with(":0") && status.bound_addresses_size() > 0
                               ? FirstOf(status.bound_addresses())
                               : Visible(spec.bind()),
                           StateCell(status.state()), absl::StrCat(status.counters().active()),
                           HumanBytes(status.counters().rx_bytes()), HumanBytes(status.counters().tx_bytes())};
  if (options.wide) {
    row.insert(row.end(), {FirstOf(status.bound_addresses()), HeaderOf(spec), YesNo(HasTls(spec)), YesNo(spec.insecure()),
                           YesNo(spec.paused()), absl::StrCat(status.counters().rx_dropped()),
                           Visible(status.tls().spki_pin()), Reasons(status.conditions())});
  }
  row.push_back(AgeOf(listener.metadata().create_time(), options));
  table.Add(std::move(row));
}

void AddDialer(const v1::Dialer& dialer, const TableOptions& options, Table& table) {
  const v1::DialerSpec& spec = dialer.spec();
  const v1::DialerStatus& status = dialer.status();
  std::vector<Cell> row = {NameOf(Kind::kDialer, dialer.metadata().name(), options),
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

void AddForward(const v1::Forward& forward, const TableOptions& options, Table& table) {
  const v1::ForwardSpec& spec = forward.spec();
  const v1::ForwardStatus& status = forward.status();
  std::vector<Cell> row = {NameOf(Kind::kForward, forward.metadata().name(), options),
                           Visible(spec.listener()),
                           spec.dialer().empty() ? "<direct>" : Visible(spec.dialer()),
                           Visible(spec.destination()),
                           StateCell(status.state()),
                           absl::StrCat(status.counters().active()),
                           HumanBytes(status.counters().rx_bytes()),
                           HumanBytes(status.counters().tx_bytes())};
  if (options.wide) {
    row.insert(row.end(), {YesNo(spec.paused()), absl::StrCat(status.counters().opened()),
                           absl::StrCat(status.counters().failed()), Reasons(status.conditions())});
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

std::string SessionId(const v1::Session& session) {
  return Visible(std::string(absl::StripPrefix(session.name(), "sessions/")));
}

Table ObjectTable(Kind kind, const std::vector<v1::Object>& objects, const TableOptions& options) {
  std::vector<std::string> headers;
  if (kind == Kind::kListener) {
    headers = Headers({"NAME", "TRANSPORT", "BIND", "STATE", "SESSIONS", "RX", "TX", "AGE"},
                      {"BOUND", "HEADER", "TLS", "INSECURE", "PAUSED", "DROPPED", "PIN", "REASONS"}, options.wide);
  } else if (kind == Kind::kDialer) {
    headers = Headers({"NAME", "TRANSPORT", "TARGETS", "STATE", "SESSIONS", "RX", "TX", "AGE"},
                      {"HEADER", "TLS", "INSECURE", "PAUSED", "FAILED", "LAST-ERROR", "REASONS"}, options.wide);
  } else {
    headers = Headers({"NAME", "LISTENER", "DIALER", "DESTINATION", "STATE", "STREAMS", "RX", "TX", "AGE"},
                      {"PAUSED", "OPENED", "FAILED", "REASONS"}, options.wide);
  }
  Table table(std::move(headers));
  for (const v1::Object& object : objects) {
    if (kind == Kind::kListener) {
      AddListener(object.listener(), options, table);
    } else if (kind == Kind::kDialer) {
      AddDialer(object.dialer(), options, table);
    } else {
      AddForward(object.forward(), options, table);
    }
  }
  return table;
}

Table SessionTable(const std::vector<v1::Session>& sessions, const TableOptions& options) {
  Table table(Headers({"NAME", "TRANSPORT", "OWNER", "REMOTE", "STATE", "RTT", "RX", "TX", "AGE"},
                      {"FORWARD", "CWND", "IN-FLIGHT", "LOSS", "RETRANSMIT", "WASTE", "LIMITED-BY", "STREAMS",
                       "MIGRATIONS", "WORKER", "TLS", "PEER"},
                      options.wide));
  for (const v1::Session& session : sessions) {
    const v1::PathStats& path = session.path();
    const v1::Counters& counters = session.counters();
    const std::string id = SessionId(session);
    std::vector<Cell> row = {options.with_kind ? ToString({Kind::kSession, id}) : id,
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
                             Visible(session.tls().peer_name())});
    }
    row.push_back(AgeOf(session.open_time(), options));
    table.Add(std::move(row));
  }
  return table;
}

}  // namespace culvert::cli
