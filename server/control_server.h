// ControlServer: the gRPC servers of the control API: on the Unix socket one for every caller who is there (unix_door.h), and, when it
// is asked for, one for TCP with mutual TLS. All have the same services, health and reflection.
// Limits (reliability.md T53): messages in 4 MiB and out 16 MiB, metadata 16 KiB, 100 streams a connection, 64 MiB of buffers for all
// of them together, 10,000 answers to pings that nobody reads, 10 s to shake hands; over TCP a connection lives an hour, and 15 minutes without a call.
// How many connections there may be the doors say.
// Thread: main's.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/time.h"
#include "server/access/access_book.h"
#include "server/page.h"
#include "server/stats_hub.h"
#include "server/supervisor.h"

namespace culvert::server {

struct ControlTcpOptions {
  std::string bind;  // ADDRESS:PORT
  std::string certificate_file;
  std::string private_key_file;
  std::string trust_file;  // vouches for clients
  bool reflection = false;
  Duration handshake_timeout = std::chrono::seconds(10);  // of TLS, and then of HTTP/2
};

class ControlServer {
 public:
  struct Options {
    std::string path;  // of the Unix socket, which was prepared (process.h)
    std::optional<ControlTcpOptions> tcp;
  };

  // The others outlive it. Errors: FAILED_PRECONDITION when something cannot be bound or read.
  static absl::StatusOr<std::unique_ptr<ControlServer>> Start(const Options& options, std::unique_ptr<AccessBook> access,
                                                              Supervisor& supervisor, StatsHub& hub, const PageTokens& tokens);
  ~ControlServer();

  // Health: "", culvert.liveness, culvert.readiness, culvert.startup.
  void SetServing(bool is_serving);
  // Takes no more calls and waits for those under way, at most `grace`; then cancels them. Idempotent.
  void Shutdown(Duration grace);
  // The port of the TCP server; 0: there is none.
  [[nodiscard]] int tcp_port() const;

 private:
  struct Shared;
  class Room;
  explicit ControlServer(std::shared_ptr<Shared> shared);
  absl::Status OpenTcp(const ControlTcpOptions& options);

  const std::shared_ptr<Shared> shared_;
};

}  // namespace culvert::server
