#include "cli/escape.h"

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
      out += number > 0xff ? absl::StrFormat("\\u%04x", number) : absl::StrFormat("\\x%02x", number);
    } else {
      out.append(text.substr(0, point.length));
    }
    text.remove_prefix(point.length);
  }
  return out;
}

size_t DisplayWidth(std::string_view text) {
  size_t width = 0;
  for (const char c : text) width += (static_cast<unsigned char>(c) & 0xc0) != 0x80 ? 1 : 0;
  return width;
}

}  // namespace culvert::cli
