#include "core/crypto/system_random.h"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <vector>

namespace culvert {
namespace {

TEST(SystemRandom, NoncesDoNotRepeatAcrossRefills) {
  SystemRandom random;
  std::set<std::array<uint8_t, 12>> seen;
  for (int i = 0; i < 5000; ++i) {  // 60 kB: many blocks, whose size 12 does not divide
    std::array<uint8_t, 12> nonce{};
    random.Fill(nonce);
    EXPECT_TRUE(seen.insert(nonce).second);
  }
}

TEST(SystemRandom, FillsEverySize) {
  SystemRandom random;
  for (size_t size : {1u, 100u, 1023u, 1024u, 1025u, 4095u, 4096u, 4097u, 20000u}) {
    std::vector<uint8_t> bytes(size + 1, 0xee);
    bool last_varies = false;
    for (int i = 0; i < 50; ++i) {
      const uint8_t before = bytes[size - 1];
      random.Fill(ByteSpan(bytes).first(size));
      last_varies |= bytes[size - 1] != before;
    }
    EXPECT_TRUE(last_varies) << size;
    EXPECT_EQ(bytes[size], 0xee) << size;
  }
  random.Fill({});
}

TEST(SystemRandom, InstancesAreIndependent) {
  SystemRandom a;
  SystemRandom b;
  EXPECT_NE(a.NextU64(), b.NextU64());
}

}  // namespace
}  // namespace culvert
