// The files of a corpus, for the tests that run them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace culvert::fuzz {

struct CorpusFile {
  std::string name;
  std::vector<uint8_t> bytes;
};

// Sorted by name: what the corpus maker made of the golden vectors, and what once failed (tests/fuzz/regressions/TARGET).
std::vector<CorpusFile> LoadCorpus(std::string_view target);

}  // namespace culvert::fuzz
