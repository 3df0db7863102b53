#include "tests/testing/stunnel.h"

#include "absl/strings/str_format.h"
#include "tests/testing/listening.h"
#include "tests/testing/peer_files.h"

namespace culvert::testing {
namespace {

constexpr Duration kStartLimit = std::chrono::seconds(20);

std::string Config(const Stunnel::Options& options, const TempDir& directory) {
  // sslVersionMin: TLS 1.3 as every other subject with TLS has it. libwrap would look up every client.
  std::string config =
      "foreground = yes\npid =\ndebug = 4\n"
      "[relay]\nlibwrap = no\nsslVersionMin = TLSv1.3\nsocket = l:TCP_NODELAY=1\nsocket = r:TCP_NODELAY=1\n";
  config += absl::StrFormat("accept = %s\nconnect = %s\n", options.listen.ToString(), options.target.ToString());
  if (options.role == Stunnel::Role::kServer) {
    const std::string certificate = directory.Write("tls.crt", options.certificate_pem);
    const std::string key = directory.Write("tls.key", options.private_key_pem, 0600);
    return config + absl::StrFormat("cert = %s\nkey = %s\n", certificate, key);
  }
  const std::string authority = directory.Write("ca.crt", options.authority_pem);
  return config + absl::StrFormat("client = yes\nverifyChain = yes\nCAfile = %s\ncheckHost = %s\nsni = %s\n", authority,
                                  options.server_name, options.server_name);
}

}  // namespace

bool Stunnel::IsInstalled() { return !FindInstalled("stunnel").empty(); }

absl::StatusOr<std::unique_ptr<Stunnel>> Stunnel::Start(const Options& options) {
  const std::string binary = FindInstalled("stunnel");
  if (binary.empty()) return absl::NotFoundError("stunnel is missing: run deploy/setup");
  std::unique_ptr<Stunnel> stunnel(new Stunnel);
  ProcessOptions process;
  process.arguments = {binary, stunnel->directory_.Write("stunnel.conf", Config(options, stunnel->directory_))};
  process.netns = options.netns;
  absl::StatusOr<Process> started = Process::Start(process);
  if (!started.ok()) return started.status();
  stunnel->process_ = *std::move(started);
  if (!WaitForTcpListener(options.listen.port, *stunnel->process_, kStartLimit)) {
    return absl::InternalError("stunnel did not start: " + stunnel->process_->Stderr());
  }
  return stunnel;
}

}  // namespace culvert::testing
