#include "tests/bench/compare/report/table.h"

#include <gtest/gtest.h>

namespace culvert::bench {
namespace {

TEST(CellText, SaysWhatThereIs) {
  EXPECT_EQ(CellText(nullptr, 1), "-");
  Results::Cell cell;
  cell.failures = 2;
  EXPECT_EQ(CellText(&cell, 1), "failed");
  cell = {.values = {46.25}};
  EXPECT_EQ(CellText(&cell, 1), "46.2");
  cell = {.values = {3, 1, 2}};
  EXPECT_EQ(CellText(&cell, 0), "2 (1-3)");
  cell.failures = 1;
  EXPECT_EQ(CellText(&cell, 0), "2 (1-3) 1x failed");
}

TEST(Table, HasTheRowsAndColumnsThatHaveFigures) {
  Results results;
  results.Add(1, "p", "short", Metric::kUp, 1);
  results.Add(1, "p", "a-long-name", Metric::kUp, 1000);
  results.Add(1, "p", "a-long-name", Metric::kWireUp, 1.0625);
  results.AddFailure(1, "p", "stalled", {Metric::kUp}, "why");
  EXPECT_EQ(Table(results, {"p", "empty"}, {"short", "absent", "a-long-name", "stalled"}),
            "p            up Mbit/s  wire/byte up\n"
            "short              1.0             -\n"
            "a-long-name     1000.0         1.062\n"
            "stalled         failed             -\n"
            "\n");
}

TEST(Table, PutsWhatIsReadTogetherIntoOneBlock) {
  Results results;
  results.Add(1, "p", "a", Metric::kUp, 1);
  results.Add(1, "p", "a", Metric::kDown, 2);
  EXPECT_EQ(Table(results, {"p"}, {"a"}),
            "p  up Mbit/s\n"
            "a        1.0\n"
            "\n"
            "p  down Mbit/s\n"
            "a          2.0\n"
            "\n");
}

}  // namespace
}  // namespace culvert::bench
