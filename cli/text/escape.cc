#include "cli/text/escape.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_format.h"
#include "proto/manifest/utf8.h"

namespace culvert::cli {

std::string Visible(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const manifest::CodePoint point = manifest::DecodeUtf8(text);
    if (point.length == 0) {
      absl::StrAppendFormat(&out, "\\x%02x", static_cast<unsigned char>(text[0]));
      text.remove_prefix(1);
      continue;
    }
    if (point.value == '\n') {
      out += "\\n";
    } else if (point.value == '\t') {
      out += "\\t";
    } else if (manifest::IsUnsafeToPrint(point.value)) {
      const auto number = static_cast<uint32_t>(point.value);
      out += number > 0xffff ? absl::StrFormat("\\U%08x", number)
             : number > 0xff ? absl::StrFormat("\\u%04x", number)
                             : absl::StrFormat("\\x%02x", number);
    } else {
      out.append(text.substr(0, point.length));
    }
    text.remove_prefix(point.length);
  }
  return out;
}

int DisplayWidth(char32_t point) {
  // Below 0x300 nothing is wide and nothing combines, and most of what is printed is there.
  if (point < 0x300) return 1;
  return utf8proc_charwidth(static_cast<utf8proc_int32_t>(point));
}

size_t DisplayWidth(std::string_view text) {
  size_t width = 0;
  while (!text.empty()) {
    const manifest::CodePoint point = manifest::DecodeUtf8(text);
    width += point.length == 0 ? 1 : static_cast<size_t>(DisplayWidth(point.value));
    text.remove_prefix(std::max<size_t>(1, point.length));
  }
  return width;
}

}  // namespace culvert::cli
