#include "core/crypto/aead.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "core/crypto/aes_gcm.h"

namespace culvert {
namespace {

using ::testing::Each;
using ::testing::ElementsAreArray;

constexpr std::array<uint8_t, 12> kNonce = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

// text || tag
std::vector<uint8_t> Seal(const Aead& aead, std::vector<uint8_t> text, ByteView nonce = kNonce, ByteView data = {}) {
  const size_t size = text.size();
  text.resize(size + Aead::kTagSize);
  aead.SealInPlace(nonce, ByteSpan(text).first(size), ByteSpan(text).subspan(size), data);
  return text;
}

std::vector<uint8_t> Counting(size_t size) {
  std::vector<uint8_t> bytes(size);
  std::iota(bytes.begin(), bytes.end(), uint8_t{0});
  return bytes;
}

// McGrew, Viega, "The Galois/Counter Mode of Operation", appendix B, test cases 1 and 2.
TEST(Aead, MatchesThePublishedGcmCases) {
  const std::array<uint8_t, 16> key{};
  const std::array<uint8_t, 12> nonce{};
  const Aead aead = Aead::Aes128Gcm(key);
  EXPECT_THAT(Seal(aead, {}, nonce), ElementsAreArray({0x58, 0xe2, 0xfc, 0xce, 0xfa, 0x7e, 0x30, 0x61, 0x36, 0x7f, 0x1d,
                                                       0x57, 0xa4, 0xe7, 0x45, 0x5a}));
  EXPECT_THAT(Seal(aead, std::vector<uint8_t>(16), nonce),
              ElementsAreArray({0x03, 0x88, 0xda, 0xce, 0x60, 0xb6, 0xa3, 0x92, 0xf3, 0x28, 0xc2,
                                0xb9, 0x71, 0xb2, 0xfe, 0x78, 0xab, 0x6e, 0x47, 0xd4, 0x2c, 0xec,
                                0x13, 0xbd, 0xf5, 0x3a, 0x67, 0xb2, 0x12, 0x57, 0xbd, 0xdf}));
}

TEST(Aead, OpensWhatItSealedAtEverySize) {
  const Aead aead = Aes128GcmFromSeed("seed");
  for (size_t size = 0; size < 300; ++size) {
    std::vector<uint8_t> bytes = Seal(aead, Counting(size));
    ASSERT_TRUE(aead.OpenInPlace(kNonce, bytes)) << size;
    bytes.resize(size);
    ASSERT_EQ(bytes, Counting(size));
  }
}

TEST(Aead, RefusesEveryFlippedBitAndEveryCut) {
  const Aead aead = Aes128GcmFromSeed("seed");
  const std::vector<uint8_t> sealed = Seal(aead, Counting(20));
  for (size_t bit = 0; bit < 8 * sealed.size(); ++bit) {
    std::vector<uint8_t> bad = sealed;
    bad[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
    EXPECT_FALSE(aead.OpenInPlace(kNonce, bad)) << "bit " << bit;
  }
  for (size_t size = 0; size < sealed.size(); ++size) {
    std::vector<uint8_t> bad(sealed.begin(), sealed.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_FALSE(aead.OpenInPlace(kNonce, bad)) << "cut to " << size;
  }
}

TEST(Aead, LeavesNoPlaintextBehindAFailure) {
  const Aead aead = Aes128GcmFromSeed("seed");
  std::vector<uint8_t> bad = Seal(aead, std::vector<uint8_t>(64, 0x41));
  bad.back() ^= 1;
  ASSERT_FALSE(aead.OpenInPlace(kNonce, bad));
  EXPECT_THAT(std::vector<uint8_t>(bad.begin(), bad.begin() + 64), Each(::testing::Ne(0x41)));
}

TEST(Aead, BindsKeyNonceAndAssociatedData) {
  const Aead aead = Aes128GcmFromSeed("seed");
  const std::vector<uint8_t> data = {9, 9};
  const std::vector<uint8_t> sealed = Seal(aead, Counting(5), kNonce, data);
  auto copy = sealed;
  EXPECT_TRUE(aead.OpenInPlace(kNonce, copy, data));
  copy = sealed;
  EXPECT_FALSE(aead.OpenInPlace(kNonce, copy));
  copy = sealed;
  EXPECT_FALSE(Aes128GcmFromSeed("other").OpenInPlace(kNonce, copy, data));
  std::array<uint8_t, 12> other = kNonce;
  other[11] ^= 1;
  copy = sealed;
  EXPECT_FALSE(aead.OpenInPlace(other, copy, data));
}

TEST(Aead, WorksAfterBeingMoved) {
  Aead first = Aes128GcmFromSeed("seed");
  std::vector<uint8_t> sealed = Seal(first, Counting(5));
  const Aead second = std::move(first);
  EXPECT_TRUE(second.OpenInPlace(kNonce, sealed));
}

TEST(Aes128KeyFromSeed, TakesAnEmptySeed) {
  EXPECT_THAT(Aes128KeyFromSeed("").view(), ElementsAreArray({0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a,
                                                              0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24}));
}

}  // namespace
}  // namespace culvert
