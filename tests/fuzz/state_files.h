// Files of the store (server/store) for its fuzz target and for that target's seeds.
#pragma once

#include <string>
#include <vector>

struct sqlite3;

namespace culvert::fuzz {

// Small pages, so that a whole file is no longer than an input may be.
inline constexpr int kStatePageBytes = 512;

// A file as the store leaves it, with so many objects. The same on every machine with the same SQLite.
std::string MakeStateFile(int objects);
// What fuzzers of tests/fuzz/state.cc begin with.
std::vector<std::string> StateSeeds();

// Where a TempDir is in memory.
std::string FastBase();

// The file opened as any program would. The caller closes it.
sqlite3* OpenRaw(const std::string& path);
void RunRaw(sqlite3* database, const std::string& sql);

}  // namespace culvert::fuzz
