#include "core/camouflage/sealed_datagram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "core/crypto/aead.h"

namespace culvert {
namespace {

using Bytes = std::vector<uint8_t>;

struct Mode {
  const char* name;
  std::unique_ptr<DatagramSealer> sealer;
  size_t overhead;
  size_t nonce;
};

std::vector<Mode> Modes() {
  std::vector<Mode> modes;
  modes.push_back({"plain", DatagramSealer::Plain(), 0, 0});
  modes.push_back({"simple", DatagramSealer::Simple(), 6, 0});
  modes.push_back({"aes", DatagramSealer::Aes128Gcm("seed"), 28, 12});
  modes.push_back({"quic aes", DatagramSealer::QuicAes128Gcm("seed"), 28, 12});
  modes.push_back({"quic chacha20", DatagramSealer::QuicChacha20Poly1305("seed"), 28, 12});
  return modes;
}

Bytes Seal(const DatagramSealer& sealer, ByteView plain, RandomSource& random) {
  Bytes bytes(sealer.overhead() + plain.size());
  std::copy(plain.begin(), plain.end(), bytes.begin() + static_cast<ptrdiff_t>(sealer.prefix_size()));
  sealer.SealInPlace(bytes, random);
  return bytes;
}

TEST(DatagramSealer, SizesAreWhatTheWireHas) {
  for (const Mode& mode : Modes()) {
    EXPECT_EQ(mode.sealer->overhead(), mode.overhead) << mode.name;
    EXPECT_EQ(mode.sealer->nonce_size(), mode.nonce) << mode.name;
  }
}

TEST(DatagramSealer, OpensWhatItSealed) {
  SeededRandom random(1);
  for (const Mode& mode : Modes()) {
    for (size_t size : {1u, 2u, 15u, 16u, 17u, 1200u, 2000u}) {
      Bytes plain(size);
      random.Fill(plain);
      Bytes sealed = Seal(*mode.sealer, plain, random);
      ByteSpan opened;
      ASSERT_EQ(mode.sealer->OpenInPlace(sealed, opened), DropReason::kNone) << mode.name << " " << size;
      EXPECT_EQ(Bytes(opened.begin(), opened.end()), plain) << mode.name << " " << size;
      EXPECT_EQ(opened.data(), sealed.data() + mode.sealer->prefix_size()) << "opened in place";
    }
  }
}

TEST(DatagramSealer, DropsWhatHasNoRoomForAByteAsTruncated) {
  SeededRandom random(1);
  for (const Mode& mode : Modes()) {
    for (size_t size = 0; size <= mode.overhead; ++size) {
      Bytes bytes(size);
      ByteSpan plain;
      EXPECT_EQ(mode.sealer->OpenInPlace(bytes, plain), DropReason::kTruncated) << mode.name << " " << size;
    }
    // Even one that is sealed correctly around nothing.
    Bytes empty = Seal(*mode.sealer, {}, random);
    ByteSpan plain;
    EXPECT_EQ(mode.sealer->OpenInPlace(empty, plain), DropReason::kTruncated) << mode.name;
  }
}

TEST(DatagramSealer, DropsDamageAsBadAuthTag) {
  SeededRandom random(1);
  for (const Mode& mode : Modes()) {
    if (mode.overhead == 0) continue;  // plain has nothing to find damage with
    const Bytes sealed = Seal(*mode.sealer, Bytes(40, 7), random);
    for (size_t i = 0; i < sealed.size(); ++i) {
      Bytes bad = sealed;
      bad[i] ^= 0x10;
      ByteSpan plain;
      EXPECT_EQ(mode.sealer->OpenInPlace(bad, plain), DropReason::kBadAuthTag) << mode.name << " byte " << i;
    }
  }
}

TEST(DatagramSealer, ModesAndKeysDoNotOpenOneAnother) {
  SeededRandom random(1);
  const auto modes = Modes();
  const auto other_key = DatagramSealer::Aes128Gcm("other seed");
  for (const Mode& from : modes) {
    for (const Mode& to : modes) {
      if (&from == &to || to.overhead == 0) continue;
      Bytes sealed = Seal(*from.sealer, Bytes(100, 7), random);
      ByteSpan plain;
      EXPECT_EQ(to.sealer->OpenInPlace(sealed, plain), DropReason::kBadAuthTag) << from.name << " to " << to.name;
    }
  }
  Bytes sealed = Seal(*modes[2].sealer, Bytes(100, 7), random);
  ByteSpan plain;
  EXPECT_EQ(other_key->OpenInPlace(sealed, plain), DropReason::kBadAuthTag);
}

// spec/quic.md section 1: keys as v2ray derives them.
TEST(QuicSealer, DerivesV2raysKeys) {
  const std::array<uint8_t, 32> of_empty = {0x44, 0x5a, 0xc9, 0x5f, 0xc8, 0xde, 0xb3, 0x09, 0x9f, 0xd1, 0xa8, 0xce, 0x33, 0x17, 0xf8, 0x87,
                                            0x39, 0xdc, 0xe6, 0x2f, 0x8a, 0x3e, 0xcc, 0xda, 0xa3, 0x9f, 0x2c, 0x54, 0x07, 0x83, 0x33, 0x61};
  const std::array<uint8_t, 16> of_abcd = {0x8d, 0xd0, 0xb2, 0x6c, 0xbf, 0xcc, 0x7d, 0x27,
                                           0x19, 0xb6, 0x2d, 0x78, 0xa5, 0x17, 0xf3, 0x11};
  struct Case {
    std::unique_ptr<DatagramSealer> sealer;
    Aead aead;
  };
  std::vector<Case> cases;
  cases.push_back({DatagramSealer::QuicAes128Gcm(""), Aead::Aes128Gcm(ByteView(of_empty).first(16))});
  cases.push_back({DatagramSealer::QuicAes128Gcm("abcd"), Aead::Aes128Gcm(of_abcd)});
  cases.push_back({DatagramSealer::QuicChacha20Poly1305(""), Aead::Chacha20Poly1305(of_empty)});
  SeededRandom random(1);
  for (const Case& one : cases) {
    Bytes sealed = Seal(*one.sealer, Bytes(1252, 7), random);
    const ByteSpan body = ByteSpan(sealed).subspan(Aead::kNonceSize);
    ASSERT_TRUE(one.aead.OpenInPlace(ByteView(sealed).first(Aead::kNonceSize), body));
    EXPECT_EQ(Bytes(body.begin(), body.end() - Aead::kTagSize), Bytes(1252, 7));
  }
}

// The key holds any bytes, also those that end a C string, and keys that share a beginning differ.
TEST(QuicSealer, TakesEveryByteOfTheKey) {
  SeededRandom random(1);
  const std::string with_zero("a\0b", 3);
  for (const std::string& other : {std::string("a"), std::string("a\0c", 3), std::string("a\0b\0", 4), std::string()}) {
    Bytes sealed = Seal(*DatagramSealer::QuicAes128Gcm(with_zero), Bytes(10, 7), random);
    ByteSpan plain;
    EXPECT_EQ(DatagramSealer::QuicAes128Gcm(other)->OpenInPlace(sealed, plain), DropReason::kBadAuthTag);
  }
}

TEST(DatagramSealer, DrawsANewNonceForEveryDatagram) {
  SeededRandom random(1);
  const auto sealer = DatagramSealer::Aes128Gcm("seed");
  const Bytes a = Seal(*sealer, Bytes(10, 7), random);
  const Bytes b = Seal(*sealer, Bytes(10, 7), random);
  EXPECT_NE(Bytes(a.begin(), a.begin() + 12), Bytes(b.begin(), b.begin() + 12));
  EXPECT_NE(Bytes(a.begin() + 12, a.end()), Bytes(b.begin() + 12, b.end()));
}

}  // namespace
}  // namespace culvert
