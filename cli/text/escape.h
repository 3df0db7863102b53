// Texts that come from elsewhere, made fit for a terminal.
// Thread: any; no state.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace culvert::cli {

// `text` with controls, escapes, bidirectional marks and malformed UTF-8 spelled out (\n, \x1b, \u202e), so that it
// stays on its line, moves no cursor and looks like nothing else.
std::string Visible(std::string_view text);

// Columns that printable UTF-8 takes on a terminal: two for what is wide (Han, Hangul, emoji), none for what goes on top of the
// letter before it. A byte that is no UTF-8 counts as one.
size_t DisplayWidth(std::string_view text);
int DisplayWidth(char32_t point);

}  // namespace culvert::cli
