// Running many seeds of one kind of scenario, and saying exactly how to run a failing one again.
// Options of the test programs that use it (seeds_main.cc): --iterations N runs N seeds of each kind instead of 1,000,
// --first K begins at seed K. CULVERT_SIM_SEEDS and CULVERT_SIM_FIRST in the environment mean the same.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace culvert::sim {

struct SeedRange {
  uint64_t first = 1;
  uint64_t count = 1000;
};
const SeedRange& Seeds();

// CTest runs each share of the seeds as a test of its own, so that all processors have work.
inline constexpr int kShares = 4;

// Runs the seeds of share `share`; every failing one (up to five) is a failure of the running test. `run` returns what did not hold (empty: all did)
// and, through the pointer, a hash over everything that happened: one seed of a hundred runs twice and must leave the same.
void RunSeeds(int share, const std::function<std::string(uint64_t seed, uint64_t* hash)>& run);

// Takes the options above out of the command line, and remembers the program's name. False: a bad value, and what was wrong went to stderr.
bool ReadSeedOptions(int& argc, char** argv);

}  // namespace culvert::sim
