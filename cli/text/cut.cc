#include "cli/text/cut.h"

#include <algorithm>

#include "cli/text/escape.h"
#include "proto/manifest/utf8.h"

namespace culvert::cli {
namespace {

// The length of a colour sequence at the beginning of `text`; 0: there is none.
size_t ColorLength(std::string_view text) {
  if (!text.starts_with("\x1b[")) return 0;
  const size_t end = text.find_first_not_of("0123456789;", 2);
  return end != std::string_view::npos && text[end] == 'm' ? end + 1 : 0;
}

}  // namespace

std::string CutLine(std::string_view line, size_t columns) {
  std::string out;
  size_t width = 0;
  bool is_full = false;
  while (!line.empty()) {
    if (const size_t length = ColorLength(line); length > 0) {
      out += line.substr(0, length);
      line.remove_prefix(length);
      continue;
    }
    const std::string_view one = line.substr(0, std::max<size_t>(manifest::DecodeUtf8(line).length, 1));
    const size_t room = DisplayWidth(one);
    is_full = is_full || width + room > columns;
    if (!is_full) {
      out += one;
      width += room;
    }
    line.remove_prefix(one.size());
  }
  return out;
}

std::string CutLines(std::string_view text, size_t columns) {
  std::string out;
  for (bool is_first = true; !text.empty(); is_first = false) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (!is_first) out += '\n';
    out += CutLine(text.substr(0, end), columns);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

}  // namespace culvert::cli
