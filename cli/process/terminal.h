// The user's terminal as `top` uses it: a screen of its own, keys without Enter. Put back in the destructor.
// Thread: confined to main, except that Keys may run on another thread than the one that writes.
#pragma once

#include <termios.h>
#include <functional>
#include <string>
#include <thread>

namespace culvert::cli {

struct ScreenSize {
  int rows = 24;
  int columns = 80;
};
ScreenSize TerminalSize();

// Alternate screen and raw keys on standard input and output.
class FullScreen {
 public:
  explicit FullScreen(std::function<void(char key)> on_key);
  ~FullScreen();
  FullScreen(const FullScreen&) = delete;
  FullScreen& operator=(const FullScreen&) = delete;

  // Replaces what is shown. `text` has at most as many lines as the screen.
  static std::string Frame(const std::string& text);

 private:
  termios saved_{};
  bool is_raw_ = false;
  int wake_[2] = {-1, -1};
  std::thread keys_;
};

}  // namespace culvert::cli
