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
  // The same input as `in`, for who takes bytes as they come and must be able to stop waiting for them; -1: it has ended.
  int in_descriptor = -1;
};

}  // namespace culvert::cli
