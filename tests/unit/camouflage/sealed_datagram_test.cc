#include "core/camouflage/sealed_datagram.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

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
