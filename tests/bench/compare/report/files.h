// The files of a run.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tests/bench/compare/report/results.h"

namespace culvert::bench {

// Writes compare.txt (the table), compare.tsv (every figure) and a plot per profile into `directory`, which is made when it
// is missing. Errors: INTERNAL naming the file.
absl::Status WriteFiles(const Results& results, const std::vector<std::string>& profiles,
                        const std::vector<std::string>& subjects, const std::string& directory);

}  // namespace culvert::bench
