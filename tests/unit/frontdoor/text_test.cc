#include "core/frontdoor/text.h"

#include <gtest/gtest.h>

namespace culvert::frontdoor {
namespace {

using namespace std::string_literals;

TEST(IsPlainText, TakesWellFormedUtf8) {
  for (const std::string& text :
       {""s, "abc ~"s, "b\u00fccher"s, "\u07ff\u0800\xed\x9f\xbf\xee\x80\x80\uffff"s, "\U00010000\U0010ffff"s, "\u00a0"s}) {
    EXPECT_TRUE(IsPlainText(text)) << text;
  }
}

TEST(IsPlainText, RefusesControlCharactersAndMalformedUtf8) {
  for (const std::string& text : {"\0"s,
                                  "\n"s,
                                  "\x1f"s,
                                  "\x7f"s,
                                  "\xc2\x80"s,
                                  "\xc2\x9f"s,  // control characters
                                  "\x80"s,
                                  "\xbf"s,
                                  "\xc0\xaf"s,
                                  "\xc1\xbf"s,
                                  "\xc2"s,
                                  "\xc2 "s,  // no such start, cut short, no continuation
                                  "\xe0\x9f\xbf"s,
                                  "\xe1\x80"s,
                                  "\xed\xa0\x80"s,
                                  "\xed\xbf\xbf"s,  // longer than needed, cut short, surrogates
                                  "\xf0\x8f\xbf\xbf"s,
                                  "\xf4\x90\x80\x80"s,
                                  "\xf5\x80\x80\x80"s,
                                  "\xf1\x80\x80"s,
                                  "\xf1\x80\x80 "s,
                                  "\xff"s,
                                  "\xfe"s}) {
    EXPECT_FALSE(IsPlainText(text)) << testing::PrintToString(text);
    EXPECT_FALSE(IsPlainText("good" + text + "good")) << testing::PrintToString(text);
    const std::string plain = PlainText("good" + text + "good", 100);
    EXPECT_TRUE(IsPlainText(plain)) << plain;
    EXPECT_TRUE(plain.starts_with("good?") && plain.ends_with("good")) << plain;
  }
}

TEST(PlainText, IsCutBetweenCharacters) {
  EXPECT_EQ(PlainText("abc", 3), "abc");
  EXPECT_EQ(PlainText("abcd", 3), "abc");
  EXPECT_EQ(PlainText("ab\u00fc", 3), "ab");
  EXPECT_EQ(PlainText("ab\u00fc", 4), "ab\u00fc");
  EXPECT_EQ(PlainText("a\r\nb", 9), "a??b");
  EXPECT_EQ(PlainText("abc", 0), "");
}

TEST(EqualsIgnoreCase, ComparesAsciiLettersWithoutCase) {
  EXPECT_TRUE(EqualsIgnoreCase("", ""));
  EXPECT_TRUE(EqualsIgnoreCase("Content-Length", "cONTENT-lENGTH"));
  EXPECT_FALSE(EqualsIgnoreCase("host", "hos"));
  EXPECT_FALSE(EqualsIgnoreCase("hos", "host"));
  EXPECT_FALSE(EqualsIgnoreCase("@", "`")) << "32 apart, but no letters";
}

TEST(IsHost, TakesNamesAndAddresses) {
  for (const std::string& host :
       {"db"s, "a.example.com."s, "_srv.x"s, "10.0.0.1"s, "::1"s, "2001:db8::5"s, "b\u00fccher.de"s, std::string(255, 'a')}) {
    EXPECT_TRUE(IsHost(host)) << host;
  }
}

TEST(IsHost, RefusesWhatNoHostHas) {
  for (const std::string& host :
       {""s,     std::string(256, 'a'), "a b"s,  "a\tb"s, "a\0b"s, "a\nb"s, "a:b"s, "a:80"s, "[::1]"s, "::1]:5"s, "u@h"s, "a/b"s,
        "a%00"s, "fe80::1%eth0"s,       "a\\b"s, "a#b"s,  "a?b"s,  "a<b"s,  "a>b"s, "a^b"s,  "a|b"s,   "\xff"s,   "\x7f"s}) {
    EXPECT_FALSE(IsHost(host)) << testing::PrintToString(host);
  }
}

}  // namespace
}  // namespace culvert::frontdoor
