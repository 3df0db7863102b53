// v2ray's wrapper around QUIC: every captured datagram, opened, sealed again, and the packets inside looked at.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "tests/golden/vectors.h"

namespace culvert::golden {
namespace {

struct QuicCapture {
  Capture capture;
  Json whole;
};

std::vector<QuicCapture> LoadQuicCaptures() {
  std::vector<QuicCapture> captures;
  for (const VectorFile& file : LoadVectors("quic-outer")) {
    captures.push_back({MakeCapture(file.name, file.content), file.content});
  }
  return captures;
}

// What is inside: listed only where it differs from the payload behind the header.
std::string PlainHex(const Capture& capture, const Json& packet) {
  return packet.contains("plain_hex") ? Text(packet, "plain_hex") : Text(packet, "hex").substr(2 * HeaderSize(capture.header));
}

TEST(GoldenQuicOuter, HoldsEveryHeaderWithEverySecurity) {
  std::set<std::pair<std::string, std::string>> seen;
  for (const QuicCapture& one : LoadQuicCaptures()) {
    EXPECT_EQ(Number(one.whole, "header_size"), HeaderSize(one.capture.header)) << one.capture.name;
    EXPECT_FALSE(one.capture.packets.empty()) << one.capture.name;
    seen.insert({Text(one.whole, "header"), Text(one.whole, "security")});
  }
  EXPECT_EQ(seen.size(), 7u * 3u);
}

TEST(GoldenQuicOuter, OpensEveryDatagram) {
  for (const QuicCapture& one : LoadQuicCaptures()) {
    for (size_t i = 0; i < one.capture.packets.size(); ++i) {
      SCOPED_TRACE(one.capture.name + " packet " + std::to_string(i));
      const Json& packet = one.capture.packets[i];
      Bytes bytes = FromHex(Text(packet, "hex"));
      ASSERT_GT(bytes.size(), HeaderSize(one.capture.header));
      const ByteSpan sealed = ByteSpan(bytes).subspan(HeaderSize(one.capture.header));
      const size_t nonce_size = one.capture.sealer->nonce_size();
      if (nonce_size > 0) {
        EXPECT_EQ(ToHex(sealed.first(nonce_size)), Text(packet, "nonce_hex"));
      }
      ByteSpan plain;
      ASSERT_EQ(one.capture.sealer->OpenInPlace(sealed, plain), DropReason::kNone);
      ASSERT_EQ(ToHex(plain), PlainHex(one.capture, packet));
      EXPECT_LE(plain.size(), 1452u) << "v2ray's limit";
    }
  }
}

TEST(GoldenQuicOuter, SealsToTheSameBytes) {
  for (const QuicCapture& one : LoadQuicCaptures()) {
    const Capture& capture = one.capture;
    std::map<std::string, HeaderWriter> writers;
    for (size_t i = 0; i < capture.packets.size(); ++i) {
      SCOPED_TRACE(capture.name + " packet " + std::to_string(i));
      const Json& packet = capture.packets[i];
      // One writer for each sender's whole capture: its headers go on as v2ray's did.
      HeaderWriter& header =
          writers
              .try_emplace(WriterOf(packet), capture.header, StateToWrite(capture.header, packet.value("header_fields", Json())))
              .first->second;
      const Bytes plain = FromHex(PlainHex(capture, packet));
      Bytes bytes(header.size() + plain.size() + capture.sealer->overhead());
      const ByteSpan sealed = ByteSpan(bytes).subspan(header.size());
      std::copy(plain.begin(), plain.end(), sealed.begin() + static_cast<ptrdiff_t>(capture.sealer->prefix_size()));
      GivenBytes nonce(FromHex(packet.value("nonce_hex", "")));
      header.WriteNext(bytes);
      capture.sealer->SealInPlace(sealed, nonce);
      EXPECT_EQ(nonce.left(), 0u);
      ASSERT_EQ(ToHex(bytes), Text(packet, "hex"));
    }
  }
}

TEST(GoldenQuicOuter, AnotherKeyOpensNothing) {
  const auto other_aes = DatagramSealer::QuicAes128Gcm("quic dev key 2");
  const auto other_chacha = DatagramSealer::QuicChacha20Poly1305("quic dev key 2");
  size_t refused = 0;
  for (const QuicCapture& one : LoadQuicCaptures()) {
    if (one.capture.sealer->nonce_size() == 0) continue;
    for (const Json& packet : one.capture.packets) {
      for (const DatagramSealer* sealer : {other_aes.get(), other_chacha.get()}) {
        Bytes bytes = FromHex(Text(packet, "hex"));
        ByteSpan plain;
        EXPECT_EQ(sealer->OpenInPlace(ByteSpan(bytes).subspan(HeaderSize(one.capture.header)), plain), DropReason::kBadAuthTag);
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 0u);
}

// A long header's part that no version changes (RFC 8999 section 5.1), and the type of version 1.
struct LongHeader {
  uint32_t version = 0;
  std::string type, dcid, scid;
};

LongHeader ParseLong(ByteView packet) {
  static constexpr const char* kTypes[] = {"initial", "0rtt", "handshake", "retry"};
  ByteReader reader(packet);
  LongHeader header;
  header.type = kTypes[reader.ReadU8() >> 4 & 3];
  header.version = reader.ReadU32();
  header.dcid = ToHex(reader.ReadBytes(reader.ReadU8()));
  header.scid = ToHex(reader.ReadBytes(reader.ReadU8()));
  EXPECT_TRUE(reader.ok());
  return header;
}

// The packets of one datagram, one behind the other; a short one goes to its end.
void ExpectPackets(const Json& listed, ByteView plain, bool is_first_of_client) {
  size_t at = 0;
  for (const Json& fields : listed) {
    ASSERT_LT(at, plain.size());
    const ByteView packet = plain.subspan(at);
    const bool is_long = (packet[0] & 0x80) != 0;
    ASSERT_EQ(is_long ? "long" : "short", Text(fields, "form"));
    EXPECT_EQ(packet.size(), Number(fields, "size"));
    if (!is_long) {
      EXPECT_TRUE(packet[0] & 0x40) << "the fixed bit";
      EXPECT_GE(packet.size(), 1 + 12 + 4 + 16u) << "first byte, connection id, packet number and sample, as v2ray has them";
      return;
    }
    const LongHeader header = ParseLong(packet);
    EXPECT_EQ(header.version, 1u);
    EXPECT_EQ(header.version, Number(fields, "version"));
    EXPECT_EQ(header.type, Text(fields, "type"));
    EXPECT_EQ(header.dcid, Text(fields, "dcid"));
    EXPECT_EQ(header.scid, Text(fields, "scid"));
    EXPECT_EQ(header.scid.size(), 2 * 12u);
    if (is_first_of_client) {
      EXPECT_GE(header.dcid.size(), 2 * 8u);
      EXPECT_LE(header.dcid.size(), 2 * 20u);
    } else {
      EXPECT_EQ(header.dcid.size(), 2 * 12u);
    }
    at += fields.at("end").get<size_t>();
  }
}

TEST(GoldenQuicOuter, ThePacketsInsideAreAsTheSpecificationSays) {
  size_t hellos = 0;
  for (const QuicCapture& one : LoadQuicCaptures()) {
    std::string first_dcid;
    for (size_t i = 0; i < one.capture.packets.size(); ++i) {
      SCOPED_TRACE(one.capture.name + " packet " + std::to_string(i));
      const Json& packet = one.capture.packets[i];
      const Bytes plain = FromHex(PlainHex(one.capture, packet));
      const Json& inside = packet.at("quic");
      ASSERT_FALSE(inside.empty());
      // The client's first datagrams, of which the hello may need two, carry an id of its own making.
      const bool is_initial_of_client = Text(packet, "dir") == "c2s" && Text(inside[0], "form") == "long" && i < 2;
      if (is_initial_of_client && first_dcid.empty()) first_dcid = Text(inside[0], "dcid");
      const bool has_first_dcid = is_initial_of_client && Text(inside[0], "dcid") == first_dcid;
      if (has_first_dcid) {
        EXPECT_EQ(plain.size(), 1280u);
      }
      ExpectPackets(inside, plain, has_first_dcid);
      for (const Json& fields : inside) {
        if (!fields.contains("client_hello")) continue;
        const Json& hello = fields.at("client_hello");
        EXPECT_EQ(Text(hello, "sni"), "quic.internal.v2ray.com");
        EXPECT_EQ(hello.at("alpn").dump(), R"(["h2","http/1.1"])");
        EXPECT_EQ(Number(hello.at("transport_parameters"), "max_udp_payload_size"), 1452u);
        ++hellos;
      }
    }
  }
  EXPECT_GT(hellos, 0u);
}

}  // namespace
}  // namespace culvert::golden
