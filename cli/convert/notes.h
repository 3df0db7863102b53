// What a conversion has to tell beside its result: where it stands in the source, and what it means.
// Thread: any; values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_format.h"
#include "cli/convert/json_view.h"
#include "cli/text/escape.h"

namespace culvert::cli {

struct Note {
  bool is_warning = false;  // of security; others only tell what is lost
  std::string text;         // "FILE:LINE: PATH: what", printable
};

class Notes {
 public:
  explicit Notes(std::string file) : file_(std::move(file)) {}

  void Add(const JsonView& where, std::string_view path, std::string_view what) { Put(false, where, path, what); }
  void Warn(const JsonView& where, std::string_view path, std::string_view what) { Put(true, where, path, what); }
  const std::vector<Note>& all() const { return notes_; }

 private:
  void Put(bool is_warning, const JsonView& where, std::string_view path, std::string_view what) {
    notes_.push_back({is_warning, Visible(absl::StrFormat("%s:%d: %s: %s", file_, where.line(), path, what))});
  }

  const std::string file_;
  std::vector<Note> notes_;
};

}  // namespace culvert::cli
