// A plot of one profile as SVG: a panel per metric, a bar per subject, with the spread of the rounds.
#pragma once

#include <string>
#include <vector>

#include "tests/bench/compare/report/results.h"

namespace culvert::bench {

// Empty when the profile has no figures.
std::string Plot(const Results& results, const std::string& profile, const std::vector<std::string>& subjects);

}  // namespace culvert::bench
