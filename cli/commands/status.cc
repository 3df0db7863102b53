// culvertctl status: the daemon in a handful of lines, faults by name.
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/advice/summary.h"
#include "cli/command.h"
#include "cli/objects/lists.h"
#include "cli/output/tables.h"
#include "cli/text/escape.h"
#include "cli/text/json.h"
#include "cli/text/printer.h"
#include "cli/text/units.h"
#include "culvert/v1/config.grpc.pb.h"
#include "culvert/v1/daemon.grpc.pb.h"
#include "proto/manifest/emitter.h"
#include "proto/manifest/manifest.h"

namespace culvert::cli {
namespace {

constexpr size_t kMostFaults = 3;  // named in one line; the rest are counted

// What the kinds' statuses share.
struct Condensed {
  std::string name;
  v1::State state = v1::STATE_UNSPECIFIED;
  std::string fault;  // empty: none known
  const v1::SocketStatus* socket = nullptr;
};

template <typename Conditions>
std::string FirstFault(const Conditions& conditions) {
  for (const v1::Condition& condition : conditions) {
    if (condition.status() == v1::Condition::STATUS_FALSE && !condition.message().empty())
      return Visible(condition.message());
  }
  return "";
}

Condensed Condense(const v1::Object& object) {
  Condensed out;
  out.name = Visible(manifest::MetadataOf(object).name());
  if (object.has_listener()) {
    out.state = object.listener().status().state();
    out.fault = FirstFault(object.listener().status().conditions());
  } else if (object.has_dialer()) {
    const v1::DialerStatus& status = object.dialer().status();
    out.state = status.state();
    int failing = 0;
    for (const v1::TargetStatus& target : status.targets()) failing += target.last_error_reason().empty() ? 0 : 1;
    out.fault = failing > 0 ? absl::StrFormat("%d of %d targets failing", failing, status.targets_size())
                            : FirstFault(status.conditions());
  } else {
    out.state = object.forward().status().state();
    out.fault = FirstFault(object.forward().status().conditions());
  }
  return out;
}

// "1 active, 1 degraded   (edge: 1 of 2 targets failing)"
Cell Summarize(const std::vector<v1::Object>& objects) {
  std::map<v1::State, int> states;
  std::vector<std::string> faults;
  Paint paint = Paint::kNone;
  for (const v1::Object& object : objects) {
    const Condensed one = Condense(object);
    ++states[one.state];
    if (one.state == v1::STATE_ACTIVE) continue;
    if (paint != Paint::kBad) paint = StateCell(one.state).paint;
    faults.push_back(one.fault.empty() ? one.name : one.name + ": " + one.fault);
  }
  if (states.empty()) return "none";
  std::vector<std::string> parts;
  for (const auto& [state, count] : states) {
    std::string name = StateName(state);
    absl::AsciiStrToLower(&name);
    parts.push_back(absl::StrCat(count, " ", name.empty() ? "unknown" : name));
  }
  std::string out = absl::StrJoin(parts, ", ");
  if (faults.size() > kMostFaults) {
    const size_t more = faults.size() - kMostFaults;
    faults.resize(kMostFaults);
    faults.push_back(absl::StrFormat("%d more", more));
  }
  if (!faults.empty()) absl::StrAppend(&out, "   (", absl::StrJoin(faults, "; "), ")");
  return {out, paint};
}

Cell DrainCell(const v1::Drain& drain) {
  std::string phase = v1::Drain::Phase_Name(drain.phase());
  absl::AsciiStrToLower(&phase);
  return {absl::StrFormat("%s%s: %d sessions, %d streams, %d UDP flows left", phase.starts_with("phase_") ? phase.substr(6) : "unknown",
                          drain.inbound_only() ? " what comes in" : "", drain.sessions_left(), drain.streams_left(), drain.udp_flows_left()),
          Paint::kWarn};
}

Cell CellOf(const Summary& summary) {
  const bool is_bad = summary.grade == Finding::Grade::kFail;
  return {summary.text, is_bad ? Paint::kBad : summary.grade == Finding::Grade::kWarn ? Paint::kWarn : Paint::kNone};
}

class Status : public Command {
 public:
  [[nodiscard]] Takes takes() const override { return {.formats = {Format::kTable, Format::kJson, Format::kYaml}}; }

  Outcome Run(Context& context) override {
    v1::GetDaemonResponse response;
    if (Outcome failed = context.client.Call<v1::DaemonService>(&v1::DaemonService::Stub::GetDaemon,
                                                                v1::GetDaemonRequest(), &response)) {
      return failed;
    }
    const v1::Daemon& daemon = response.daemon();
    if (context.globals.format == Format::kJson) {
      context.streams.out << ToJson(daemon);
      return std::nullopt;
    }
    if (context.globals.format == Format::kYaml) {
      context.streams.out << manifest::EmitFields(daemon, 0, {true});
      return std::nullopt;
    }
    std::map<Kind, std::vector<v1::Object>> objects;
    for (const Kind kind : {Kind::kListener, Kind::kDialer, Kind::kForward}) {
      if (Outcome failed = ListObjects(context.client, kind, objects[kind])) return failed;
    }
    v1::GetConfigStatusResponse config;
    if (Outcome failed = context.client.Call<v1::ConfigService>(&v1::ConfigService::Stub::GetConfigStatus, v1::GetConfigStatusRequest(), &config)) {
      return failed;
    }
    std::vector<v1::Object> all;
    for (const auto& [kind, some] : objects) all.insert(all.end(), some.begin(), some.end());
    const int64_t now = context.streams.now_seconds();
    Table table({"SUBJECT", "STATE"});
    table.Add({"DAEMON", absl::StrFormat("%s  %s  up %s  pid %d", Visible(daemon.hostname()), Visible(daemon.version()),
                                         HumanUptime(daemon.uptime().seconds()), daemon.pid())});
    table.Add({"WORKERS", absl::StrFormat("%d   (UDP offload: send %s, receive %s)", daemon.workers_size(),
                                          daemon.udp_gso() ? "on" : "off", daemon.udp_gro() ? "on" : "off")});
    if (const v1::Drain& drain = daemon.drain(); drain.phase() > v1::Drain::PHASE_SERVING) table.Add({"DRAIN", DrainCell(drain)});
    table.Add({"CONFIG", CellOf(SummarizeConfig(config, daemon, now))});
    table.Add({"STATE", CellOf(SummarizeState(config))});
    table.Add({"LISTENERS", Summarize(objects[Kind::kListener])});
    table.Add({"DIALERS", Summarize(objects[Kind::kDialer])});
    table.Add({"FORWARDS", Summarize(objects[Kind::kForward])});
    table.Add(
        {"SESSIONS", absl::StrFormat("%d   rx %s  tx %s", daemon.sessions(), HumanBytes(daemon.counters().rx_bytes()),
                                     HumanBytes(daemon.counters().tx_bytes()))});
    table.Add({"BUFFERS", Buffers(objects)});
    table.Add({"CERTIFICATES", CellOf(SummarizeCertificates(all, now))});
    for (const v1::Warning& warning : daemon.warnings()) {
      const std::string where = warning.field().empty() ? "" : Visible(warning.field()) + ": ";
      table.Add(
          {"WARNING", Cell(where + Visible(warning.message()) + " (" + Visible(warning.reason()) + ")", Paint::kWarn)});
    }
    table.Print(context.streams.out, {false, context.streams.color});
    return std::nullopt;
  }

 private:
  // The smallest granted UDP buffers; the daemon warns when they are too small.
  static std::string Buffers(const std::map<Kind, std::vector<v1::Object>>& objects) {
    uint64_t receive = UINT64_MAX, send = UINT64_MAX;
    const auto take = [&](const v1::SocketStatus& socket) {
      if (socket.receive_buffer_bytes() > 0) receive = std::min<uint64_t>(receive, socket.receive_buffer_bytes());
      if (socket.send_buffer_bytes() > 0) send = std::min<uint64_t>(send, socket.send_buffer_bytes());
    };
    for (const v1::Object& object : objects.at(Kind::kListener)) take(object.listener().status().socket());
    for (const v1::Object& object : objects.at(Kind::kDialer)) take(object.dialer().status().socket());
    if (receive == UINT64_MAX && send == UINT64_MAX) return "-";
    return absl::StrFormat("least receive %s, send %s", receive == UINT64_MAX ? "-" : HumanBytes(receive),
                           send == UINT64_MAX ? "-" : HumanBytes(send));
  }
};

}  // namespace

Verb AddStatus(CLI::App& root) {
  auto command = std::make_unique<Status>();
  CLI::App* app = AddVerb(root, "status", "Shows how the daemon and its objects are.",
                          "culvertctl status\n"
                          "culvertctl status -o json");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
