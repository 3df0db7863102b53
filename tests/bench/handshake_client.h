// HandshakeClient: QUIC clients that do nothing but shake hands, at a given rate, over real sockets. Every handshake is a full one, with
// the server's certificate verified, and ends with an orderly close.
// Thread: one.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/address.h"
#include "core/base/time.h"

namespace culvert::bench {

struct HandshakeOptions {
  SocketAddress peer;
  std::string trust_pem;
  std::string server_name;
  double per_second = 300;
  Duration time{};
  int sockets = 16;  // they are spread over so many ports, and with them over the workers of the server
};

struct HandshakeResult {
  size_t begun = 0;
  std::vector<double> milliseconds;          // of those that were done, from the moment each was due
  std::map<std::string, size_t> failures;    // by reason
};

// Errors: no socket, bad certificates.
absl::StatusOr<HandshakeResult> RunHandshakes(const HandshakeOptions& options);

}  // namespace culvert::bench
