// The command line of bench_compare.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/bench/compare/measure.h"

namespace culvert::bench {

struct Options {
  int rounds = 1;
  int lanes = 0;  // emulated links measured at the same time; 0: as many as suit (1, with --quick 4)
  bool is_quick = false;
  bool has_mixed = false;
  bool is_list = false;
  bool is_help = false;
  std::string only;                 // subjects, comma-separated
  std::string profiles;             // comma-separated
  std::vector<Phase> phases;        // empty: all
  std::string directory = "bench";  // where the files go
};

extern const char* const kUsage;

// Errors: INVALID_ARGUMENT naming the option.
absl::StatusOr<Options> ParseOptions(const std::vector<std::string>& words);

// The profiles that `names` picks (in full, or a part of the name), in the order of `all`. Empty: all.
// Errors: INVALID_ARGUMENT when a name picks nothing.
absl::StatusOr<std::vector<Profile>> PickProfiles(const std::vector<Profile>& all, const std::string& names);

}  // namespace culvert::bench
