#include "proto/manifest/text.h"

#include "absl/strings/str_format.h"
#include "proto/manifest/identity.h"
#include "proto/manifest/utf8.h"

namespace culvert::manifest {

// yaml-cpp ends at a control character without a word (0x04 is its end of file), so they are found here.
absl::Status CheckText(std::string_view text, const std::string& file) {
  if (text.size() > kMaxFileBytes) {
    return absl::InvalidArgumentError(absl::StrFormat("%s: larger than %d MiB", file, kMaxFileBytes >> 20));
  }
  int line = 1;
  for (size_t at = 0; at < text.size();) {
    const size_t length = DecodeUtf8(text.substr(at)).length;
    const auto byte = static_cast<unsigned char>(text[at]);
    if (length == 0) return absl::InvalidArgumentError(absl::StrFormat("%s:%d: not UTF-8 text", file, line));
    if ((byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7f) {
      return absl::InvalidArgumentError(absl::StrFormat("%s:%d: control character 0x%02x", file, line, byte));
    }
    if (byte == '\n') ++line;
    at += length;
  }
  return absl::OkStatus();
}

}  // namespace culvert::manifest
