// culvertctl version: ours, and the daemon's when it can be reached.
#include <utility>

#include "absl/strings/str_join.h"
#include "cli/command.h"
#include "cli/text/escape.h"
#include "cli/text/json.h"
#include "culvert/v1/daemon.grpc.pb.h"

namespace culvert::cli {
namespace {

// Of "1.2.3": "1.2", which is what must agree for everything to be understood at both ends.
std::string MajorMinor(const std::string& version) {
  const size_t dot = version.find('.');
  return dot == std::string::npos ? version : version.substr(0, version.find('.', dot + 1));
}

class Version : public Command {
 public:
  bool client_only = false;

  [[nodiscard]] Takes takes() const override { return {.formats = {Format::kTable, Format::kJson}}; }

  Outcome Run(Context& context) override {
    std::ostream& out = context.streams.out;
    v1::GetDaemonResponse response;
    Outcome failed;
    if (!client_only) {
      failed = context.client.Call<v1::DaemonService>(&v1::DaemonService::Stub::GetDaemon, v1::GetDaemonRequest(),
                                                      &response);
    }
    const v1::Daemon& daemon = response.daemon();
    const bool is_skewed = response.has_daemon() && MajorMinor(daemon.version()) != MajorMinor(CULVERT_VERSION);
    if (is_skewed) {
      const std::string theirs = Visible(daemon.version());
      context.streams.err << "warning: culvertctl is " CULVERT_VERSION " and culvertd " << theirs
                          << ": what one of them has learnt since, the other does not know\n";
    }
    if (context.globals.format == Format::kJson) {
      v1::Daemon server;  // of all that it says of itself, what is asked for here
      server.set_version(daemon.version());
      *server.mutable_features() = daemon.features();
      out << "{\"client\": {\"version\": \"" CULVERT_VERSION "\"}, \"server\": "
          << (response.has_daemon() ? ToJsonLine(server) : "null") << ", \"skew\": " << (is_skewed ? "true" : "false") << "}\n";
      return failed;
    }
    out << "client " CULVERT_VERSION;
    if (failed) {
      out << "  server unreachable";
    } else if (!client_only) {
      out << "  server " << Visible(daemon.version()) << "  api v1";
      if (daemon.features_size() > 0) out << "  features " << Visible(absl::StrJoin(daemon.features(), ","));
    }
    out << "\n";
    return failed;
  }
};

}  // namespace

Verb AddVersion(CLI::App& root) {
  auto command = std::make_unique<Version>();
  CLI::App* app = AddVerb(root, "version", "Shows the versions of culvertctl and of the daemon.",
                          "culvertctl version\n"
                          "culvertctl version --client     ask no daemon");
  app->add_flag("--client", command->client_only, "only ours");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
