#include "cli/text/escape.h"

#include "gtest/gtest.h"

namespace culvert::cli {
namespace {

TEST(Visible, KeepsPrintableText) { EXPECT_EQ(Visible("local-pg é 中 😀"), "local-pg é 中 😀"); }

TEST(Visible, SpellsOutWhatActsOnATerminal) {
  EXPECT_EQ(Visible("a\x1b[31mb"), "a\\x1b[31mb");
  EXPECT_EQ(Visible("a\nb\tc\rd"), "a\\nb\\tc\\x0dd");
  EXPECT_EQ(Visible("\xc2\x9b"
                    "31m"),
            "\\x9b31m");  // C1 control sequence introducer
  EXPECT_EQ(Visible("abc\xe2\x80\xae"
                    "def"),
            "abc\\u202edef");  // right-to-left override
  EXPECT_EQ(Visible("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(Visible(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(Visible("\xe2\x80"), "\\xe2\\x80");
}

TEST(DisplayWidth, CountsCodePoints) {
  EXPECT_EQ(DisplayWidth("abc"), 3u);
  EXPECT_EQ(DisplayWidth("é"), 1u);
  EXPECT_EQ(DisplayWidth(""), 0u);
}

}  // namespace
}  // namespace culvert::cli
