// culvertctl dial: tries a target the way a dialer would, attempt by attempt, as ping does.
#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "cli/command.h"
#include "cli/objects/kinds.h"
#include "cli/process/interrupt.h"
#include "cli/text/escape.h"
#include "cli/text/json.h"
#include "cli/text/units.h"
#include "culvert/v1/dialer.grpc.pb.h"
#include "proto/manifest/manifest.h"
#include "proto/manifest/set_field.h"

namespace culvert::cli {
namespace {

std::string Milliseconds(const google::protobuf::Duration& elapsed) {
  return absl::StrFormat("%.0fms", Seconds(elapsed) * 1e3);
}

std::string PhaseName(v1::ProbeDialerResponse::Phase phase) {
  switch (phase) {
    case v1::ProbeDialerResponse::PHASE_RESOLVE:
      return "resolve";
    case v1::ProbeDialerResponse::PHASE_SOCKET:
      return "socket";
    case v1::ProbeDialerResponse::PHASE_HANDSHAKE:
      return "handshake";
    case v1::ProbeDialerResponse::PHASE_READY:
      return "ready";
    default:
      return "step";
  }
}

// The steps of attempts as lines, and what they come to.
class Report {
 public:
  // Answers a line once an attempt has ended.
  std::string Add(const v1::ProbeDialerResponse& step) {
    Attempt& attempt = under_way_[{step.target(), step.attempt()}];
    std::string& line = attempt.line;
    if (line.empty()) line = absl::StrFormat("%d", step.attempt());
    const std::string phase = PhaseName(step.phase());
    if (!step.error_reason().empty()) {
      ++attempts_;
      absl::StrAppendFormat(&line, "  %s failed after %s: %s: %s%s", phase, Milliseconds(step.elapsed()),
                            Visible(step.error_reason()), Visible(step.error_message()), Place(step));
      return Take(step);
    }
    absl::StrAppendFormat(&line, "  %s %s", phase, Milliseconds(step.elapsed()));
    if (step.phase() == v1::ProbeDialerResponse::PHASE_HANDSHAKE) attempt.handshake_ms = Seconds(step.elapsed()) * 1e3;
    if (step.phase() != v1::ProbeDialerResponse::PHASE_READY) return "";
    ++attempts_;
    ++succeeded_;
    const double took = attempt.handshake_ms.value_or(Seconds(step.elapsed()) * 1e3);
    least_ = succeeded_ == 1 ? took : std::min(least_, took);
    most_ = std::max(most_, took);
    sum_ += took;
    // A probe sends no data, so there may be no sample.
    absl::StrAppendFormat(&line, "  rtt %s",
                          step.path().has_smoothed_rtt() ? HumanLatency(step.path().smoothed_rtt()) : "-");
    if (step.has_tls()) line += TlsText(step.tls());
    line += Place(step);
    return Take(step);
  }

  std::string Summary() const {
    std::string out = absl::StrFormat("%d attempt%s, %d ok", attempts_, attempts_ == 1 ? "" : "s", succeeded_);
    if (succeeded_ > 0) {
      absl::StrAppendFormat(&out, ", handshake min/avg/max %.0f/%.0f/%.0f ms", least_, sum_ / succeeded_, most_);
    }
    return out;
  }
  int succeeded() const { return succeeded_; }

 private:
  static std::string TlsText(const v1::TlsSession& tls) {
    std::string text = absl::StrFormat("  %s %s", Visible(tls.version()), Visible(tls.cipher()));
    if (!tls.alpn().empty()) absl::StrAppend(&text, " ", Visible(tls.alpn()));
    if (!tls.peer_name().empty()) absl::StrAppend(&text, " peer ", Visible(tls.peer_name()));
    return text + (tls.resumed() ? " resumed" : "");
  }
  static std::string Place(const v1::ProbeDialerResponse& step) {
    if (step.address().empty()) return "  " + Visible(step.target());
    return "  " + Visible(step.address()) + (step.address() == step.target() ? "" : "  " + Visible(step.target()));
  }
  std::string Take(const v1::ProbeDialerResponse& step) {
    return under_way_.extract({step.target(), step.attempt()}).mapped().line;
  }

  struct Attempt {
    std::string line;
    std::optional<double> handshake_ms;
  };
  std::map<std::pair<std::string, uint32_t>, Attempt> under_way_;
  int attempts_ = 0;
  int succeeded_ = 0;
  double least_ = 0, most_ = 0, sum_ = 0;
};

class Dial : public Command {
 public:
  std::string subject;
  std::string transport;
  std::vector<std::string> settings;
  uint32_t count = 1;
  std::string timeout_text = "5s";
  bool insecure = false;

  [[nodiscard]] Takes takes() const override { return {.formats = {Format::kTable, Format::kJson, Format::kJsonLines}}; }
  Outcome Validate(const Globals&) override {
    if (subject.empty()) return Usage("a dialer or HOST:PORT is wanted", "culvertctl dial --help");
    if (count < 1 || count > 100) return Usage("--count: 1 to 100");
    const auto timeout = manifest::ParseDuration(timeout_text);
    if (!timeout.ok()) return Usage("--timeout: " + std::string(timeout.status().message()));
    if (Seconds(*timeout) <= 0 || Seconds(*timeout) > 60) return Usage("--timeout: above 0, at most 60s");
    request_.set_count(count);
    *request_.mutable_timeout() = *timeout;
    // Names hold no colon, addresses always do.
    return absl::StrContains(subject, ':') ? DescribeTarget() : NameDialer();
  }

  Outcome Run(Context& context) override {
    if (Outcome failed = context.client.Connect()) return failed;
    grpc::ClientContext call;
    // Attempts follow one another, for every target: the daemon ends the stream, this only bounds the wait.
    constexpr int kMostTargets = 64;
    Client::SetDeadline(call, FromSeconds((Seconds(request_.timeout()) + 1) * count * kMostTargets + 10));
    const auto stub = v1::DialerService::NewStub(context.client.channel());
    const InterruptScope interrupt([&call] { call.TryCancel(); });
    const auto reader = stub->ProbeDialer(&call, request_);
    v1::ProbeDialerResponse step;
    Report report;
    // A daemon that never comes to an end must not keep us: a step more than there can be is one too many.
    const size_t most_steps = size_t{4} * count * kMostTargets;
    size_t steps = 0;
    while (reader->Read(&step)) {
      if (++steps > most_steps) {
        call.TryCancel();
        static_cast<void>(reader->Finish());
        return Fail(ExitCode::kServer, "the daemon tells of more steps than there are");
      }
      const std::string line = report.Add(step);
      if (context.globals.format != Format::kTable) {
        context.streams.out << ToJsonLine(step) << std::endl;
      } else if (!line.empty()) {
        context.streams.out << line << std::endl;
      }
    }
    const grpc::Status status = reader->Finish();
    if (!status.ok() && !interrupt.interrupted()) return context.client.Explain(status);
    if (context.globals.format == Format::kTable) context.streams.out << report.Summary() << "\n";
    if (interrupt.interrupted()) return Failure{ExitCode::kInterrupted, {}, "", ""};
    if (report.succeeded() == 0) return Failure{ExitCode::kFalse, {}, "", ""};
    return std::nullopt;
  }

 private:
  Outcome NameDialer() {
    if (!transport.empty() || !settings.empty() || insecure) {
      return Usage("--transport, --set and --insecure describe a HOST:PORT; a dialer has its own settings");
    }
    if (const size_t slash = subject.find('/'); slash != std::string::npos) {
      const auto kind = ParseKind(subject.substr(0, slash));
      if (!kind.ok() || *kind != Kind::kDialer) return Usage("only a dialer can dial: dl/NAME");
      subject = subject.substr(slash + 1);
    }
    if (subject.empty()) return Usage("a name is wanted: dl/NAME");
    request_.set_name(subject);
    return std::nullopt;
  }

  Outcome DescribeTarget() {
    v1::DialerSpec& spec = *request_.mutable_spec();
    if (transport.empty())
      return Usage("--transport is wanted: KCP, QUIC, TCP or UDP",
                   "culvertctl dial HOST:PORT --transport KCP --set kcp.seed_file=seed");
    std::error_code error;
    const std::string here = std::filesystem::current_path(error).string();
    const auto set = [&](const std::string& path, const std::string& value) {
      return manifest::SetField(spec, path, value, here);
    };
    if (const absl::Status status = set("transport", transport); !status.ok()) {
      return Usage("--transport: " + std::string(status.message()).substr(std::string("transport: ").size()));
    }
    for (const std::string& setting : settings) {
      const size_t equals = setting.find('=');
      if (equals == std::string::npos || equals == 0) return Usage("--set: PATH=VALUE is wanted");
      const absl::Status status = set(setting.substr(0, equals), setting.substr(equals + 1));
      if (!status.ok()) return Usage("--set " + std::string(status.message()), "culvertctl explain dialer.spec");
    }
    if (insecure) spec.set_insecure(true);
    spec.clear_targets();
    spec.add_targets(subject);
    return std::nullopt;
  }

  v1::ProbeDialerRequest request_;
};

}  // namespace

Verb AddDial(CLI::App& root) {
  auto command = std::make_unique<Dial>();
  CLI::App* app = AddVerb(
      root, "dial", "Tries a dialer or a target and shows how long each step takes. Exit code 1: no attempt went well.",
      "culvertctl dial dl/site-b --count 3\n"
      "culvertctl dial db.internal:5432 --transport TCP\n"
      "culvertctl dial site-b.example:4000 --transport KCP --set kcp.seed_file=seed --set kcp.header=SRTP\n"
      "culvertctl dial site-b.example:4000 --transport KCP --set kcp.seed_file=seed --set tls.trust_file=ca.crt\n"
      "culvertctl dial dns.internal:53 --transport UDP\n"
      "culvertctl dial site-b.example:4433 --transport QUIC --set tls.pinned_spki=sha256/BASE64");
  app->add_option("target", command->subject, "NAME or dl/NAME of a dialer, or HOST:PORT");
  app->add_option("--transport", command->transport, "KCP, QUIC, TCP or UDP, with HOST:PORT");
  app->add_option("--set", command->settings, "PATH=VALUE in a dialer's spec, with HOST:PORT; may be repeated")
      ->allow_extra_args(false);
  app->add_flag("--insecure", command->insecure, "the same as --set insecure=true");
  app->add_option("--count", command->count, "attempts per target, 1 to 100 (1)");
  app->add_option("--timeout", command->timeout_text, "how long one attempt may take, at most 60s (5s)");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
