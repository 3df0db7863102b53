// Where a command reads and writes: injected, so that every command runs in a test without a terminal.
// Thread: confined to the command.
#pragma once

#include <istream>
#include <ostream>

namespace culvert::cli {

struct Streams {
  std::ostream& out;  // data
  std::ostream& err;  // messages
  std::istream& in;   // answers to questions
  bool in_is_terminal = false;
  bool out_is_terminal = false;
  bool color = false;  // decided once, from --color, NO_COLOR and the terminal
};

}  // namespace culvert::cli
