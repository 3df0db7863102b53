// Small things about texts that Debian's Abseil, whose string_view is one of its own, does for no std::string_view.
// Thread: any; no state.
#pragma once

#include <string_view>

namespace culvert::cli {

// Without blanks and tabs at either end.
inline std::string_view Trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

}  // namespace culvert::cli
