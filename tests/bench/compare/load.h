// The load: bulk streams into a counting sink, and small round trips.
#pragma once

#include <atomic>
#include <memory>

#include "absl/status/statusor.h"
#include "tests/bench/compare/subject.h"
#include "tests/testing/tcp_server.h"

namespace culvert::bench {

// The application behind the tunnel: a connection whose first byte is 'E' is echoed, any other is counted and thrown away.
class Target {
 public:
  // Binds to loopback in the given namespace.
  static absl::StatusOr<std::unique_ptr<Target>> Start(const std::string& netns);
  const SocketAddress& address() const { return server_->address(); }
  uint64_t received() const { return received_; }

 private:
  std::atomic<uint64_t> received_{0};
  std::unique_ptr<testing::TcpServer> server_;
};

struct BulkResult {
  double mbit_per_second = 0;
  double cpu_seconds_per_gib = 0;  // both ends; 0 when nothing moved
  double resident_mib = 0;         // both ends, at the end of the window
};
struct BulkOptions {
  int streams = 1;
  Duration warm_up = std::chrono::seconds(1);
  Duration window = std::chrono::seconds(3);
};
// Sends as fast as the tunnel takes it and measures over a window. Errors: a connection failed.
absl::StatusOr<BulkResult> MeasureBulk(const RunningSubject& subject, const Target& target,
                                       const std::string& near_netns, const BulkOptions& options);

// Median round trip of 64 bytes over an idle connection, for `window`, in milliseconds.
absl::StatusOr<double> MeasureRoundTrip(const RunningSubject& subject, const std::string& near_netns, Duration window);

}  // namespace culvert::bench
