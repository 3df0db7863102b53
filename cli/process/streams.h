// Where a command reads and writes: injected, so that every command runs in a test without a terminal.
// Thread: confined to the command.
#pragma once

#include <cstdint>
#include <functional>
#include <istream>
#include <ostream>

#include "cli/process/clock.h"

namespace culvert::cli {

struct Streams {
  std::ostream& out;  // data
  std::ostream& err;  // messages
  std::istream& in;   // answers to questions
  bool in_is_terminal = false;
  bool out_is_terminal = false;
  bool color = false;  // decided once, from --color, NO_COLOR and the terminal
  // The same input as `in`, for who takes bytes as they come and must be able to stop waiting for them; -1: it has ended.
  int in_descriptor = -1;
  // Of the terminal that `out` is; 0: as wide and as high as it takes, as on a pipe. COLUMNS says otherwise.
  int columns = 0;
  int rows = 0;
  std::function<int64_t()> now_seconds = NowSeconds;  // Unix time, for ages
};

}  // namespace culvert::cli
