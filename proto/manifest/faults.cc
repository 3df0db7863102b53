#include "proto/manifest/faults.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace culvert::manifest {

void Faults::Add(std::string_view file, int line, std::string_view path, std::string_view message) {
  AddLine(path.empty() ? absl::StrFormat("%s:%d: %s", file, line, message)
                       : absl::StrFormat("%s:%d: %s: %s", file, line, path, message));
}

void Faults::AddLine(std::string line) {
  ++count_;
  if (!full()) lines_.push_back(std::move(line));
}

absl::Status Faults::ToStatus() const {
  if (lines_.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(lines_, "\n"));
}

std::string Quotable(std::string_view text) {
  constexpr size_t kMaxShown = 40;
  std::string out;
  for (const char c : text.substr(0, kMaxShown)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f) {
      out += absl::StrFormat("\\x%02x", byte);
    } else {
      out += c;
    }
  }
  if (text.size() > kMaxShown) out += "...";
  return out;
}

std::string QuotableName(std::string_view name) {
  const auto is_plain = [](unsigned char c) { return c > 0x20 && c < 0x7f; };
  return std::all_of(name.begin(), name.end(), is_plain) ? std::string(name) : Quotable(name);
}

}  // namespace culvert::manifest
