#include "server/options.h"

#include <CLI/CLI.hpp>

#include <google/protobuf/util/time_util.h>

#include <map>
#include <sstream>
#include <utility>

#include "absl/status/statusor.h"
#include "core/base/address.h"
#include "proto/manifest/manifest.h"
#include "server/credential_folders.h"

namespace culvert::server {
namespace {

constexpr char kExamples[] =
    R"(Examples:
  culvertd                                    start empty; steer it with culvertctl
  culvertd --config-dir /etc/culvertd/config  start with the objects of a folder
  culvertd --control unix:/tmp/c.sock --log-format json --workers 2

Signals: SIGTERM and SIGINT stop in order (see --drain-timeout); a second one stops at once.
Exit status: 0 stopped, 2 usage or bad configuration, 1 anything else.)";

constexpr Duration kMaxDrainTimeout = std::chrono::hours(1);

// As given, before it is understood.
struct RawOptions {
  std::vector<std::string> config_dirs;
  std::vector<std::string> credentials_dirs;
  std::string control;
  Options::ControlTcp control_tcp;
  std::string access_policy;
  uint32_t workers = 0;
  std::string observe;
  bool unready_on_drain = false;
  std::vector<std::string> ready_requires;
  std::string drain_timeout = "10s";
  std::string log_format;
  std::string log_level = "info";
  std::string state_dir;
};

void Declare(CLI::App& app, RawOptions& raw) {
  app.footer(kExamples);
  app.set_version_flag("--version", "culvertd " CULVERT_VERSION, "print the version and exit");
  app.add_option("--config-dir", raw.config_dirs, "load *.yaml, *.yml and *.json of DIR; may be given several times")
      ->type_name("DIR")
      ->envname("CULVERTD_CONFIG_DIR");
  app.add_option("--credentials-dir", raw.credentials_dirs,
                 "callers of the control API who are no admins may name files of keys, certificates, seeds and users below DIR, where no link "
                 "leads out of it; may be given several times; default: they may name none")
      ->type_name("DIR")
      ->envname("CULVERTD_CREDENTIALS_DIR");
  app.add_option("--control", raw.control,
                 "control socket; default unix:/run/culvertd/control.sock, for other users than root "
                 "unix:$XDG_RUNTIME_DIR/culvertd/control.sock")
      ->type_name("unix:PATH")
      ->envname("CULVERTD_CONTROL");
  app.add_option("--control-tcp", raw.control_tcp.bind,
                 "serve the control API over TCP too, with TLS that both sides show certificates for; needs the three files below and "
                 "--access-policy")
      ->type_name("ADDRESS:PORT")
      ->envname("CULVERTD_CONTROL_TCP");
  app.add_option("--control-cert", raw.control_tcp.certificate_file, "certificate of --control-tcp (PEM), read again when it changes")
      ->type_name("FILE")
      ->envname("CULVERTD_CONTROL_CERT");
  app.add_option("--control-key", raw.control_tcp.private_key_file, "its private key (PEM)")
      ->type_name("FILE")
      ->envname("CULVERTD_CONTROL_KEY");
  app.add_option("--control-trust", raw.control_tcp.trust_file, "certificates that vouch for clients of --control-tcp (PEM)")
      ->type_name("FILE")
      ->envname("CULVERTD_CONTROL_TRUST");
  app.add_flag("--control-reflection", raw.control_tcp.reflection, "gRPC reflection over TCP too; the Unix socket always has it")
      ->envname("CULVERTD_CONTROL_REFLECTION");
  app.add_option("--access-policy", raw.access_policy,
                 "who may use the control API as what (YAML: rules with principals and role), read again when it changes; default: root "
                 "and our own user are admins, our own group operators, on the Unix socket")
      ->type_name("FILE")
      ->envname("CULVERTD_ACCESS_POLICY");
  app.add_option("--workers", raw.workers, "worker threads; default one per processor that we may use")
      ->type_name("N")
      ->check(CLI::Range(1, 256))
      ->envname("CULVERTD_WORKERS");
  app.add_option("--drain-timeout", raw.drain_timeout, "how long a stop lets streams that are moving data go on before it resets them; default 10s")
      ->type_name("DURATION")
      ->envname("CULVERTD_DRAIN_TIMEOUT");
  app.add_option("--observe", raw.observe,
                 "serve /metrics, /livez, /readyz and /startupz over HTTP without TLS: for probes and scrapers, not for the Internet; default: no port")
      ->type_name("[HOST]:PORT")
      ->envname("CULVERTD_OBSERVE");
  app.add_flag("--unready-on-drain", raw.unready_on_drain,
               "/readyz says no while the daemon drains: only for load balancers that keep the flows of who is not ready")
      ->envname("CULVERTD_UNREADY_ON_DRAIN");
  app.add_option("--ready-requires", raw.ready_requires, "/readyz says no until this dialer has a session; may be repeated")
      ->type_name("dialer/NAME")
      ->envname("CULVERTD_READY_REQUIRES")
      ->delimiter(',');
  app.add_option("--log-format", raw.log_format, "text or json; default text on a terminal, else json")
      ->type_name("FORMAT")
      ->check(CLI::IsMember({"text", "json"}))
      ->envname("CULVERTD_LOG_FORMAT");
  app.add_option("--log-level", raw.log_level, "debug, info, warning or error; default info")
      ->type_name("LEVEL")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->envname("CULVERTD_LOG_LEVEL");
  app.add_option("--state-dir", raw.state_dir,
                 "folder (mode 0700) for objects made through the API, for the certificate of QUIC listeners without tls and for the keys of "
                 "QUIC, or none; default /var/lib/culvertd, else $XDG_STATE_HOME/culvertd")
      ->type_name("DIR|none")
      ->envname("CULVERTD_STATE_DIR");
}

ExitEarly UsageError(const std::string& text) { return {2, "culvertd: " + text + "\n(see culvertd --help)\n"}; }

absl::StatusOr<std::string> ControlPath(const std::string& control, const Surroundings& surroundings) {
  if (control.empty()) {
    if (surroundings.is_root) return std::string("/run/culvertd/control.sock");
    if (!surroundings.runtime_dir.empty()) return surroundings.runtime_dir + "/culvertd/control.sock";
    return absl::InvalidArgumentError("--control: give unix:PATH, as XDG_RUNTIME_DIR is not set");
  }
  if (!control.starts_with("unix:")) return absl::InvalidArgumentError("--control: must be unix:PATH, is " + control);
  std::string path = control.substr(5);
  if (path.starts_with("//")) path.erase(0, 2);  // gRPC's other spelling, unix:///run/x
  if (path.empty()) return absl::InvalidArgumentError("--control: must be unix:PATH, the path is missing");
  return path;
}

absl::Status TakeControlTcp(const RawOptions& raw, Options& options) {
  const Options::ControlTcp& tcp = raw.control_tcp;
  const std::pair<const char*, const std::string*> files[] = {
      {"--control-cert", &tcp.certificate_file}, {"--control-key", &tcp.private_key_file}, {"--control-trust", &tcp.trust_file}};
  if (tcp.bind.empty()) {
    for (const auto& [flag, file] : files) {
      if (!file->empty()) return absl::InvalidArgumentError(std::string(flag) + ": only with --control-tcp");
    }
    return absl::OkStatus();
  }
  if (!SocketAddress::Parse(tcp.bind).ok()) {
    return absl::InvalidArgumentError("--control-tcp: must be ADDRESS:PORT with an IP address, is " + tcp.bind);
  }
  for (const auto& [flag, file] : files) {
    if (file->empty()) return absl::InvalidArgumentError(std::string("--control-tcp: needs ") + flag + ": there is no TCP without TLS");
  }
  if (raw.access_policy.empty()) {
    return absl::InvalidArgumentError("--control-tcp: needs --access-policy, which says who may do what; without one nobody may");
  }
  options.control_tcp = tcp;
  return absl::OkStatus();
}

constexpr char kSystemStateDir[] = "/var/lib/culvertd";

absl::Status TakeStateDir(const std::string& given, const Surroundings& surroundings, Options& options) {
  if (given == "none") return absl::OkStatus();
  options.state_dir_is_given = !given.empty();
  if (given.empty()) {
    options.state_dirs.push_back(kSystemStateDir);
    if (!surroundings.state_home.empty()) options.state_dirs.push_back(surroundings.state_home + "/culvertd");
  } else if (given.front() != '/') {
    return absl::InvalidArgumentError("--state-dir: must be an absolute path or none, is " + given);
  } else {
    options.state_dirs.push_back(given);
  }
  return absl::OkStatus();
}

LogLevel ToLevel(const std::string& name) {
  static const std::map<std::string, LogLevel> levels = {{"debug", LogLevel::kDebug},
                                                         {"info", LogLevel::kInfo},
                                                         {"warning", LogLevel::kWarning},
                                                         {"error", LogLevel::kError}};
  return levels.at(name);
}

std::variant<Options, ExitEarly> Understand(const RawOptions& raw, const Surroundings& surroundings) {
  Options options;
  if (const absl::Status status = TakeStateDir(raw.state_dir, surroundings, options); !status.ok()) {
    return UsageError(std::string(status.message()));
  }
  if (const absl::Status status = TakeControlTcp(raw, options); !status.ok()) return UsageError(std::string(status.message()));
  options.access_policy = raw.access_policy;
  options.config_dirs = raw.config_dirs;
  for (const std::string& folder : raw.credentials_dirs) {
    if (const absl::Status status = CredentialFolders::Judge(folder); !status.ok()) {
      return UsageError("--credentials-dir: " + std::string(status.message()));
    }
  }
  options.credentials_dirs = raw.credentials_dirs;
  const absl::StatusOr<std::string> path = ControlPath(raw.control, surroundings);
  if (!path.ok()) return UsageError(std::string(path.status().message()));
  options.control_path = *path;
  options.workers = raw.workers != 0 ? raw.workers : surroundings.cpu_budget;
  const auto drain = manifest::ParseDuration(raw.drain_timeout);
  if (!drain.ok()) return UsageError("--drain-timeout: " + std::string(drain.status().message()));
  options.drain_timeout = Duration(google::protobuf::util::TimeUtil::DurationToNanoseconds(*drain));
  if (options.drain_timeout < Duration::zero() || options.drain_timeout > kMaxDrainTimeout) {
    return UsageError("--drain-timeout: " + raw.drain_timeout + " is not in [0s, 1h]");
  }
  options.observe = raw.observe;
  options.unready_on_drain = raw.unready_on_drain;
  for (const std::string& required : raw.ready_requires) {
    constexpr std::string_view kHead = "dialer/";
    if (!required.starts_with(kHead) || required.size() == kHead.size()) return UsageError("--ready-requires: must be dialer/NAME, is " + required);
    options.ready_requires.push_back(required.substr(kHead.size()));
  }
  if (options.observe.empty() && (options.unready_on_drain || !options.ready_requires.empty())) {
    return UsageError(std::string(options.unready_on_drain ? "--unready-on-drain" : "--ready-requires") + ": is about /readyz, which needs --observe");
  }
  const bool is_text = raw.log_format.empty() ? surroundings.has_terminal : raw.log_format == "text";
  options.log_format = is_text ? LogFormat::kText : LogFormat::kJson;
  options.log_level = ToLevel(raw.log_level);
  return options;
}

}  // namespace

std::variant<Options, ExitEarly> ParseOptions(int argc, const char* const* argv, const Surroundings& surroundings) {
  CLI::App app("culvertd: carries TCP streams over mKCP and QUIC, steered through a gRPC API", "culvertd");
  RawOptions raw;
  Declare(app, raw);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out;
    std::ostringstream err;
    const int code = app.exit(error, out, err);
    if (code == 0) return ExitEarly{0, out.str()};  // --help, --version
    return UsageError(error.what());
  }
  return Understand(raw, surroundings);
}

}  // namespace culvert::server
