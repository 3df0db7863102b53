#include <algorithm>
#include <array>
#include <vector>

#include "core/base/check.h"
#include "core/camouflage/packet_header.h"
#include "core/camouflage/sealed_datagram.h"
#include "tests/fuzz/targets.h"

namespace culvert::fuzz {
namespace {

using Bytes = std::vector<uint8_t>;

// spec/headers.md as a formula of how many datagrams went before (`i`) and what was drawn (`r`), instead of as counters.
Bytes ExpectedHeader(HeaderType type, uint16_t r, uint64_t i) {
  const auto byte = [](uint64_t value, int shift) { return static_cast<uint8_t>(value >> shift); };
  const uint64_t next = r + i + 1;
  switch (type) {
    case HeaderType::kNone:
      return {};
    case HeaderType::kSrtp:
      return {0xb5, 0xe8, byte(next, 8), byte(next, 0)};
    case HeaderType::kUtp:
      return {byte(r, 8), byte(r, 0), 0x01, 0x00};
    case HeaderType::kWechatVideo:
      return {0xa1, 0x08, byte(next, 24), byte(next, 16), byte(next, 8), byte(next, 0),
              0x00, 0x10, 0x11,           0x18,           0x30,          0x22,          0x30};
    case HeaderType::kDtls: {
      // 17, 34, then 51 + (17 k mod 50) for k = 0, 1, ...: adding 17 and taking 50 away above 100 stays in 51 to 100.
      const uint64_t length = i < 2 ? 17 * (i + 1) : 51 + 17 * ((i - 2) % 50) % 50;
      return {0x17, 0xfe, 0xfd, byte(r, 8), byte(r, 0), 0, 0, byte(i, 24), byte(i, 16), byte(i, 8), byte(i, 0), 0,
              byte(length, 0)};
    }
    case HeaderType::kWireguard:
      return {0x04, 0x00, 0x00, 0x00};
  }
  return {};
}

class OneDraw final : public RandomSource {
 public:
  explicit OneDraw(uint16_t value) : value_(value) {}
  void Fill(ByteSpan out) override {
    for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<uint8_t>((out.size() - i) % 2 == 0 ? value_ >> 8 : value_);
  }

 private:
  uint16_t value_;
};

const std::array<std::unique_ptr<DatagramSealer>, 3>& Sealers() {
  static const std::array<std::unique_ptr<DatagramSealer>, 3> sealers = {
      DatagramSealer::Plain(), DatagramSealer::Simple(), DatagramSealer::Aes128Gcm("fuzz")};
  return sealers;
}

// From a given counter on, across its wrap.
void CheckWrap(HeaderType type, uint32_t number) {
  HeaderWriter writer(type, HeaderWriter::State{.number = number});
  for (uint32_t i = 0; i < 4; ++i) {
    std::array<uint8_t, 16> out{};
    writer.WriteNext(out);
    if (type == HeaderType::kSrtp) {
      CULVERT_CHECK(LoadBigEndian16(out.data() + 2) == static_cast<uint16_t>(number + 1 + i));
    } else if (type == HeaderType::kWechatVideo) {
      CULVERT_CHECK(LoadBigEndian32(out.data() + 2) == number + 1 + i);
    } else if (type == HeaderType::kDtls) {
      CULVERT_CHECK(LoadBigEndian16(out.data() + 5) == 0 && LoadBigEndian32(out.data() + 7) == number + i);
    }
  }
}

void CheckRoundTrip(HeaderType type, const DatagramSealer& sealer, ByteView plain, uint16_t draw, uint8_t damage) {
  SeededRandom random(draw);
  const size_t header = HeaderSize(type);
  Bytes datagram(header + sealer.overhead() + plain.size(), 0xcc);
  const ByteSpan sealed = ByteSpan(datagram).subspan(header);
  std::copy(plain.begin(), plain.end(), sealed.begin() + static_cast<ptrdiff_t>(sealer.prefix_size()));
  sealer.SealInPlace(sealed, random);
  Bytes damaged(sealed.begin(), sealed.end());
  ByteSpan opened;
  const DropReason reason = sealer.OpenInPlace(sealed, opened);
  CULVERT_CHECK(reason == (plain.empty() ? DropReason::kTruncated : DropReason::kNone));
  if (reason == DropReason::kNone) CULVERT_CHECK(std::equal(opened.begin(), opened.end(), plain.begin(), plain.end()));
  if (damaged.empty() || sealer.overhead() == 0) return;
  damaged[damage % damaged.size()] = static_cast<uint8_t>(damaged[damage % damaged.size()] ^ (1u << (damage % 8)));
  CULVERT_CHECK(sealer.OpenInPlace(damaged, opened) != DropReason::kNone);
}

}  // namespace

// Layout of the input: type, mode, draw (2), datagrams, damage, counter (4), then a plaintext.
void Headers(ByteView input) {
  ByteReader reader(input);
  const auto type = static_cast<HeaderType>(reader.ReadU8() % 6);
  const DatagramSealer& sealer = *Sealers()[reader.ReadU8() % 3];
  const uint16_t draw = reader.ReadU16();
  const uint32_t datagrams = reader.ReadU8();
  const uint8_t damage = reader.ReadU8();
  const uint32_t number = reader.ReadU32();
  if (!reader.ok()) return;

  OneDraw random(draw);
  HeaderWriter writer(type, random);
  CULVERT_CHECK(writer.size() == HeaderSize(type));
  for (uint32_t i = 0; i < datagrams; ++i) {
    std::array<uint8_t, 16> out;
    out.fill(0xee);
    writer.WriteNext(out);
    const Bytes expected = ExpectedHeader(type, draw, i);
    CULVERT_CHECK(expected.size() == writer.size());
    CULVERT_CHECK(std::equal(expected.begin(), expected.end(), out.begin()));
    CULVERT_CHECK(std::all_of(out.begin() + static_cast<ptrdiff_t>(expected.size()), out.end(),
                              [](uint8_t byte) { return byte == 0xee; }));
  }
  CheckWrap(type, number);

  const ByteView rest = reader.ReadBytes(reader.remaining());
  CheckRoundTrip(type, sealer, rest.first(std::min<size_t>(rest.size(), 2048)), draw, damage);
  // Any bytes as a received datagram: they open or they do not, within their bounds.
  Bytes received(rest.begin(), rest.end());
  ByteSpan opened;
  if (received.size() > HeaderSize(type)) {
    const ByteSpan sealed = ByteSpan(received).subspan(HeaderSize(type));
    if (sealer.OpenInPlace(sealed, opened) == DropReason::kNone) {
      CULVERT_CHECK(!opened.empty() && opened.size() + sealer.overhead() == sealed.size());
      CULVERT_CHECK(opened.data() == sealed.data() + sealer.prefix_size());
    }
  }
}

}  // namespace culvert::fuzz
