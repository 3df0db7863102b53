#include "core/camouflage/packet_header.h"

#include <array>

#include "core/base/check.h"

namespace culvert {
namespace {

struct HeaderKind {
  std::string_view name;
  size_t size;
};

// Indexed by HeaderType.
constexpr std::array<HeaderKind, 6> kKinds = {{
    {"none", 0},
    {"srtp", 4},
    {"utp", 4},
    {"wechat-video", 13},
    {"dtls", 13},
    {"wireguard", 4},
}};

const HeaderKind& Kind(HeaderType type) { return kKinds[static_cast<size_t>(type)]; }

// The dtls length claims nothing about the payload: it walks through 17, 34, ... and stays below 101 (spec/headers.md).
constexpr uint16_t kDtlsLengthStep = 17;
constexpr uint16_t kDtlsLengthLimit = 100;
constexpr uint16_t kDtlsLengthFold = 50;

// The one 16-bit draw each type makes, put where that type keeps it.
HeaderWriter::State InitialState(HeaderType type, RandomSource& random) {
  HeaderWriter::State state;
  const auto draw = [&random] { return static_cast<uint16_t>(random.NextU32()); };
  switch (type) {
    case HeaderType::kNone:
    case HeaderType::kWireguard:
      break;
    case HeaderType::kSrtp:
    case HeaderType::kWechatVideo:
      state.number = draw();
      break;
    case HeaderType::kUtp:
    case HeaderType::kDtls:
      state.constant = draw();
      break;
  }
  return state;
}

}  // namespace

size_t HeaderSize(HeaderType type) { return Kind(type).size; }
std::string_view HeaderName(HeaderType type) { return Kind(type).name; }

std::optional<HeaderType> HeaderFromName(std::string_view name) {
  for (size_t i = 0; i < kKinds.size(); ++i) {
    if (kKinds[i].name == name) return static_cast<HeaderType>(i);
  }
  return std::nullopt;
}

HeaderWriter::HeaderWriter(HeaderType type, RandomSource& random) : HeaderWriter(type, InitialState(type, random)) {}

HeaderWriter::HeaderWriter(HeaderType type, State state) : type_(type), size_(HeaderSize(type)), state_(state) {}

//   srtp          b5 e8 | number u16                             counted up before it is written
//   utp           constant u16 | 01 00
//   wechat-video  a1 08 | number u32 | 00 10 11 18 30 22 30      counted up before it is written
//   dtls          17 fe fd | constant u16 | 00 00 | number u32 | length u16      counted up after they are written
//   wireguard     04 00 00 00
void HeaderWriter::WriteNext(ByteSpan out) {
  CULVERT_DCHECK(out.size() >= size_);
  ByteWriter writer(out.first(size_));
  switch (type_) {
    case HeaderType::kNone:
      return;
    case HeaderType::kSrtp:
      writer.WriteU16(0xb5e8);
      writer.WriteU16(static_cast<uint16_t>(++state_.number));
      return;
    case HeaderType::kUtp:
      writer.WriteU16(state_.constant);
      writer.WriteU16(0x0100);
      return;
    case HeaderType::kWechatVideo:
      writer.WriteU16(0xa108);
      writer.WriteU32(++state_.number);
      writer.WriteU8(0x00);
      writer.WriteU16(0x1011);
      writer.WriteU32(0x18302230);
      return;
    case HeaderType::kDtls:
      writer.WriteU8(0x17);
      writer.WriteU16(0xfefd);
      writer.WriteU16(state_.constant);
      writer.WriteU16(0);
      writer.WriteU32(state_.number++);
      writer.WriteU16(state_.dtls_length);
      state_.dtls_length += kDtlsLengthStep;
      if (state_.dtls_length > kDtlsLengthLimit) state_.dtls_length -= kDtlsLengthFold;
      return;
    case HeaderType::kWireguard:
      writer.WriteU32(0x04000000);
      return;
  }
}

}  // namespace culvert
