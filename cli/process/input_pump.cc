#include "cli/process/input_pump.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "core/base/check.h"

namespace culvert::cli {

InputPump::InputPump(const Options& options, Calls calls)
    : options_(options), calls_(std::move(calls)), wake_(::eventfd(0, EFD_CLOEXEC)) {
  CULVERT_CHECK(wake_ >= 0);
  thread_ = std::thread([this] { Run(); });
}

void InputPump::Stop() {
  if (!thread_.joinable()) return;
  const uint64_t one = 1;
  CULVERT_CHECK(::write(wake_, &one, sizeof one) == sizeof one);
  thread_.join();
  ::close(wake_);
}

InputPump::Ready InputPump::Poll(bool wait) const {
  while (true) {
    pollfd polled[2] = {{options_.descriptor, POLLIN, 0}, {wake_, POLLIN, 0}};
    const int count = ::poll(polled, 2, wait ? -1 : 0);
    if (count < 0 && errno == EINTR) continue;
    if (polled[1].revents != 0) return Ready::kStop;
    // An input that hung up or is none at all is for read() to explain.
    return count != 0 ? Ready::kInput : Ready::kNothing;
  }
}

bool InputPump::Read(std::string& piece) {
  do {
    const size_t before = piece.size();
    piece.resize(before + options_.read_bytes);
    const ssize_t count = ::read(options_.descriptor, piece.data() + before, options_.read_bytes);
    const int error = errno;
    piece.resize(before + static_cast<size_t>(count > 0 ? count : 0));
    if (count == 0) return false;
    if (count < 0) {
      // Somebody else may have been quicker, or left the descriptor non-blocking.
      if (error == EINTR || error == EAGAIN) return true;
      error_ = error;
      return false;
    }
    if (static_cast<size_t>(count) < options_.read_bytes) return true;
  } while (piece.size() + options_.read_bytes <= options_.piece_bytes && Poll(false) == Ready::kInput);
  return true;
}

void InputPump::Run() {
  bool more = options_.descriptor >= 0;
  while (more) {
    if (Poll(true) == Ready::kStop) return;
    std::string piece;
    more = Read(piece);
    if (!piece.empty() && !calls_.on_piece(std::move(piece))) return;
  }
  calls_.on_end(error_);
}

}  // namespace culvert::cli
