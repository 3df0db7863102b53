// ConnectChannel: what a Connect call and a worker share: messages each way, in order, bounded, and how the connection fares. Of a stream a
// message is any piece of it, of datagrams exactly one.
// Thread: any; the callbacks are called outside the lock, from whichever thread changed something, and only ask to look again.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "core/base/address.h"
#include "core/base/time.h"

namespace culvert::server {

struct ConnectRequest {
  std::string dialer;
  HostPort destination;  // host empty: the far side decides
  bool udp = false;
};

class ConnectChannel {
 public:
  // A direction takes messages while it holds less than this.
  static constexpr size_t kMostBytes = 256 << 10;
  static constexpr size_t kMessageOverhead = 64;  // each counts for so much more

  struct Opened {
    std::string session_id;  // empty: none
    Duration elapsed{};
  };
  struct Outcome {
    bool is_ok = false;      // ended in order, both ways
    bool was_open = false;   // it broke, else it never opened
    std::string reason;      // UPPER_SNAKE_CASE
    std::string message;
  };

  // ---- The caller's side.
  // `wake` is called when there is something for the caller to look at.
  void SetCallerWake(std::function<void()> wake);
  // False: wait until woken, then try again.
  [[nodiscard]] bool CallerMaySend();
  void CallerSend(std::string message);
  void CallerFinish();
  // The caller is gone.
  void CallerAbort();
  [[nodiscard]] std::optional<Opened> TakeOpened();
  [[nodiscard]] bool CallerReceive(std::string& message);
  // The far side finishes after what can be received; told once.
  [[nodiscard]] bool TakeFarFinish();
  // Set when it is over; what can be received still can.
  [[nodiscard]] std::optional<Outcome> outcome();

  // ---- The worker's side.
  void SetWorkerWake(std::function<void()> wake);
  [[nodiscard]] bool WorkerReceive(std::string& message);
  [[nodiscard]] bool HasForWorker();
  [[nodiscard]] bool IsCallerFinished();  // and everything was received
  [[nodiscard]] bool IsCallerGone();
  [[nodiscard]] size_t WorkerRoom();
  void WorkerSend(std::string message);
  void WorkerFinish();
  void Open(Opened opened);
  void End(Outcome outcome);  // the first one counts

 private:
  struct Direction {
    std::deque<std::string> messages;
    size_t bytes = 0;
    bool is_finished = false;
  };
  static void Wake(const std::function<void()>& wake) {
    if (wake) wake();
  }

  std::mutex mutex_;  // guards all below
  std::function<void()> wake_caller_;
  std::function<void()> wake_worker_;
  Direction from_caller_;
  Direction to_caller_;
  bool caller_is_gone_ = false;
  bool finish_told_ = false;
  std::optional<Opened> opened_;
  std::optional<Outcome> outcome_;
};

}  // namespace culvert::server
