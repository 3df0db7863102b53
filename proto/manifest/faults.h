// The list of what is wrong with a text: collected, not stopped at the first, and bounded.
// Thread: confined to one call.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace culvert::manifest {

class Faults {
 public:
  // A reader fixes a handful at a time; more lines only push the first ones off the screen.
  static constexpr size_t kMax = 20;

  // Adds "FILE:LINE: PATH: MESSAGE"; an empty path is left out. Without effect once full().
  void Add(std::string_view file, int line, std::string_view path, std::string_view message);
  void AddLine(std::string line);
  size_t count() const { return count_; }  // all that were added, also those beyond kMax
  bool full() const { return lines_.size() >= kMax; }
  bool empty() const { return lines_.empty(); }
  // OK when nothing was added, else INVALID_ARGUMENT with one line per fault.
  absl::Status ToStatus() const;

 private:
  std::vector<std::string> lines_;
  size_t count_ = 0;
};

// `text` fit for a message: at most 40 bytes, control characters and bytes outside ASCII as \xNN.
std::string Quotable(std::string_view text);
// The same for a name: as it is, however long, unless no object can have such a name.
std::string QuotableName(std::string_view name);

}  // namespace culvert::manifest
