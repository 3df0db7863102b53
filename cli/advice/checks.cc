#include "cli/advice/checks.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "cli/advice/parts.h"
#include "cli/text/escape.h"
#include "cli/text/units.h"

namespace culvert::cli {
namespace {

using Grade = Finding::Grade;

constexpr int64_t kMostSkew = 5;            // seconds between two clocks
constexpr uint64_t kFewFiles = 4096;
constexpr uint32_t kSmallestQuic = 1200;    // RFC 9000 section 14: what every path carries

// "1.2" of "1.2.3"
std::string MinorOf(const std::string& version) {
  const std::vector<std::string> parts = absl::StrSplit(version, '.');
  return parts.size() < 2 ? version : parts[0] + "." + parts[1];
}

class Judgement {
 public:
  explicit Judgement(const Surveyed& surveyed) : surveyed_(surveyed) {}

  std::vector<Finding> All() {
    Versions();
    Clock();
    Files();
    Offloads();
    Buffers();
    State();
    Config();
    Readiness();
    Certificates();
    Security();
    Mtu();
    Silence();
    return std::move(findings_);
  }

 private:
  void Add(Grade grade, const char* check, std::string detail, std::string fix = "") {
    findings_.push_back({grade, check, std::move(detail), std::move(fix)});
  }

  void Versions() {
    const std::string server = Visible(surveyed_.daemon.version());
    const std::string both = absl::StrCat("client ", surveyed_.client_version, ", daemon ", server.empty() ? "unknown" : server);
    if (MinorOf(surveyed_.client_version) == MinorOf(surveyed_.daemon.version())) return Add(Grade::kOk, "versions", both);
    Add(Grade::kWarn, "versions", both, "use a culvertctl of the daemon's version: what one does not know the other may show wrong");
  }

  void Clock() {
    const v1::Daemon& daemon = surveyed_.daemon;
    const int64_t skew = std::abs(daemon.time().seconds() - surveyed_.now);
    if (daemon.has_time() && skew > kMostSkew) {
      return Add(Grade::kWarn, "clock", absl::StrFormat("the daemon's clock and this one are %s apart", HumanAge(skew)),
                 "set both by NTP: certificates and the order of events depend on it");
    }
    if (!daemon.clock_is_synchronized()) {
      return Add(Grade::kWarn, "clock", "nothing keeps the daemon's clock right, as far as its kernel knows",
                 "run chrony or systemd-timesyncd on the daemon's host");
    }
    Add(Grade::kOk, "clock", "kept right by the daemon's host");
  }

  void Files() {
    const v1::Daemon& daemon = surveyed_.daemon;
    if (daemon.open_files_limit() == 0) return Add(Grade::kSkipped, "files", "the daemon does not say");
    const std::string used = absl::StrFormat("%d of %d file descriptors in use", daemon.open_files(), daemon.open_files_limit());
    const std::string fix = "raise the limit: LimitNOFILE= of the unit, or ulimit -n";
    if (daemon.open_files() > daemon.open_files_limit() / 5 * 4) return Add(Grade::kFail, "files", used, fix);
    if (daemon.open_files_limit() < kFewFiles) return Add(Grade::kWarn, "files", used + ": few for a tunnel", fix);
    Add(Grade::kOk, "files", used);
  }

  void Offloads() {
    const v1::Daemon& daemon = surveyed_.daemon;
    if (daemon.udp_gso() && daemon.udp_gro()) return Add(Grade::kOk, "offloads", "GSO and GRO in use");
    Add(Grade::kWarn, "offloads",
        absl::StrFormat("GSO %s, GRO %s", daemon.udp_gso() ? "in use" : "not available", daemon.udp_gro() ? "in use" : "not available"),
        "datagrams cost several times the processor: Linux 5.0 has both, and a sandbox may take them away");
  }

  // The reasons why objects have a condition that is false, grouped by message.
  std::map<std::string, std::vector<std::string>> Faults(const std::string& type) const {
    std::map<std::string, std::vector<std::string>> faults;
    for (const v1::Object& object : surveyed_.objects) {
      ForEachCondition(object, [&](const v1::Condition& condition) {
        if (condition.type() == type && condition.status() == v1::Condition::STATUS_FALSE) {
          faults[Visible(condition.message())].push_back(PrintableName(object));
        }
      });
    }
    return faults;
  }

  void Buffers() {
    const auto faults = Faults("BuffersGranted");
    if (faults.empty()) return Add(Grade::kOk, "buffers", "sockets have the buffers that were asked for");
    for (const auto& [message, names] : faults) {
      Add(Grade::kWarn, "buffers", Some(names) + ": " + message, "on the daemon's host or node, then restart it; in Kubernetes by the node's administrator");
    }
  }

  void State() {
    bool is_whole = true;
    for (const v1::Condition& condition : surveyed_.daemon.conditions()) {
      if (condition.status() != v1::Condition::STATUS_FALSE || condition.type() == "ConfigAccepted") continue;
      is_whole = false;
      // Where there is no place for it, nobody asked for it to be kept, or it could not be: at the start that was said.
      const bool has_place = !surveyed_.config.state_file().empty();
      Add(has_place ? Grade::kFail : Grade::kWarn, "state", Visible(condition.message()),
          has_place ? "culvertctl logs --level warning" : "culvertd --state-dir DIR keeps them");
    }
    if (is_whole) Add(Grade::kOk, "state", surveyed_.config.state_is_kept() ? "what the API makes is kept" : "nothing is kept beyond the daemon's end");
  }

  void Config() {
    const v1::GetConfigStatusResponse& config = surveyed_.config;
    if (!config.rejected_message().empty()) {
      return Add(Grade::kFail, "config", "changed files were refused: " + Visible(config.rejected_message()), "correct the file that is named; the last good set is in force");
    }
    const std::vector<std::string> folders(config.config_dirs().begin(), config.config_dirs().end());
    Add(Grade::kOk, "config", folders.empty() ? "no configuration folder" : Visible(absl::StrJoin(folders, ", ")) + " is in force");
  }

  void Readiness() {
    size_t unready = 0;
    for (const v1::Object& object : surveyed_.objects) {
      ForEachCondition(object, [&](const v1::Condition& condition) {
        if (condition.type() != "Ready" || condition.status() != v1::Condition::STATUS_FALSE) return;
        ++unready;
        const bool is_meant = condition.reason() == "Paused" || condition.reason() == "Draining";
        Add(is_meant ? Grade::kWarn : Grade::kFail, "objects", PrintableName(object) + ": " + Visible(condition.message()),
            is_meant ? "" : "culvertctl describe " + PrintableName(object));
      });
    }
    if (unready == 0) Add(Grade::kOk, "objects", absl::StrFormat("%d declared, none of them in trouble", surveyed_.objects.size()));
  }

  void Certificates() {
    size_t shown = 0;
    size_t troubled = 0;
    for (const auto& [message, names] : Faults("CertificateValid")) {
      ++troubled;
      Add(Grade::kFail, "certificates", Some(names) + ": " + message, "put a valid certificate and key in their place; they are taken within seconds");
    }
    for (const v1::Object& object : surveyed_.objects) {
      const v1::TlsStatus* tls = TlsOf(object);
      if (tls == nullptr || !tls->has_certificate_not_after()) continue;
      ++shown;
      const int64_t left = tls->certificate_not_after().seconds() - surveyed_.now;
      if (left <= 0 || left > kCertificateEndsSoon) continue;  // what has ended is in the condition
      ++troubled;
      Add(left < kDaySeconds ? Grade::kFail : Grade::kWarn, "certificates",
          absl::StrFormat("%s: %s ends in %s", PrintableName(object), Visible(tls->certificate_subject()), HumanAge(left)), "renew it; the new files are taken within seconds");
    }
    if (troubled == 0) Add(Grade::kOk, "certificates", shown == 0 ? "none in use" : absl::StrFormat("%d in use, all good for two weeks", shown));
  }

  void Security() {
    const auto faults = Faults("Secure");
    if (faults.empty()) return Add(Grade::kOk, "security", "nobody gets in who should not, as far as settings say");
    for (const auto& [message, names] : faults) Add(Grade::kWarn, "security", Some(names) + ": " + message);
  }

  void Mtu() {
    std::vector<std::string> reduced;
    std::vector<std::string> small;
    for (const v1::Session& session : surveyed_.sessions) {
      const v1::PathStats& path = session.path();
      if (path.path_mtu_reductions() > 0) reduced.push_back(absl::StrFormat("session/%s: %d bytes", Visible(session.name().substr(session.name().find('/') + 1)), path.path_mtu_bytes()));
      const bool is_small = session.transport() == v1::TRANSPORT_QUIC && path.path_mtu_bytes() > 0 && path.path_mtu_bytes() <= kSmallestQuic;
      if (is_small && path.path_mtu_reductions() == 0) small.push_back("session/" + Visible(session.name().substr(session.name().find('/') + 1)));
    }
    if (!reduced.empty()) {
      Add(Grade::kWarn, "mtu", "large datagrams stopped arriving: " + Some(reduced), "a tunnel or firewall on the path drops them without saying so: let ICMP through, or lower max_udp_payload_bytes (kcp.mtu_bytes)");
    }
    if (!small.empty()) Add(Grade::kWarn, "mtu", "the path carries no more than 1200 bytes: " + Some(small), "something on the path has a small MTU; more than that is not found to arrive");
    if (reduced.empty() && small.empty()) Add(Grade::kOk, "mtu", "no path that shrank");
  }

  // What came to an open port and could not be understood.
  void Silence() {
    static const std::map<std::string, std::string> kMeanings = {
        {"bad_auth_tag", "sent by someone with another seed, security or profile"},
        {"malformed", "not in the form that this listener expects: another header, another transport, or a stranger"},
        {"unsupported_version", "QUIC of a version that is not spoken here"},
    };
    bool is_quiet = true;
    for (const v1::Object& object : surveyed_.objects) {
      if (!object.has_listener()) continue;
      const v1::ListenerStatus& status = object.listener().status();
      uint64_t taken = status.counters().rx_packets();
      for (const auto& [reason, count] : status.dropped_datagrams()) taken -= std::min(taken, count);
      for (const auto& [reason, meaning] : kMeanings) {
        const auto found = status.dropped_datagrams().find(reason);
        // Strangers knock at every open port; what is worth a word is much of it, or nothing else.
        if (found == status.dropped_datagrams().end() || found->second * 10 < taken) continue;
        is_quiet = false;
        Add(Grade::kWarn, "silence", absl::StrFormat("%s left %d datagrams unanswered (%s): %s", PrintableName(object), found->second, reason, meaning),
            "compare seed, header, profile and security with the peer's; culvertctl events shows who came");
      }
    }
    if (is_quiet) Add(Grade::kOk, "silence", "listeners understand what they are sent");
  }

  const Surveyed& surveyed_;
  std::vector<Finding> findings_;
};

// What an error of a probe says about the far side.
Finding JudgeFailure(const v1::Dialer& dialer, const v1::ProbeDialerResponse& step) {
  Finding finding{Grade::kFail, "far side", "", ""};
  finding.detail = absl::StrFormat("dialer/%s, %s: %s: %s", Visible(dialer.metadata().name()), Visible(step.target()), Visible(step.error_reason()),
                                   Visible(step.error_message()));
  const bool is_silent = step.error_reason() == "NO_ANSWER" || step.error_reason() == "HANDSHAKE_TIMEOUT" || step.error_reason() == "TIMEOUT";
  if (step.phase() == v1::ProbeDialerResponse::PHASE_RESOLVE) {
    finding.fix = "the name has no address here: look at the daemon's resolver";
  } else if (is_silent && dialer.spec().transport() == v1::TRANSPORT_KCP) {
    finding.fix = "silence: nothing listens there, a firewall drops it, or seed, header size or profile differ: there, culvertctl check shows which";
  } else if (is_silent && dialer.spec().transport() == v1::TRANSPORT_QUIC) {
    finding.fix = "silence: nothing listens there, a firewall drops UDP, or the wrapper (quic.outer) differs";
  } else {
    finding.fix = "culvertctl dial dl/" + Visible(dialer.metadata().name()) + " --count 3";
  }
  return finding;
}

}  // namespace

std::string GradeName(Grade grade) {
  switch (grade) {
    case Grade::kOk: return "OK";
    case Grade::kSkipped: return "SKIP";
    case Grade::kWarn: return "WARN";
    case Grade::kFail: break;
  }
  return "FAIL";
}

std::vector<Finding> Judge(const Surveyed& surveyed) { return Judgement(surveyed).All(); }

std::vector<Finding> JudgeProbe(const v1::Dialer& dialer, const std::vector<v1::ProbeDialerResponse>& last_steps) {
  std::vector<Finding> findings;
  for (const v1::ProbeDialerResponse& step : last_steps) {
    if (!step.error_reason().empty()) {
      findings.push_back(JudgeFailure(dialer, step));
    } else {
      findings.push_back({Grade::kOk, "far side", absl::StrFormat("dialer/%s, %s answers", Visible(dialer.metadata().name()), Visible(step.target())), ""});
    }
  }
  return findings;
}

}  // namespace culvert::cli
