#include "core/crypto/aead.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "core/crypto/aes_gcm.h"
#include "core/crypto/sha256.h"

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

// RFC 8439 section 2.8.2.
TEST(Aead, MatchesThePublishedChacha20Poly1305Case) {
  std::vector<uint8_t> key = Counting(32);
  for (uint8_t& byte : key) byte |= 0x80;
  const std::array<uint8_t, 12> nonce = {7, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47};
  const std::array<uint8_t, 12> data = {0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7};
  const std::string text =
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
  const std::vector<uint8_t> plain(text.begin(), text.end());
  const Aead aead = Aead::Chacha20Poly1305(key);
  std::vector<uint8_t> sealed = Seal(aead, plain, nonce, data);
  EXPECT_THAT(
      sealed,
      ElementsAreArray({0xd3, 0x1a, 0x8d, 0x34, 0x64, 0x8e, 0x60, 0xdb, 0x7b, 0x86, 0xaf, 0xbc, 0x53, 0xef, 0x7e, 0xc2, 0xa4, 0xad, 0xed,
                        0x51, 0x29, 0x6e, 0x08, 0xfe, 0xa9, 0xe2, 0xb5, 0xa7, 0x36, 0xee, 0x62, 0xd6, 0x3d, 0xbe, 0xa4, 0x5e, 0x8c, 0xa9,
                        0x67, 0x12, 0x82, 0xfa, 0xfb, 0x69, 0xda, 0x92, 0x72, 0x8b, 0x1a, 0x71, 0xde, 0x0a, 0x9e, 0x06, 0x0b, 0x29, 0x05,
                        0xd6, 0xa5, 0xb6, 0x7e, 0xcd, 0x3b, 0x36, 0x92, 0xdd, 0xbd, 0x7f, 0x2d, 0x77, 0x8b, 0x8c, 0x98, 0x03, 0xae, 0xe3,
                        0x28, 0x09, 0x1b, 0x58, 0xfa, 0xb3, 0x24, 0xe4, 0xfa, 0xd6, 0x75, 0x94, 0x55, 0x85, 0x80, 0x8b, 0x48, 0x31, 0xd7,
                        0xbc, 0x3f, 0xf4, 0xde, 0xf0, 0x8e, 0x4b, 0x7a, 0x9d, 0xe5, 0x76, 0xd2, 0x65, 0x86, 0xce, 0xc6, 0x4b, 0x61, 0x16,
                        0x1a, 0xe1, 0x0b, 0x59, 0x4f, 0x09, 0xe2, 0x6a, 0x7e, 0x90, 0x2e, 0xcb, 0xd0, 0x60, 0x06, 0x91}));
  ASSERT_TRUE(aead.OpenInPlace(nonce, sealed, data));
  sealed.resize(plain.size());
  EXPECT_EQ(sealed, plain);
}

// Both kinds, each under two keys.
Aead Aes(const std::string& seed) { return Aes128GcmFromSeed(seed); }
Aead Chacha(const std::string& seed) { return Aead::Chacha20Poly1305(Sha256(AsBytes(seed))); }

class EveryAead : public ::testing::TestWithParam<Aead (*)(const std::string&)> {};
INSTANTIATE_TEST_SUITE_P(Aead, EveryAead, ::testing::Values(Aes, Chacha),
                         [](const auto& kind) { return kind.index == 0 ? "Aes128Gcm" : "Chacha20Poly1305"; });

TEST_P(EveryAead, OpensWhatItSealedAtEverySize) {
  const Aead aead = GetParam()("seed");
  for (size_t size = 0; size < 300; ++size) {
    std::vector<uint8_t> bytes = Seal(aead, Counting(size));
    ASSERT_TRUE(aead.OpenInPlace(kNonce, bytes)) << size;
    bytes.resize(size);
    ASSERT_EQ(bytes, Counting(size));
  }
}

TEST_P(EveryAead, RefusesEveryFlippedBitAndEveryCut) {
  const Aead aead = GetParam()("seed");
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

TEST_P(EveryAead, LeavesNoPlaintextBehindAFailure) {
  const Aead aead = GetParam()("seed");
  std::vector<uint8_t> bad = Seal(aead, std::vector<uint8_t>(64, 0x41));
  bad.back() ^= 1;
  ASSERT_FALSE(aead.OpenInPlace(kNonce, bad));
  EXPECT_THAT(std::vector<uint8_t>(bad.begin(), bad.begin() + 64), Each(::testing::Ne(0x41)));
}

TEST_P(EveryAead, BindsKeyNonceAndAssociatedData) {
  const Aead aead = GetParam()("seed");
  const std::vector<uint8_t> data = {9, 9};
  const std::vector<uint8_t> sealed = Seal(aead, Counting(5), kNonce, data);
  auto copy = sealed;
  EXPECT_TRUE(aead.OpenInPlace(kNonce, copy, data));
  copy = sealed;
  EXPECT_FALSE(aead.OpenInPlace(kNonce, copy));
  copy = sealed;
  EXPECT_FALSE(GetParam()("other").OpenInPlace(kNonce, copy, data));
  std::array<uint8_t, 12> other = kNonce;
  other[11] ^= 1;
  copy = sealed;
  EXPECT_FALSE(aead.OpenInPlace(other, copy, data));
}

TEST_P(EveryAead, WorksAfterBeingMoved) {
  Aead first = GetParam()("seed");
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
