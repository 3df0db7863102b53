#include "cli/process/interrupt.h"

#include <fcntl.h>
#include <unistd.h>
#include <csignal>

#include <atomic>

namespace culvert::cli {
namespace {

// What the handler may touch: two lock-free integers.
std::atomic<int> g_scope_fd{-1};
std::atomic<bool> g_interrupted{false};
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

extern "C" void OnSignal(int) {
  const int fd = g_scope_fd.load();
  if (fd < 0 || g_interrupted.exchange(true)) ::_exit(130);
  const char byte = 'i';
  [[maybe_unused]] const ssize_t written = ::write(fd, &byte, 1);
}

}  // namespace

void InstallInterruptHandlers() {
  struct sigaction action {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

InterruptScope::InterruptScope(std::function<void()> on_interrupt) {
  if (::pipe2(wake_, O_CLOEXEC) != 0) return;  // no descriptors left: an interrupt then ends the process
  watcher_ = std::thread([fd = wake_[0], call = std::move(on_interrupt)] {
    char byte = 0;
    if (::read(fd, &byte, 1) == 1 && byte == 'i') call();
  });
  g_scope_fd.store(wake_[1]);
}

InterruptScope::~InterruptScope() {
  if (!watcher_.joinable()) return;
  g_scope_fd.store(-1);
  const char byte = 'e';
  [[maybe_unused]] const ssize_t written = ::write(wake_[1], &byte, 1);
  watcher_.join();
  ::close(wake_[0]);
  ::close(wake_[1]);
}

bool InterruptScope::interrupted() const { return g_interrupted.load(); }

}  // namespace culvert::cli
