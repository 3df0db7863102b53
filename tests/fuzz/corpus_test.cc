// Every file of every corpus once.
#include <gtest/gtest.h>

#include "tests/fuzz/corpus.h"
#include "tests/fuzz/targets.h"

namespace culvert::fuzz {
namespace {

class FuzzCorpus : public ::testing::TestWithParam<Target> {};

TEST_P(FuzzCorpus, EveryFileOnce) {
  const std::vector<CorpusFile> files = LoadCorpus(GetParam().name);
  ASSERT_GE(files.size(), 100u) << "too little to start from";
  for (const CorpusFile& file : files) {
    SCOPED_TRACE(file.name);
    GetParam().run(file.bytes);
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, FuzzCorpus, ::testing::ValuesIn(kTargets),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace culvert::fuzz
