// culvertd and culvertctl as programs under test: started as a user starts them, steered through files, flags and exit
// codes. The binaries are the ones of this build tree.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/testing/process.h"
#include "tests/testing/temp_dir.h"

namespace culvert::testing {

std::string CulvertdBinary();
std::string CulvertctlBinary();
std::string LinkemBinary();

struct DaemonOptions {
  std::vector<std::string> flags;  // beside --control, --state-dir and --log-format
  std::string state_dir = "none";  // or a folder that outlives the process
  std::string log_format = "text";
  std::string netns;
  std::string control_socket;  // empty: one in a directory of the object's own
  uid_t uid = 0;               // see ProcessOptions
};

class Daemon {
 public:
  static constexpr Duration kStartLimit = std::chrono::seconds(20);
  static constexpr Duration kCommandLimit = std::chrono::seconds(30);

  // Starts culvertd and waits until its control socket answers. Errors carry what it printed.
  static absl::StatusOr<std::unique_ptr<Daemon>> Start(const DaemonOptions& options = {});

  Process& process() { return *process_; }
  const std::string& control_socket() const { return control_socket_; }
  std::string address() const { return "unix:" + control_socket_; }
  // A place for the files of its manifests.
  const TempDir& directory() const { return directory_; }
  std::string Log() const { return process_->Stdout() + process_->Stderr(); }

  // Runs culvertctl against it.
  RunResult Ctl(const std::vector<std::string>& arguments, const std::string& input = "") const;
  // `apply -f` with the manifest as a file in directory().
  RunResult Apply(const std::string& manifest) const;
  // `get KIND -o json`.
  std::string GetJson(const std::string& what) const;
  // SIGTERM, and how it ended. nullopt: it did not.
  std::optional<ExitStatus> Stop(Duration limit = std::chrono::seconds(20));

 private:
  Daemon() = default;

  TempDir directory_;
  std::string control_socket_;
  std::string netns_;
  std::optional<Process> process_;
};

// Connects to a Unix socket; waits for it to appear. False after `limit`, or as soon as `process` has ended.
bool WaitForUnixSocket(const std::string& path, Process& process, Duration limit);

// Pieces of manifests. Addresses are written as they stand in YAML.
struct KcpText {
  std::string header = "NONE";
  std::optional<std::string> seed_file;  // absent: no seed, and without tls the object is made insecure
  std::string more;                      // further settings: "mtu_bytes: 1350, tick_interval: 20ms"
  std::string tls;                       // settings of a tls block, "{trust_file: ca.crt}"; empty: none
  bool is_insecure = false;              // with tls; without seed and tls it always is
};
struct QuicText {
  std::string security = "NONE";           // of the outer layer: "NONE", "AES_128_GCM", "CHACHA20_POLY1305"
  std::optional<std::string> key_file;     // of the outer layer
  std::string header = "NONE";
  std::string more;                        // further settings: "max_streams_per_session: 4, idle_timeout: 10s"
  std::string tls;                         // as in KcpText; empty: none, and a dialer is made insecure
};
std::string TcpListener(const std::string& name, const std::string& bind);
std::string KcpListener(const std::string& name, const std::string& bind, const KcpText& kcp);
std::string KcpDialer(const std::string& name, const std::string& target, const KcpText& kcp);
std::string QuicListener(const std::string& name, const std::string& bind, const QuicText& quic);
// `spec`: further settings of the dialer itself, "min_sessions: 1, max_sessions: 4".
std::string QuicDialer(const std::string& name, const std::string& target, const QuicText& quic, const std::string& spec = "");
std::string TcpDialer(const std::string& name, const std::string& target);
std::string ForwardToDialer(const std::string& name, const std::string& listener, const std::string& dialer);
std::string ForwardDirect(const std::string& name, const std::string& listener, const std::string& destination);

}  // namespace culvert::testing
