#include "cli/printer.h"

#include <sstream>

#include "gtest/gtest.h"

namespace culvert::cli {
namespace {

Table Sample() {
  Table table({"NAME", "STATE", "AGE"});
  table.Add({"local-pg", Cell("ACTIVE", Paint::kGood), "3d"});
  table.Add({"é", Cell("", Paint::kBad), "41m"});
  return table;
}

std::string Printed(Table::Options options) {
  std::ostringstream out;
  Sample().Print(out, options);
  return out.str();
}

TEST(Table, AlignsWithoutTrailingBlanks) {
  EXPECT_EQ(Printed({}),
            "NAME      STATE   AGE\n"
            "local-pg  ACTIVE  3d\n"
            "é         <none>  41m\n");
}

TEST(Table, PrintsWithoutHeaders) {
  EXPECT_EQ(Printed({.with_headers = false}),
            "local-pg  ACTIVE  3d\n"
            "é         <none>  41m\n");
}

TEST(Table, LinesUpWithThoseBeforeIt) {
  std::vector<size_t> widths;
  std::ostringstream out;
  for (const char* name : {"a", "longer", "b"}) {
    Table table({"N", "AGE"});
    table.Add({name, "1s"});
    table.Print(out, {.with_headers = widths.empty(), .widths = &widths});
  }
  EXPECT_EQ(out.str(), "N  AGE\na  1s\nlonger  1s\nb       1s\n");
}

TEST(Table, ColorsCellsAndNotTheBlanksBehindThem) {
  EXPECT_EQ(Printed({.color = true}),
            "NAME      STATE   AGE\n"
            "local-pg  \x1b[32mACTIVE\x1b[0m  3d\n"
            "é         \x1b[31m<none>\x1b[0m  41m\n");
}

}  // namespace
}  // namespace culvert::cli
