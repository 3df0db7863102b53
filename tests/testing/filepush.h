// filepush: carries one file over one TCP connection and lets the receiver say what arrived. Used to compare a tunnel with
// a direct connection over the same link.
//
// Protocol, chosen so that it also works through a transport without half-close:
//   sender:    | length 8 | bytes |
//   receiver:  | bytes so far 8 | every 200 ms and at the end, then | SHA-256 32 |
// The clock of the result stops when the receiver's digest is back, so what counts is delivered bytes.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/address.h"
#include "core/base/time.h"

namespace culvert::testing {

inline constexpr Duration kReportInterval = std::chrono::milliseconds(200);

struct ReceiveOptions {
  SocketAddress listen;
  int connections = 1;  // serve so many one after the other, then end; 0: for ever
};
// Prints "ready ADDRESS" and a line of JSON for every connection: bytes, seconds, sha256, complete.
absl::Status Receive(const ReceiveOptions& options);

struct SendOptions {
  std::string file;
  SocketAddress to;
  std::string label;                          // shown in front of progress lines
  std::string congestion_control;             // of the connection; empty: the system's
  Duration limit = std::chrono::minutes(10);  // stop here, finished or not
  bool quiet = false;                         // no progress
};
struct SendResult {
  uint64_t bytes = 0;          // of the file
  uint64_t delivered = 0;      // as the receiver says
  double seconds = 0;          // until the receiver confirmed, or until the limit
  uint64_t retransmitted = 0;  // segments of our TCP connection sent again
  bool complete = false;       // everything delivered, and the receiver's SHA-256 is the file's
  std::string sha256;          // of the file
};
// Progress goes to standard error: in place on a terminal, else a line a second.
absl::StatusOr<SendResult> Send(const SendOptions& options);

}  // namespace culvert::testing
