#include "tests/testing/kcptun.h"

#include "absl/strings/str_format.h"
#include "tests/testing/peer_files.h"

namespace culvert::testing {
namespace {

constexpr Duration kStartLimit = std::chrono::seconds(20);

std::string Binary(Kcptun::Role role) {
  return FindPeer("kcptun", role == Kcptun::Role::kClient ? "kcptun-client" : "kcptun-server");
}

std::vector<std::string> Flags(const Kcptun::Options& options) {
  const KcptunSettings& settings = options.settings;
  const bool is_client = options.role == Kcptun::Role::kClient;
  std::vector<std::string> flags = {is_client ? "--localaddr" : "--listen", options.listen.ToString(),
                                    is_client ? "--remoteaddr" : "--target", options.target.ToString()};
  const auto text = [&](const char* flag, const std::optional<std::string>& value) {
    if (value) flags.insert(flags.end(), {flag, *value});
  };
  const auto number = [&](const char* flag, const std::optional<int>& value) {
    if (value) flags.insert(flags.end(), {flag, absl::StrFormat("%d", *value)});
  };
  text("--crypt", settings.crypt);
  text("--mode", settings.mode);
  number("--sndwnd", settings.send_window);
  number("--rcvwnd", settings.receive_window);
  number("--datashard", settings.data_shards);
  number("--parityshard", settings.parity_shards);
  number("--smuxbuf", settings.mux_buffer_bytes);
  if (!settings.compresses) flags.push_back("--nocomp");
  flags.push_back("--quiet");
  return flags;
}

}  // namespace

bool Kcptun::IsInstalled() { return !Binary(Role::kClient).empty() && !Binary(Role::kServer).empty(); }

absl::StatusOr<std::unique_ptr<Kcptun>> Kcptun::Start(const Options& options) {
  const std::string binary = Binary(options.role);
  if (binary.empty()) return absl::NotFoundError("kcptun is missing: run deploy/setup");
  ProcessOptions process;
  process.arguments = Flags(options);
  process.arguments.insert(process.arguments.begin(), binary);
  process.environment = {{"KCPTUN_KEY", options.settings.key}};  // not on the command line, where all may read it
  process.netns = options.netns;
  absl::StatusOr<Process> started = Process::Start(process);
  if (!started.ok()) return started.status();
  std::unique_ptr<Kcptun> kcptun(new Kcptun);
  kcptun->process_ = *std::move(started);
  if (!kcptun->process_->WaitForOutput("key derivation done", kStartLimit)) {
    return absl::InternalError("kcptun did not start: " + kcptun->process_->Stderr());
  }
  return kcptun;
}

}  // namespace culvert::testing
