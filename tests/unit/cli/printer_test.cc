#include "cli/text/printer.h"

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

TEST(Table, LinesUpWideAndCombiningLetters) {
  Table table({"NAME", "AGE"});
  table.Add({"東京", "1s"});            // two columns each
  table.Add({"e\u0301clair", "2s"});  // an accent on top of its letter
  table.Add({"\U0001F680", "3s"});
  std::ostringstream out;
  table.Print(out, {});
  EXPECT_EQ(out.str(), "NAME    AGE\n東京    1s\ne\u0301clair  2s\n\U0001F680      3s\n");
}

Table Addresses() {
  Table table({"NAME", "REMOTE", "DESTINATION", "STATE"});
  table.Add({"k3f9q2", "[2001:db8:85a3::8a2e:370:7334]:52110", "db.internal:5432", "ACTIVE"});
  return table;
}

std::string AddressesAt(int columns) {
  std::ostringstream out;
  Addresses().Print(out, {.with_headers = false, .columns = columns});
  return out.str();
}

TEST(Table, ShortensAddressesInTheMiddleAndOnlyAsFarAsNeeded) {
  const std::string whole = "k3f9q2  [2001:db8:85a3::8a2e:370:7334]:52110  db.internal:5432  ACTIVE\n";
  EXPECT_EQ(AddressesAt(0), whole);
  EXPECT_EQ(AddressesAt(70), whole);
  EXPECT_EQ(AddressesAt(69), "k3f9q2  [2001:db8:85a3::8…e:370:7334]:52110  db.internal:5432  ACTIVE\n");
  // The longest gives first; then both.
  EXPECT_EQ(AddressesAt(50), "k3f9q2  [2001:db…]:52110  db.internal:5432  ACTIVE\n");
  EXPECT_EQ(AddressesAt(44), "k3f9q2  [2001:…:52110  db.int…l:5432  ACTIVE\n");
  // Never less than says anything. Where that is too wide as well, nothing is cut: the terminal wraps it.
  EXPECT_EQ(AddressesAt(36), "k3f9q2  [200…2110  db.i…5432  ACTIVE\n");
  EXPECT_EQ(AddressesAt(35), whole);
}

TEST(Table, NeverShortensNamesOrHeaders) {
  Table table({"NAME", "DESTINATION"});
  table.Add({"a-name-that-is-long", "db.internal:5432"});
  std::ostringstream out;
  table.Print(out, {.columns = 32});
  EXPECT_EQ(out.str(), "NAME                 DESTINATION\na-name-that-is-long  db.in…:5432\n");
}

TEST(Shortened, KeepsLettersWhole) {
  EXPECT_EQ(Shortened("abcdef", 6), "abcdef");
  EXPECT_EQ(Shortened("abcdef", 5), "ab…ef");
  EXPECT_EQ(Shortened("abcdef", 4), "ab…f");
  EXPECT_EQ(Shortened("東京大阪", 5), "東…阪");
  EXPECT_EQ(Shortened("東京大阪", 4), "東…");
  EXPECT_EQ(Shortened("e\u0301e\u0301e\u0301e\u0301", 3), "e\u0301…e\u0301");
  EXPECT_EQ(Shortened("abc", 1), "…");
}

TEST(Table, TakesAColumnInFront) {
  Table table = Sample();
  table.Prepend("EVENT", {"ADDED", "DELETED"});
  std::ostringstream out;
  table.Print(out, {});
  EXPECT_EQ(out.str(), "EVENT    NAME      STATE   AGE\nADDED    local-pg  ACTIVE  3d\nDELETED  é         <none>  41m\n");
}

}  // namespace
}  // namespace culvert::cli
