#include "core/crypto/kcp_authenticator.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

#include "core/base/random.h"

namespace culvert {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes RoomFor(ByteView plain) {
  Bytes bytes(kKcpAuthenticatorSize + plain.size());
  std::copy(plain.begin(), plain.end(), bytes.begin() + kKcpAuthenticatorSize);
  return bytes;
}

Bytes Seal(ByteView plain) {
  Bytes bytes = RoomFor(plain);
  SealKcpAuthenticated(bytes);
  return bytes;
}

// The rule as spec/mkcp.md section 2 words it, byte by byte.
Bytes SealByTheBook(ByteView plain) {
  Bytes bytes = RoomFor(plain);
  StoreBigEndian16(bytes.data() + 4, static_cast<uint16_t>(plain.size()));
  uint32_t hash = 0x811c9dc5;
  for (size_t i = 4; i < bytes.size(); ++i) hash = (hash ^ bytes[i]) * 0x01000193;
  StoreBigEndian32(bytes.data(), hash);
  for (size_t i = 4; i < bytes.size(); ++i) bytes[i] ^= bytes[i - 4];
  return bytes;
}

TEST(KcpAuthenticator, SealsTheWorkedExamples) {
  EXPECT_EQ(Seal({}), (Bytes{0x11, 0x76, 0x97, 0xcd, 0x11, 0x76}));
  EXPECT_EQ(Seal(AsBytes("a")), (Bytes{0x45, 0xae, 0xb1, 0x41, 0x45, 0xaf, 0xd0}));
  EXPECT_EQ(Seal(AsBytes("abcdefg")),
            (Bytes{0xd1, 0x97, 0x2b, 0xa8, 0xd1, 0x90, 0x4a, 0xca, 0xb2, 0xf4, 0x2f, 0xac, 0xd5}));
}

TEST(KcpAuthenticator, EqualsTheByteWiseRuleAtEverySize) {
  SeededRandom random(1);
  for (size_t size = 0; size <= 2100; ++size) {
    Bytes plain(size);
    random.Fill(plain);
    const Bytes sealed = Seal(plain);
    ASSERT_EQ(sealed, SealByTheBook(plain)) << size;
    Bytes opened = sealed;
    ASSERT_TRUE(OpenKcpAuthenticated(opened)) << size;
    ASSERT_EQ(Bytes(opened.begin() + kKcpAuthenticatorSize, opened.end()), plain) << size;
  }
}

TEST(KcpAuthenticator, EqualsTheByteWiseRuleOnExtremeBytes) {
  for (uint8_t value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
    for (size_t size : {1, 63, 64, 65, 128, 1000, 65535}) {
      const Bytes plain(size, value);
      EXPECT_EQ(Seal(plain), SealByTheBook(plain)) << int{value} << " x " << size;
    }
  }
}

TEST(KcpAuthenticator, RefusesEveryFlippedBitCutAndAddition) {
  SeededRandom random(2);
  Bytes plain(150);
  random.Fill(plain);
  const Bytes sealed = Seal(plain);
  for (size_t bit = 0; bit < 8 * sealed.size(); ++bit) {
    Bytes bad = sealed;
    bad[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
    EXPECT_FALSE(OpenKcpAuthenticated(bad)) << "bit " << bit;
  }
  for (size_t size = 0; size < sealed.size(); ++size) {
    Bytes bad(sealed.begin(), sealed.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_FALSE(OpenKcpAuthenticated(bad)) << "cut to " << size;
  }
  Bytes longer = sealed;
  longer.push_back(0);
  EXPECT_FALSE(OpenKcpAuthenticated(longer));
}

}  // namespace
}  // namespace culvert
