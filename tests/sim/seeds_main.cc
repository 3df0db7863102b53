// The entry point of the test programs that run seeds.
#include <gtest/gtest.h>

#include "tests/sim/seeds.h"

int main(int argc, char** argv) {
  if (!culvert::sim::ReadSeedOptions(argc, argv)) return 2;
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
