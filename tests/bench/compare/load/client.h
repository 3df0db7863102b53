// The client's half of the load: one bulk stream, small messages, and first bytes. All in the near namespace, from outside
// of the tunnel.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/address.h"
#include "core/base/time.h"
#include "tests/bench/compare/load/target.h"
#include "tests/bench/compare/site.h"
#include "tests/testing/tcp_stream.h"

namespace culvert::bench {

// Where a client connects to, and from.
struct Door {
  std::string netns;  // empty: ours
  SocketAddress entrance;
};
absl::StatusOr<testing::TcpStream> Connect(const Door& door);

// One stream that goes as fast as it is let, in one direction. Up: the target checks and counts. Down: a thread here does.
class BulkStream {
 public:
  // Starts the clock, then connects. `target` must outlive it.
  static absl::StatusOr<std::unique_ptr<BulkStream>> Start(const Door& door, Direction direction, const Target& target);
  ~BulkStream();

  TimePoint started_at() const { return started_at_; }
  // Bytes that arrived, checked, since the start.
  uint64_t delivered() const;
  // Errors: the stream ended, or what arrived is not what was sent.
  absl::Status status() const;

 private:
  BulkStream(const Target& target, Direction direction) : target_(target), direction_(direction) {}
  void Send();
  void Receive();
  void Fail(const absl::Status& status);

  const Target& target_;
  const Direction direction_;
  TimePoint started_at_;
  uint64_t target_received_before_ = 0;
  uint64_t target_corrupted_before_ = 0;
  std::unique_ptr<testing::TcpStream> stream_;
  std::atomic<bool> is_stopping_{false};
  std::atomic<uint64_t> received_{0};
  mutable std::mutex mutex_;
  absl::Status status_;
  std::thread thread_;
};

// Small messages, each sent when the answer to the one before is there and `pause` has passed since it was sent, on several
// connections at a time.
class Pings {
 public:
  struct Options {
    int connections = 4;
    Duration pause{};
  };
  Pings(const Door& door, const Options& options);
  ~Pings();
  // Waits for the answers that are under way, so that the slow ones count too. Milliseconds; the first round trip of a
  // connection, which opens the session, is left out. Errors: no answer within kAnswerLimit, or a wrong one.
  absl::StatusOr<std::vector<double>> Finish();

  static constexpr Duration kAnswerLimit = std::chrono::seconds(10);
  static constexpr size_t kMessageBytes = 64;

 private:
  absl::Status Run(const Door& door, Duration pause, std::vector<double>& samples);
  void Join();

  std::atomic<bool> is_stopping_{false};
  std::vector<std::vector<double>> samples_;
  std::vector<absl::Status> statuses_;
  std::vector<std::thread> threads_;
};

// Connects, sends 64 bytes, waits for the first byte of the answer, and closes; `count` times, `at_once` at a time.
// Milliseconds from before the connect call. Errors: as above.
absl::StatusOr<std::vector<double>> MeasureFirstBytes(const Door& door, int count, int at_once);

}  // namespace culvert::bench
