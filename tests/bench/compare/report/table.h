// The table on standard output.
#pragma once

#include <string>
#include <vector>

#include "tests/bench/compare/report/results.h"

namespace culvert::bench {

// A block per profile: a row per subject, a column per metric that any subject has there; "median (least-most)", the median
// alone after one round, "failed", or "-" where there is nothing. Profiles and subjects without any figure are left out.
std::string Table(const Results& results, const std::vector<std::string>& profiles,
                  const std::vector<std::string>& subjects);

// One cell of it.
std::string CellText(const Results::Cell* cell, int decimals);

}  // namespace culvert::bench
