#include "core/crypto/secret.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <new>
#include <utility>

namespace culvert {
namespace {

using ::testing::Each;

TEST(SecureErase, LeavesZeros) {
  std::array<uint8_t, 33> bytes;
  bytes.fill(7);
  SecureErase(ByteSpan(bytes).first(32));
  EXPECT_THAT(ByteView(bytes).first(32), Each(0));
  EXPECT_EQ(bytes[32], 7);
  SecureErase({});
}

TEST(SecretBytes, AreErasedWithTheObject) {
  using Secret = SecretBytes<16>;
  alignas(Secret) std::array<uint8_t, sizeof(Secret)> memory;
  memory.fill(0xee);
  auto* secret = new (memory.data()) Secret;
  EXPECT_THAT(secret->view(), Each(0));
  std::fill(secret->span().begin(), secret->span().end(), uint8_t{7});
  secret->~Secret();
  EXPECT_THAT(memory, Each(0));
}

TEST(SecretBytes, MovingErasesTheSource) {
  SecretBytes<4> first;
  std::fill(first.span().begin(), first.span().end(), uint8_t{7});
  SecretBytes<4> second(std::move(first));
  EXPECT_THAT(second.view(), Each(7));
  EXPECT_THAT(first.view(), Each(0));  // NOLINT(bugprone-use-after-move,clang-analyzer-cplusplus.Move)
  first = std::move(second);
  EXPECT_THAT(first.view(), Each(7));
  EXPECT_THAT(second.view(), Each(0));  // NOLINT(bugprone-use-after-move,clang-analyzer-cplusplus.Move)
}

TEST(ConstantTimeEqual, ComparesSizesAndBytes) {
  EXPECT_TRUE(ConstantTimeEqual({}, {}));
  EXPECT_TRUE(ConstantTimeEqual(AsBytes("abc"), AsBytes("abc")));
  EXPECT_FALSE(ConstantTimeEqual(AsBytes("abc"), AsBytes("abd")));
  EXPECT_FALSE(ConstantTimeEqual(AsBytes("abc"), AsBytes("ab")));
  EXPECT_FALSE(ConstantTimeEqual(AsBytes("abc"), {}));
}

}  // namespace
}  // namespace culvert
