#include "tests/testing/aioquic.h"

#include <signal.h>

#include "absl/strings/str_format.h"
#include "tests/testing/peer_files.h"

namespace culvert::testing {
namespace {

constexpr Duration kStartLimit = std::chrono::seconds(60);
constexpr Duration kAnswerLimit = std::chrono::seconds(30);
// Debian's own: the modules are built for it. Another one may stand before it in PATH.
constexpr const char* kPython = "/usr/bin/python3";

std::string Modules() { return FindPythonModules("aioquic", "aioquic"); }

size_t CountOf(std::string_view text, std::string_view part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

}  // namespace

std::string Aioquic::WhyNot() {
  if (Modules().empty()) return "aioquic is missing: run deploy/setup";
  // Once: whether this machine's Python takes the modules.
  static const RunResult tried = RunProgram(
      {kPython, "-E", "-c", "import sys; sys.path.insert(0, sys.argv[1]); import aioquic.asyncio", Modules()}, kStartLimit);
  return tried.exit_code == 0 ? "" : "aioquic does not load: " + tried.err;
}

absl::StatusOr<std::unique_ptr<Aioquic>> Aioquic::Start(const Options& options) {
  if (const std::string why = WhyNot(); !why.empty()) return absl::NotFoundError(why);
  std::unique_ptr<Aioquic> peer(new Aioquic);
  const bool is_client = options.role == Role::kClient;
  ProcessOptions process;
  process.netns = options.netns;
  process.arguments = {kPython, "-E", AIOQUIC_SCRIPT, is_client ? "client" : "server", "--modules", Modules(),
                       "--listen", options.listen.ToString(), "--peer", options.peer.ToString(),
                       "--security", options.security, "--header", options.header, "--versions", options.versions,
                       "--key-file", peer->directory_.Write("key", options.key, 0600)};
  const auto add = [&](const char* flag, const std::string& value) {
    if (!value.empty()) process.arguments.insert(process.arguments.end(), {flag, value});
  };
  add("--certificate-file", options.certificate_file);
  add("--private-key-file", options.private_key_file);
  add("--trust-file", options.trust_file);
  if (options.retries) process.arguments.push_back("--retry");
  if (options.half_open > 0) add("--half-open", absl::StrFormat("%d", options.half_open));
  absl::StatusOr<Process> started = Process::Start(process);
  if (!started.ok()) return started.status();
  peer->process_ = *std::move(started);
  if (!peer->process_->WaitForOutput("ready", kStartLimit)) return absl::InternalError("aioquic did not start: " + peer->Log());
  return peer;
}

absl::Status Aioquic::Ask(int signal, std::string_view answer, size_t count) {
  process_->Signal(signal);
  const TimePoint deadline = MonotonicNow() + kAnswerLimit;
  while (CountOf(process_->Stdout(), answer) < count) {
    // Waits for the process to end, one step at most.
    if (process_->Wait(std::chrono::milliseconds(5)) || MonotonicNow() >= deadline) {
      return absl::DeadlineExceededError(absl::StrFormat("no \"%s\": %s", std::string(answer), Log()));
    }
  }
  return absl::OkStatus();
}

absl::Status Aioquic::Rebind() { return Ask(SIGUSR1, "rebound ", ++rebinds_); }
absl::Status Aioquic::UpdateKeys() { return Ask(SIGUSR2, "keys updated", ++key_updates_); }
absl::Status Aioquic::BeginAgain() { return Ask(SIGHUP, "connected ", ++connections_); }

}  // namespace culvert::testing
