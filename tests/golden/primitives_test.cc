// The computed building blocks: authenticator, key from seed, AES-GCM.
#include <gtest/gtest.h>

#include "core/crypto/aes_gcm.h"
#include "core/crypto/kcp_authenticator.h"
#include "tests/golden/vectors.h"

namespace culvert::golden {
namespace {

TEST(GoldenPrimitives, SimpleAuthenticator) {
  size_t cases = 0;
  for (const VectorFile& file : LoadVectors("primitives")) {
    for (const Json& entry : file.content.at("simple")) {
      const Bytes plain = FromHex(Text(entry, "plain_hex"));
      SCOPED_TRACE(ToHex(plain));
      Bytes bytes(kKcpAuthenticatorSize + plain.size());
      std::copy(plain.begin(), plain.end(), bytes.begin() + kKcpAuthenticatorSize);
      SealKcpAuthenticated(bytes);
      EXPECT_EQ(ToHex(bytes), Text(entry, "sealed_hex"));
      EXPECT_EQ(ToHex(ByteView(bytes).first(4)), Text(entry, "fnv1a32_of_length_and_plain"));
      ASSERT_TRUE(OpenKcpAuthenticated(bytes));
      EXPECT_EQ(ToHex(ByteView(bytes).subspan(kKcpAuthenticatorSize)), ToHex(plain));
      ++cases;
    }
  }
  EXPECT_GT(cases, 0u);
}

TEST(GoldenPrimitives, KeyFromSeed) {
  size_t cases = 0;
  for (const VectorFile& file : LoadVectors("primitives")) {
    for (const Json& entry : file.content.at("mkcp_keys")) {
      const Aes128Key key = Aes128KeyFromSeed(Text(entry, "seed"));
      EXPECT_EQ(ToHex(key.view()), Text(entry, "key_hex")) << entry;
      ++cases;
    }
  }
  EXPECT_GT(cases, 0u);
}

TEST(GoldenPrimitives, SealedWithSeed) {
  size_t cases = 0;
  for (const VectorFile& file : LoadVectors("primitives")) {
    for (const Json& entry : file.content.at("mkcp_aes")) {
      const auto sealer = DatagramSealer::Aes128Gcm(Text(entry, "seed"));
      const Bytes plain = FromHex(Text(entry, "plain_hex"));
      Bytes bytes(sealer->overhead() + plain.size());
      std::copy(plain.begin(), plain.end(), bytes.begin() + static_cast<ptrdiff_t>(sealer->prefix_size()));
      GivenBytes nonce(FromHex(Text(entry, "nonce_hex")));
      sealer->SealInPlace(bytes, nonce);
      EXPECT_EQ(ToHex(bytes), Text(entry, "out_hex"));
      ++cases;
    }
  }
  EXPECT_GT(cases, 0u);
}

// The sealer does not show its key; what it sealed opens under the listed one.
void ExpectKey(const DatagramSealer& sealer, const Aead& listed) {
  SeededRandom random(1);
  Bytes bytes(sealer.overhead() + 40, 7);
  sealer.SealInPlace(bytes, random);
  const ByteSpan body = ByteSpan(bytes).subspan(Aead::kNonceSize);
  ASSERT_TRUE(listed.OpenInPlace(ByteView(bytes).first(Aead::kNonceSize), body));
  EXPECT_EQ(ToHex(body.first(40)), ToHex(Bytes(40, 7)));
}

TEST(GoldenPrimitives, OuterKeysOfQuic) {
  size_t cases = 0;
  for (const VectorFile& file : LoadVectors("primitives")) {
    for (const Json& entry : file.content.at("quic_outer_keys")) {
      SCOPED_TRACE(Text(entry, "key"));
      ExpectKey(*DatagramSealer::QuicAes128Gcm(Text(entry, "key")),
                Aead::Aes128Gcm(FromHex(Text(entry, "aes_128_gcm_key_hex"))));
      ExpectKey(*DatagramSealer::QuicChacha20Poly1305(Text(entry, "key")),
                Aead::Chacha20Poly1305(FromHex(Text(entry, "chacha20_poly1305_key_hex"))));
      ++cases;
    }
  }
  EXPECT_GT(cases, 0u);
}

}  // namespace
}  // namespace culvert::golden
