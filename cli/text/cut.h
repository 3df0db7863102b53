// Lines cut to what a terminal shows of them.
// Thread: any; no state.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace culvert::cli {

// The beginning of `line` that takes at most `columns`. Colours take no room and are all kept, so that none goes on behind the cut.
std::string CutLine(std::string_view line, size_t columns);
// The same of every line; without the newline of the last.
std::string CutLines(std::string_view text, size_t columns);

}  // namespace culvert::cli
