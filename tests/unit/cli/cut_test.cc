#include "cli/text/cut.h"

#include "gtest/gtest.h"

namespace culvert::cli {
namespace {

TEST(Cut, LeavesWhatFits) {
  EXPECT_EQ(CutLine("abc", 3), "abc");
  EXPECT_EQ(CutLine("", 3), "");
  EXPECT_EQ(CutLine("abcd", 3), "abc");
  EXPECT_EQ(CutLine("abcd", 0), "");
}

TEST(Cut, CutsBetweenCharacters) {
  EXPECT_EQ(CutLine("\xc3\xa4\xc3\xb6\xc3\xbc", 2), "\xc3\xa4\xc3\xb6");
  EXPECT_EQ(CutLine("a\xff" "b", 2), "a\xff") << "what is no character takes a place";
}

TEST(Cut, KeepsColoursSoThatNoneGoesOn) {
  EXPECT_EQ(CutLine("ab\x1b[31mcdef\x1b[0mgh", 4), "ab\x1b[31mcd\x1b[0m");
  EXPECT_EQ(CutLine("\x1b[1;32mab\x1b[0m", 2), "\x1b[1;32mab\x1b[0m");
}

TEST(Cut, CutsEveryLine) {
  EXPECT_EQ(CutLines("abcd\nef\n\nghij\n", 2), "ab\nef\n\ngh");
  EXPECT_EQ(CutLines("\nab", 2), "\nab");
  EXPECT_EQ(CutLines("", 2), "");
}

}  // namespace
}  // namespace culvert::cli
