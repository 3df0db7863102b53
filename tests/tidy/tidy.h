// The rules of this tree that a machine can see: who may include whom, which calls belong where, size, and words that
// mark unfinished work. Each finding is a line "file:line: rule".
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace culvert::tidy {

struct Finding {
  std::string file;  // from the top of the tree
  size_t line;       // 1 is the first; 0 for a finding about a whole file or folder
  std::string rule;

  std::string ToString() const;
  friend bool operator==(const Finding&, const Finding&) = default;
};

// Findings in one file. `path` is from the top of the tree and decides which rules hold; `text` is its content.
std::vector<Finding> CheckFile(std::string_view path, std::string_view text);

// Findings in the tree below `top`: every text file of core, server, cli, proto, tests and deploy. `files_seen` counts.
std::vector<Finding> CheckTree(const std::filesystem::path& top, size_t& files_seen);

}  // namespace culvert::tidy
