#include "core/kcp/address_validation.h"

#include <gtest/gtest.h>

namespace culvert::kcp {
namespace {

constexpr TimePoint kNow{std::chrono::seconds(10)};

TEST(AddressValidation, ThreeTimesTheBytesAndTheDatagrams) {
  AddressValidation validation(false);
  EXPECT_FALSE(validation.MaySend(kNow, 1, false));
  validation.OnReceived(kNow, 25);
  EXPECT_TRUE(validation.MaySend(kNow, 75, false));
  EXPECT_FALSE(validation.MaySend(kNow, 76, false));
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(validation.MaySend(kNow, 10, false));
    validation.OnSent(10);
  }
  EXPECT_FALSE(validation.MaySend(kNow, 10, false));
  validation.OnReceived(kNow, 25);
  EXPECT_TRUE(validation.MaySend(kNow, 10, false));
}

TEST(AddressValidation, ASilentPeerGetsNothingAfterAWhile) {
  AddressValidation validation(false);
  validation.OnReceived(kNow, 1000);
  EXPECT_FALSE(validation.MaySend(kNow + AddressValidation::kPatience, 10, false));
}

TEST(AddressValidation, OnceProvedNothingIsCounted) {
  AddressValidation validation(false);
  validation.SetValidated();
  EXPECT_TRUE(validation.MaySend(kNow, 1'000'000, true));
}

}  // namespace
}  // namespace culvert::kcp
