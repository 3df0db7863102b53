#include "tests/sim/seeds.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"

namespace culvert::sim {
namespace {

// Enough to see what they have in common.
constexpr int kMaxFailures = 5;

SeedRange range;
std::string program = "the test program";

std::optional<uint64_t> Number(const char* text) {
  uint64_t value = 0;
  if (text == nullptr || !absl::SimpleAtoi(text, &value)) return std::nullopt;
  return value;
}

bool Take(const char* name, const char* text, uint64_t& to) {
  const std::optional<uint64_t> value = Number(text);
  if (!value) {
    std::fprintf(stderr, "%s wants a number\n", name);
    return false;
  }
  to = *value;
  return true;
}

std::string CommandFor(uint64_t seed) {
  const ::testing::TestInfo* test = ::testing::UnitTest::GetInstance()->current_test_info();
  return absl::StrFormat("%s --gtest_filter='%s.*' --first %d --iterations 1", program, test->test_suite_name(), seed);
}

}  // namespace

const SeedRange& Seeds() { return range; }

bool ReadSeedOptions(int& argc, char** argv) {
  program = argv[0];
  if (std::getenv("CULVERT_TEST_ALL") != nullptr) range.count = 20'000;
  const struct {
    const char* option;
    const char* variable;
    uint64_t& value;
  } known[] = {{"--iterations", "CULVERT_SIM_SEEDS", range.count}, {"--first", "CULVERT_SIM_FIRST", range.first}};
  for (const auto& each : known) {
    const char* text = std::getenv(each.variable);
    if (text != nullptr && !Take(each.variable, text, each.value)) return false;
    for (int i = 1; i < argc; ++i) {
      if (std::strcmp(argv[i], each.option) != 0) continue;
      if (!Take(each.option, i + 1 < argc ? argv[i + 1] : nullptr, each.value)) return false;
      for (int k = i + 2; k <= argc; ++k) argv[k - 2] = argv[k];  // argv[argc] is null
      argc -= 2;
      break;
    }
  }
  return true;
}

void RunSeeds(int share, const std::function<std::string(uint64_t, uint64_t*)>& run) {
  int failures = 0;
  for (uint64_t i = static_cast<uint64_t>(share); i < range.count && failures < kMaxFailures; i += kShares) {
    const uint64_t seed = range.first + i;
    uint64_t hash = 0;
    uint64_t again = 0;
    std::string problem = run(seed, &hash);
    if (problem.empty() && seed % 100 == 0) {
      problem = run(seed, &again);
      if (hash != again) problem = "the same seed went another way";
    }
    if (problem.empty()) continue;
    ++failures;
    ADD_FAILURE() << problem << "\nagain: " << CommandFor(seed);
  }
}

}  // namespace culvert::sim
