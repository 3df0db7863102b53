#include "cli/process/terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <string_view>

#include "absl/strings/str_replace.h"

namespace culvert::cli {
namespace {

void Write(std::string_view text) {
  [[maybe_unused]] const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
}

}  // namespace

ScreenSize TerminalSize() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) return {};
  return {size.ws_row, size.ws_col};
}

FullScreen::FullScreen(std::function<void(char key)> on_key) {
  if (::tcgetattr(STDIN_FILENO, &saved_) == 0) {
    termios raw = saved_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);  // ISIG stays: ^C still interrupts
    is_raw_ = ::tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
  }
  Write("\x1b[?1049h\x1b[?25l");  // alternate screen, no cursor
  if (::pipe2(wake_, O_CLOEXEC) != 0) return;
  keys_ = std::thread([end = wake_[0], call = std::move(on_key)] {
    pollfd polled[2] = {{STDIN_FILENO, POLLIN, 0}, {end, POLLIN, 0}};
    while (::poll(polled, 2, -1) >= 0 && polled[1].revents == 0) {
      char key = 0;
      if (polled[0].revents == 0) continue;
      if (::read(STDIN_FILENO, &key, 1) != 1) return;
      call(key);
    }
  });
}

FullScreen::~FullScreen() {
  if (keys_.joinable()) {
    [[maybe_unused]] const ssize_t written = ::write(wake_[1], "e", 1);
    keys_.join();
  }
  for (const int fd : wake_) {
    if (fd >= 0) ::close(fd);
  }
  Write("\x1b[?25h\x1b[?1049l");
  if (is_raw_) ::tcsetattr(STDIN_FILENO, TCSANOW, &saved_);
}

std::string FullScreen::Frame(const std::string& text) {
  // Home, every line cleared to its end, then everything below: no flicker, as nothing is blank in between.
  return "\x1b[H" + absl::StrReplaceAll(text, {{"\n", "\x1b[K\n"}}) + "\x1b[J";
}

}  // namespace culvert::cli
