// How many times a subject is ahead of another.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/bench/compare/report/results.h"

namespace culvert::bench {

// A line per profile and pair (first over second) that both have a goodput of: medians of steady goodput, both directions.
// "100ms-50m-2  culvert-to-v2ray / v2ray  up 1.93x  down 2.41x". Empty when there is none.
std::string Ratios(const Results& results, const std::vector<std::string>& profiles,
                   const std::vector<std::pair<std::string, std::string>>& pairs);

}  // namespace culvert::bench
