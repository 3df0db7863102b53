#include "tests/bench/compare/interrupt.h"

#include <signal.h>

#include <condition_variable>
#include <mutex>
#include <thread>

namespace culvert::bench {
namespace {

struct State {
  std::mutex mutex;
  std::condition_variable changed;
  bool is_interrupted = false;
};

State& Shared() {
  static State& state = *new State;  // threads may outlive main
  return state;
}

}  // namespace

void WatchForInterrupt() {
  static sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, signal);
  (void)pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread([] {
    int signal = 0;
    (void)sigwait(&signals, &signal);
    const std::lock_guard lock(Shared().mutex);
    Shared().is_interrupted = true;
    Shared().changed.notify_all();
  }).detach();
}

bool IsInterrupted() {
  const std::lock_guard lock(Shared().mutex);
  return Shared().is_interrupted;
}

bool SleepUnlessInterrupted(Duration duration) {
  std::unique_lock lock(Shared().mutex);
  return !Shared().changed.wait_for(lock, duration, [] { return Shared().is_interrupted; });
}

}  // namespace culvert::bench
