// ^C. Until someone asks for it, an interrupt ends the process at once with code 130; a command that has something to
// put in order first (a terminal, a summary) asks with a scope. Thread: install once at start; scopes are confined to
// main.
#pragma once

#include <functional>
#include <thread>

namespace culvert::cli {

// Installs the handlers of SIGINT and SIGTERM. Only main does; without it scopes have no effect.
void InstallInterruptHandlers();

// While it lives, an interrupt calls `on_interrupt` on a thread of its own instead of ending the process. A second one
// ends the process all the same.
class InterruptScope {
 public:
  explicit InterruptScope(std::function<void()> on_interrupt);
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  bool interrupted() const;

 private:
  int wake_[2] = {-1, -1};
  std::thread watcher_;
};

}  // namespace culvert::cli
