// Measures one subject on one site, in phases; every phase starts the subject anew.
#pragma once

#include <string>
#include <vector>

#include "tests/bench/compare/report/results.h"
#include "tests/bench/compare/site.h"
#include "tests/bench/compare/subjects/subject.h"

namespace culvert::bench {

enum class Phase {
  kQuiet,  // idle memory, first bytes, small messages alone
  kCrowd,  // 1,000 streams at once
  kUp,     // one bulk stream, with small messages beside it
  kDown,   // one bulk stream the other way
};
inline constexpr Phase kAllPhases[] = {Phase::kQuiet, Phase::kCrowd, Phase::kUp, Phase::kDown};

// "quiet", "streams", "up", "down".
const char* NameOf(Phase phase);
bool AppliesTo(Phase phase, const Profile& profile);
// About how long it takes, in seconds: for the estimate of the time left.
double PlannedSeconds(Phase phase, const Profile& profile);

struct Cell {
  const Subject& subject;
  Site& site;
  int round = 1;
};
// Adds what it found, or why it failed, to `results`. Returns a line about it for the progress display.
std::string Measure(const Cell& cell, Phase phase, Results& results);

}  // namespace culvert::bench
