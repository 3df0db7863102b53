// Code points of UTF-8 text, and which of them must not reach a terminal as they are.
// Thread: any; no state.
#pragma once

#include <cstddef>
#include <string_view>

namespace culvert::manifest {

struct CodePoint {
  char32_t value = 0;
  size_t length = 0;  // bytes taken; 0: the text is empty or does not begin with well-formed UTF-8
};

// The first code point of `text`. Overlong forms, surrogates and values above U+10FFFF are malformed (RFC 3629 §3).
CodePoint DecodeUtf8(std::string_view text);

// Controls (C0, DEL, C1), line and paragraph separators, bidirectional controls, zero-width marks, invisible tags: what can
// forge a line, move the cursor or show one name as another.
bool IsUnsafeToPrint(char32_t value);

}  // namespace culvert::manifest
