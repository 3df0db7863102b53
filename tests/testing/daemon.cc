#include "tests/testing/daemon.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace culvert::testing {
namespace {

bool CanConnect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

std::string Document(const std::string& kind, const std::string& name, const std::string& spec) {
  return absl::StrFormat("---\napiVersion: culvert/v1\nkind: %s\nmetadata: {name: %s}\nspec:\n%s", kind, name, spec);
}

std::string KcpBlock(const KcpText& kcp) {
  const bool is_open = !kcp.seed_file && kcp.tls.empty();
  std::string text = is_open || kcp.is_insecure ? "  insecure: true\n" : "";
  text += absl::StrFormat("  kcp: {header: %s", kcp.header);
  if (kcp.seed_file) text += absl::StrFormat(", seed_file: \"%s\"", *kcp.seed_file);
  if (!kcp.more.empty()) text += ", " + kcp.more;
  text += "}\n";
  if (!kcp.tls.empty()) text += "  tls: " + kcp.tls + "\n";
  return text;
}

std::string QuicBlock(const QuicText& quic) {
  std::string text = absl::StrFormat("  quic: {outer: {security: %s, header: %s", quic.security, quic.header);
  if (quic.key_file) text += absl::StrFormat(", key_file: \"%s\"", *quic.key_file);
  text += "}";
  if (!quic.more.empty()) text += ", " + quic.more;
  text += "}\n";
  if (!quic.tls.empty()) text += "  tls: " + quic.tls + "\n";
  return text;
}

}  // namespace

std::string CulvertdBinary() { return CULVERTD_BINARY; }
std::string CulvertctlBinary() { return CULVERTCTL_BINARY; }
std::string LinkemBinary() { return LINKEM_BINARY; }

bool WaitForUnixSocket(const std::string& path, Process& process, Duration limit) {
  constexpr Duration kStep = std::chrono::milliseconds(5);
  for (const TimePoint deadline = MonotonicNow() + limit; MonotonicNow() < deadline;) {
    if (CanConnect(path)) return true;
    // Waits for the process to end, at most one step: a program that fails is noticed at once.
    if (process.Wait(kStep)) return false;
  }
  return false;
}

absl::StatusOr<std::unique_ptr<Daemon>> Daemon::Start(const DaemonOptions& options) {
  std::unique_ptr<Daemon> daemon(new Daemon);
  daemon->netns_ = options.netns;
  daemon->control_socket_ =
      options.control_socket.empty() ? daemon->directory_.File("run/control.sock") : options.control_socket;
  ProcessOptions process;
  process.arguments = {CulvertdBinary(), "--control",    daemon->address(), "--state-dir",
                       options.state_dir, "--log-format", options.log_format};
  process.arguments.insert(process.arguments.end(), options.flags.begin(), options.flags.end());
  process.netns = options.netns;
  process.uid = options.uid;
  absl::StatusOr<Process> started = Process::Start(process);
  if (!started.ok()) return started.status();
  daemon->process_ = *std::move(started);
  if (!WaitForUnixSocket(daemon->control_socket_, *daemon->process_, kStartLimit)) {
    return absl::InternalError(absl::StrFormat("culvertd did not start: %s", daemon->Log()));
  }
  return daemon;
}

RunResult Daemon::Ctl(const std::vector<std::string>& arguments, const std::string& input) const {
  ProcessOptions process;
  process.arguments = {CulvertctlBinary(), "--address", address()};
  process.arguments.insert(process.arguments.end(), arguments.begin(), arguments.end());
  process.environment = {{"NO_COLOR", "1"}, {"CULVERTCTL_ADDRESS", ""}, {"CULVERTCTL_OUTPUT", ""}};
  process.working_directory = directory_.path();
  process.input = input;
  return RunProgram(process, kCommandLimit);
}

RunResult Daemon::Apply(const std::string& manifest) const {
  return Ctl({"apply", "-f", directory_.Write("manifest.yaml", manifest)});
}

std::string Daemon::GetJson(const std::string& what) const { return Ctl({"get", what, "-o", "json"}).out; }

std::optional<ExitStatus> Daemon::Stop(Duration limit) { return process_->Stop(SIGTERM, limit); }

std::string TcpListener(const std::string& name, const std::string& bind) {
  return Document("Listener", name, absl::StrFormat("  transport: TCP\n  bind: \"%s\"\n", bind));
}

std::string KcpListener(const std::string& name, const std::string& bind, const KcpText& kcp) {
  return Document("Listener", name, absl::StrFormat("  transport: KCP\n  bind: \"%s\"\n", bind) + KcpBlock(kcp));
}

std::string KcpDialer(const std::string& name, const std::string& target, const KcpText& kcp) {
  return Document("Dialer", name, absl::StrFormat("  transport: KCP\n  targets: [\"%s\"]\n", target) + KcpBlock(kcp));
}

std::string QuicListener(const std::string& name, const std::string& bind, const QuicText& quic) {
  return Document("Listener", name, absl::StrFormat("  transport: QUIC\n  bind: \"%s\"\n", bind) + QuicBlock(quic));
}

std::string QuicDialer(const std::string& name, const std::string& target, const QuicText& quic, const std::string& spec) {
  std::string text = absl::StrFormat("  transport: QUIC\n  targets: [\"%s\"]\n", target) + QuicBlock(quic);
  if (quic.tls.empty()) text += "  insecure: true\n";
  for (const auto& line : absl::StrSplit(spec, ", ", absl::SkipEmpty())) absl::StrAppend(&text, "  ", line, "\n");
  return Document("Dialer", name, text);
}

std::string TcpDialer(const std::string& name, const std::string& target) {
  return Document("Dialer", name, absl::StrFormat("  transport: TCP\n  targets: [\"%s\"]\n", target));
}

std::string ForwardToDialer(const std::string& name, const std::string& listener, const std::string& dialer) {
  return Document("Forward", name, absl::StrFormat("  listener: %s\n  dialer: %s\n", listener, dialer));
}

std::string ForwardDirect(const std::string& name, const std::string& listener, const std::string& destination) {
  return Document("Forward", name, absl::StrFormat("  listener: %s\n  destination: \"%s\"\n", listener, destination));
}

}  // namespace culvert::testing
