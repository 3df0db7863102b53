// culvertctl check: what a person would look for first, and whether the far sides answer. Changes nothing.
#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/advice/checks.h"
#include "cli/command.h"
#include "cli/objects/lists.h"
#include "cli/text/escape.h"
#include "cli/text/json.h"
#include "cli/text/units.h"
#include "culvert/v1/config.grpc.pb.h"
#include "culvert/v1/daemon.grpc.pb.h"
#include "culvert/v1/dialer.grpc.pb.h"
#include "google/protobuf/struct.pb.h"
#include "proto/manifest/manifest.h"

namespace culvert::cli {
namespace {

constexpr size_t kMostProbed = 32;

class Check : public Command {
 public:
  bool no_probe = false;
  std::string timeout_text = "3s";

  [[nodiscard]] Takes takes() const override { return {.formats = {Format::kTable, Format::kJson}}; }

  Outcome Validate(const Globals&) override {
    const auto timeout = manifest::ParseDuration(timeout_text);
    if (!timeout.ok()) return Usage("--timeout: " + std::string(timeout.status().message()));
    if (Seconds(*timeout) <= 0 || Seconds(*timeout) > 60) return Usage("--timeout: above 0, at most 60s");
    timeout_ = *timeout;
    return std::nullopt;
  }

  Outcome Run(Context& context) override {
    Surveyed surveyed;
    if (Outcome failed = Survey(context, surveyed)) return failed;
    for (const Finding& finding : Judge(surveyed)) Show(context, finding);
    for (const v1::Object& object : surveyed.objects) {
      if (object.has_dialer()) Probe(context, object.dialer());
    }
    if (context.globals.format == Format::kJson) context.streams.out << ToJson(document_);
    if (failed_ == 0) return std::nullopt;
    return Failure{ExitCode::kFalse, {absl::StrFormat("%d check%s failed", failed_, failed_ == 1 ? "" : "s")}, "", ""};
  }

 private:
  static Outcome Survey(Context& context, Surveyed& surveyed) {
    Client& client = context.client;
    v1::GetDaemonResponse daemon;
    if (Outcome failed = client.Call<v1::DaemonService>(&v1::DaemonService::Stub::GetDaemon, v1::GetDaemonRequest(), &daemon)) return failed;
    surveyed.now = context.streams.now_seconds();
    surveyed.client_version = CULVERT_VERSION;
    surveyed.daemon = daemon.daemon();
    if (Outcome failed = client.Call<v1::ConfigService>(&v1::ConfigService::Stub::GetConfigStatus, v1::GetConfigStatusRequest(), &surveyed.config)) {
      return failed;
    }
    for (const Kind kind : {Kind::kListener, Kind::kDialer, Kind::kForward}) {
      if (Outcome failed = ListObjects(client, kind, surveyed.objects)) return failed;
    }
    return ListSessions(client, surveyed.sessions);
  }

  void Show(Context& context, const Finding& finding) {
    if (finding.grade == Finding::Grade::kFail) ++failed_;
    if (context.globals.format == Format::kJson) {
      auto& fields = *(*document_.mutable_fields())["checks"].mutable_list_value()->add_values()->mutable_struct_value()->mutable_fields();
      fields["check"].set_string_value(finding.check);
      fields["grade"].set_string_value(GradeName(finding.grade));
      fields["detail"].set_string_value(finding.detail);
      fields["fix"].set_string_value(finding.fix);
      return;
    }
    if (context.globals.quiet && finding.grade <= Finding::Grade::kSkipped) return;
    std::ostream& out = context.streams.out;
    static constexpr const char* kColors[] = {"\x1b[32m", "", "\x1b[33m", "\x1b[31m"};
    const std::string paint = context.streams.color ? kColors[static_cast<size_t>(finding.grade)] : "";
    out << paint << absl::StrFormat("%-4s", GradeName(finding.grade)) << (paint.empty() ? "" : "\x1b[0m")
        << absl::StrFormat("  %-12s  %s", finding.check, finding.detail) << "\n";
    if (!finding.fix.empty()) out << "                    fix: " << finding.fix << "\n";
    out << std::flush;  // what follows may take its time
  }

  void Probe(Context& context, const v1::Dialer& dialer) {
    const std::string name = "dialer/" + Visible(dialer.metadata().name());
    if (no_probe) return;
    if (++probed_ > kMostProbed) {
      if (probed_ == kMostProbed + 1) Show(context, {Finding::Grade::kSkipped, "far side", absl::StrFormat("%s and later ones: %d dialers were tried", name, kMostProbed), ""});
      return;
    }
    v1::ProbeDialerRequest request;
    request.set_name(dialer.metadata().name());
    request.set_count(1);
    *request.mutable_timeout() = timeout_;
    grpc::ClientContext call;
    // Targets are tried one after the other.
    Client::SetDeadline(call, context.client.request_timeout() + FromSeconds(Seconds(timeout_)) * std::max(1, dialer.spec().targets_size()));
    const auto stub = v1::DialerService::NewStub(context.client.channel());
    const auto reader = stub->ProbeDialer(&call, request);
    std::map<std::string, v1::ProbeDialerResponse> last;
    v1::ProbeDialerResponse step;
    // As many as a dialer has targets, and some; more is a daemon that never comes to an end.
    constexpr size_t kMostSteps = 1024;
    size_t count = 0;
    while (count < kMostSteps && reader->Read(&step)) {
      last[step.target()] = step;
      ++count;
    }
    if (count == kMostSteps) call.TryCancel();
    const grpc::Status status = reader->Finish();
    if (!status.ok()) {
      const bool is_denied = ExitCodeOf(status.error_code()) == ExitCode::kDenied;
      return Show(context, {is_denied ? Finding::Grade::kSkipped : Finding::Grade::kWarn, "far side",
                            name + " was not tried: " + Visible(status.error_message()), is_denied ? "trying a dialer takes the role operator" : ""});
    }
    std::vector<v1::ProbeDialerResponse> steps;
    for (auto& [target, one] : last) steps.push_back(std::move(one));
    for (const Finding& finding : JudgeProbe(dialer, steps)) Show(context, finding);
  }

  google::protobuf::Duration timeout_;
  google::protobuf::Struct document_;
  size_t probed_ = 0;
  int failed_ = 0;
};

}  // namespace

Verb AddCheck(CLI::App& root) {
  auto command = std::make_unique<Check>();
  CLI::App* app = AddVerb(root, "check", "Looks for what is wrong: versions, clock, limits, buffers, certificates, MTU, far sides. Exit 1: something failed.",
                          "culvertctl check\n"
                          "culvertctl check -q                only what is wrong\n"
                          "culvertctl check --no-probe -o json");
  app->add_flag("--no-probe", command->no_probe, "do not try the dialers' far sides");
  app->add_option("--timeout", command->timeout_text, "how long one far side is waited for (3s)");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
