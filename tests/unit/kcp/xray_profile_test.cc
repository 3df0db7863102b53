// Profile XRAY by hand: every byte below was written down from spec/mkcp.md sections 1, 3 and 4 and spec/headers.md, none by the
// code under test. UDP payload = header || segments; no authenticator, no nonce, overhead 0.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "core/kcp/endpoint.h"
#include "core/kcp/segment.h"

namespace culvert::kcp {
namespace {

using Bytes = std::vector<uint8_t>;

// conversation 0x1234, data, no option, timestamp 0x20000000, number 0, sending_next 0, 5 bytes "hello"
const Bytes kData = {0x12, 0x34, 0x01, 0x00, 0x20, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
                     0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 'h',  'e',  'l',  'l',  'o'};
// the same conversation, ping, sending_next 0, receiving_next 0, rto 500
const Bytes kPing = {0x12, 0x34, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0xf4};
// ack, window edge 2048, next 0, echo 0x20000000, one number: 0
const Bytes kAckOfFirst = {0x12, 0x34, 0x00, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x00,
                           0x00, 0x20, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00};
// terminate, sending_next 1, receiving_next 1, rto 100
const Bytes kTerminate = {0x12, 0x34, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x64};

struct Disguise {
  HeaderType type;
  Bytes first;  // header of the first datagram when the generator's 16 bits are 0xabcd
};
const std::vector<Disguise>& Disguises() {
  static const std::vector<Disguise> all = {
      {HeaderType::kNone, {}},
      {HeaderType::kSrtp, {0xb5, 0xe8, 0xab, 0xce}},
      {HeaderType::kUtp, {0xab, 0xcd, 0x01, 0x00}},
      {HeaderType::kWechatVideo, {0xa1, 0x08, 0x00, 0x00, 0xab, 0xce, 0x00, 0x10, 0x11, 0x18, 0x30, 0x22, 0x30}},
      {HeaderType::kDtls, {0x17, 0xfe, 0xfd, 0xab, 0xcd, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x11}},
      {HeaderType::kWireguard, {0x04, 0x00, 0x00, 0x00}},
  };
  return all;
}

Bytes operator+(const Bytes& a, const Bytes& b) {
  Bytes both = a;
  both.insert(both.end(), b.begin(), b.end());
  return both;
}

// Yields one word for ever; its low half is what a draw of 16 bits takes.
class FixedRandom final : public RandomSource {
 public:
  void Fill(ByteSpan out) override {
    for (size_t i = 0; i < out.size(); ++i) out[i] = word[i % 4];
  }
  std::array<uint8_t, 4> word = {0x55, 0x55, 0xab, 0xcd};
};

class Collect final : public DatagramSink {
 public:
  ByteSpan Reserve(const SocketAddress&, size_t max_size) override { return ByteSpan(buffer_).first(max_size); }
  void Commit(size_t size) override {
    if (size > 0) datagrams.emplace_back(buffer_.begin(), buffer_.begin() + static_cast<ptrdiff_t>(size));
  }
  std::vector<Bytes> datagrams;

 private:
  std::array<uint8_t, 4096> buffer_;
};

class XrayProfile : public testing::Test {
 protected:
  std::unique_ptr<culvert::Endpoint> Make(HeaderType header, bool accepts) {
    random_.word = {0x55, 0x55, 0xab, 0xcd};
    auto endpoint = CreateEndpoint(
        {.config = *KcpConfig::Create({.profile = Profile::kXray, .header = header, .mtu_bytes = 576}), .accepts = accepts},
        random_);
    random_.word = {0x55, 0x55, 0x12, 0x34};
    return endpoint;
  }
  DropReason Deliver(culvert::Endpoint& endpoint, Bytes bytes) {
    Datagram datagram{peer_, bytes};
    return endpoint.OnDatagram(now_, datagram);
  }
  std::vector<Bytes> Flush(culvert::Endpoint& endpoint) {
    Collect out;
    endpoint.Flush(now_, out);
    return out.datagrams;
  }
  StreamHandle Accepted(culvert::Endpoint& endpoint) {
    const std::optional<Event> event = endpoint.PollEvent();
    EXPECT_TRUE(event.has_value() && event->kind == Event::Kind::kOpened);
    return event ? event->stream : StreamHandle{};
  }
  std::string Text(culvert::Endpoint& endpoint, StreamHandle stream) {
    std::array<ByteView, 4> views;
    std::string text;
    const size_t count = endpoint.Peek(stream, views);
    for (size_t i = 0; i < count; ++i) text += AsText(views[i]);
    return text;
  }

  const SocketAddress peer_ = *SocketAddress::Parse("10.0.0.2:4000");
  FixedRandom random_;
  TimePoint now_{std::chrono::seconds(50)};
};

TEST_F(XrayProfile, DataGoesOutAsWrittenDown) {
  for (const Disguise& disguise : Disguises()) {
    const auto endpoint = Make(disguise.type, false);
    const StreamHandle stream = *endpoint->Connect(now_, peer_);
    ASSERT_EQ(endpoint->Write(stream, AsBytes("hello")), 5u);
    const std::vector<Bytes> sent = Flush(*endpoint);
    ASSERT_EQ(sent.size(), 1u) << HeaderName(disguise.type);
    Bytes expected = disguise.first + kData;
    // Our clock begins at 2^28 + floor(0x55551234 * (2^30 - 2^28 + 1) / 2^32): RandomSource::NextInRange of that word.
    const uint64_t epoch = (uint64_t{1} << 28) + ((uint64_t{0x55551234} * ((uint64_t{3} << 28) + 1)) >> 32);
    for (size_t i = 0; i < 4; ++i) expected[disguise.first.size() + 4 + i] = static_cast<uint8_t>(epoch >> (24 - 8 * i));
    EXPECT_EQ(sent[0], expected) << HeaderName(disguise.type);
  }
}

TEST_F(XrayProfile, AnOpeningPingGoesOutAsWrittenDown) {
  for (const Disguise& disguise : Disguises()) {
    const auto endpoint = Make(disguise.type, false);
    ASSERT_TRUE(endpoint->Connect(now_, peer_).ok());
    const std::vector<Bytes> sent = Flush(*endpoint);
    ASSERT_EQ(sent.size(), 1u) << HeaderName(disguise.type);
    EXPECT_EQ(sent[0], disguise.first + kPing) << HeaderName(disguise.type);
  }
}

TEST_F(XrayProfile, DataIsDeliveredAndAcknowledgedAsWrittenDown) {
  for (const Disguise& disguise : Disguises()) {
    const auto endpoint = Make(disguise.type, true);
    // Any bytes stand for the peer's header: nobody looks at them.
    ASSERT_EQ(Deliver(*endpoint, Bytes(disguise.first.size(), 0xee) + kData), DropReason::kNone);
    EXPECT_EQ(Text(*endpoint, Accepted(*endpoint)), "hello");
    const std::vector<Bytes> sent = Flush(*endpoint);
    ASSERT_EQ(sent.size(), 1u);
    Bytes expected = kAckOfFirst;
    // A peer that has not proved its address is offered 128 segments.
    expected[6] = 0x00;
    expected[7] = 0x80;
    EXPECT_EQ(sent[0], disguise.first + expected) << HeaderName(disguise.type);
  }
}

TEST_F(XrayProfile, AckAndTerminateAreUnderstood) {
  for (const Disguise& disguise : Disguises()) {
    const Bytes header(disguise.first.size(), 0x00);
    const auto endpoint = Make(disguise.type, false);
    const StreamHandle stream = *endpoint->Connect(now_, peer_);
    ASSERT_EQ(endpoint->Write(stream, AsBytes("hello")), 5u);
    (void)Flush(*endpoint);
    EXPECT_EQ(endpoint->GetStats(now_, stream)->send_queue_bytes, 5u);
    ASSERT_EQ(Deliver(*endpoint, header + kAckOfFirst), DropReason::kNone);
    EXPECT_EQ(endpoint->GetStats(now_, stream)->send_queue_bytes, 0u);
    // It says that it sent one segment: the one in front of it in the same datagram.
    ASSERT_EQ(Deliver(*endpoint, header + kData + kTerminate), DropReason::kNone);
    EXPECT_EQ(Text(*endpoint, stream), "hello");
    endpoint->Consume(stream, 5);
    EXPECT_TRUE(endpoint->AtEnd(stream));
    // The answer: terminate, our sending_next 1, receiving_next 1.
    const std::vector<Bytes> sent = Flush(*endpoint);
    bool answered = false;
    for (const Bytes& datagram : sent) {
      const Bytes segment(datagram.begin() + static_cast<ptrdiff_t>(header.size()), datagram.end());
      answered |= segment.size() == 16 && std::equal(segment.begin(), segment.begin() + 12, kTerminate.begin());
    }
    EXPECT_TRUE(answered) << HeaderName(disguise.type);
  }
}

TEST_F(XrayProfile, EveryTruncationOfADatagramIsDroppedForItsReason) {
  for (const Disguise& disguise : Disguises()) {
    const Bytes header(disguise.first.size(), 0x11);
    for (const Bytes& segment : {kData, kPing, kAckOfFirst}) {
      const Bytes whole = header + segment;
      for (size_t size = 0; size < whole.size(); ++size) {
        const auto endpoint = Make(disguise.type, true);
        const DropReason expected = size <= header.size() ? DropReason::kTruncated : DropReason::kNoSegment;
        EXPECT_EQ(Deliver(*endpoint, Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size))), expected)
            << HeaderName(disguise.type) << " " << size;
        EXPECT_EQ(endpoint->session_count(), 0u);
      }
    }
  }
}

TEST_F(XrayProfile, WhatStandsBeforeGarbageCounts) {
  for (const Disguise& disguise : Disguises()) {
    const Bytes header(disguise.first.size(), 0x11);
    const auto endpoint = Make(disguise.type, true);
    ASSERT_EQ(Deliver(*endpoint, header + kData + Bytes{0x12, 0x34, 0x01, 0x00, 0xde, 0xad}), DropReason::kNone);
    EXPECT_EQ(Text(*endpoint, Accepted(*endpoint)), "hello");
    // In front of everything it leaves nothing: a data segment that claims more than there is.
    const Bytes liar = {0x12, 0x34, 0x01, 0x00, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0xff, 0xff};
    EXPECT_EQ(Deliver(*endpoint, header + liar + kData), DropReason::kNoSegment);
  }
}

TEST_F(XrayProfile, SeveralSegmentsInOneDatagramAreUnderstood) {
  const auto endpoint = Make(HeaderType::kNone, true);
  Bytes second = kData;
  second[11] = 1;  // number 1
  ASSERT_EQ(Deliver(*endpoint, kPing + kData + second + kPing), DropReason::kNone);
  EXPECT_EQ(Text(*endpoint, Accepted(*endpoint)), "hellohello");
}

TEST(XrayConfig, TakesNoSeedAndHasNoOverhead) {
  const auto refused = KcpConfig::Create({.profile = Profile::kXray, .seed = "secret"});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(refused.status().message().find("kcp.seed"), 0u);
  EXPECT_EQ(refused.status().message().find("secret"), std::string::npos) << "a seed is never repeated";
  // An empty one is a seed too.
  EXPECT_FALSE(KcpConfig::Create({.profile = Profile::kXray, .seed = ""}).ok());

  // mss = mtu - header - 18.
  const struct {
    HeaderType header;
    uint32_t mtu;
    uint32_t mss;
  } expected[] = {{HeaderType::kNone, 576, 558},      {HeaderType::kSrtp, 576, 554},      {HeaderType::kUtp, 1350, 1328},
                  {HeaderType::kWireguard, 1350, 1328}, {HeaderType::kWechatVideo, 1460, 1429}, {HeaderType::kDtls, 1232, 1201}};
  for (const auto& each : expected) {
    const auto config = *KcpConfig::Create({.profile = Profile::kXray, .header = each.header, .mtu_bytes = each.mtu});
    EXPECT_EQ(config->max_segment_payload_bytes(), each.mss) << HeaderName(each.header);
    EXPECT_EQ(config->sealer().overhead(), 0u);
    EXPECT_EQ(config->sealer().nonce_size(), 0u);
    EXPECT_TRUE(config->is_unkeyed());
  }
}

}  // namespace
}  // namespace culvert::kcp
