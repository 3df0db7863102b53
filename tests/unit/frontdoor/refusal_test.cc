#include "core/frontdoor/refusal.h"

#include <gtest/gtest.h>

#include <set>

namespace culvert {
namespace {

TEST(Refusal, EachHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < kRefusalCount; ++i) EXPECT_TRUE(names.insert(RefusalName(static_cast<Refusal>(i))).second) << i;
  EXPECT_EQ(RefusalName(Refusal::kNone), "");
  EXPECT_EQ(RefusalName(Refusal::kDestinationDenied), "DESTINATION_DENIED");
  EXPECT_EQ(RefusalName(Refusal::kMalformed), "MALFORMED");
  EXPECT_EQ(RefusalName(Refusal::kUnauthenticated), "UNAUTHENTICATED");
  EXPECT_EQ(RefusalName(Refusal::kInternal), "INTERNAL");
}

TEST(Refusal, ComesFromItsNumber) {
  for (size_t i = 0; i < kRefusalCount; ++i) EXPECT_EQ(static_cast<size_t>(RefusalFromNumber(i)), i);
  EXPECT_EQ(RefusalFromNumber(kRefusalCount), Refusal::kInternal);
  EXPECT_EQ(RefusalFromNumber(256), Refusal::kInternal);
  EXPECT_EQ(RefusalFromNumber(UINT64_MAX), Refusal::kInternal);
}

}  // namespace
}  // namespace culvert
