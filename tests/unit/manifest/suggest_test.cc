#include "proto/manifest/suggest.h"
#include "gtest/gtest.h"

namespace culvert::manifest {
namespace {

TEST(Nearest, FindsSlipsAndBeginnings) {
  const std::vector<std::string> verbs = {"apply",  "get",    "delete",  "dial",     "top",
                                          "status", "export", "version", "mtu_bytes"};
  EXPECT_EQ(Nearest("aplly", verbs), "apply");
  EXPECT_EQ(Nearest("appyl", verbs), "apply");
  EXPECT_EQ(Nearest("DELETE", verbs), "delete");
  EXPECT_EQ(Nearest("mtu", verbs), "mtu_bytes");
  EXPECT_EQ(Nearest("stat", verbs), "status");
  EXPECT_EQ(Nearest("xyzzy", verbs), "");
  EXPECT_EQ(Nearest("", verbs), "");
  EXPECT_EQ(Nearest(std::string(1'000'000, 'a'), verbs), "");
  EXPECT_EQ(DidYouMean("gett", verbs), " (did you mean get?)");
}

}  // namespace
}  // namespace culvert::manifest
