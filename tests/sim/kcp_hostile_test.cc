// What a peer may send, and what it may cost us.
#include <gtest/gtest.h>

#include "core/kcp/segment.h"
#include "tests/sim/kcp_pair.h"

namespace culvert::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class CountingSink final : public DatagramSink {
 public:
  ByteSpan Reserve(const SocketAddress&, size_t max_size) override { return ByteSpan(buffer_).first(max_size); }
  void Commit(size_t size) override {
    if (size == 0) return;
    ++datagrams;
    bytes += size;
  }
  uint64_t datagrams = 0;
  uint64_t bytes = 0;

 private:
  std::array<uint8_t, 4096> buffer_;
};

// A lone accepting endpoint under forged datagrams.
class Victim {
 public:
  explicit Victim(kcp::KcpOptions options = {}, uint32_t max_unvalidated = 4096) : random_(5), sealer_random_(6) {
    kcp::EndpointOptions endpoint;
    endpoint.config = config_ = *kcp::KcpConfig::Create(options);
    endpoint.accepts = true;
    endpoint.max_unvalidated = max_unvalidated;
    endpoint_ = kcp::CreateEndpoint(endpoint, random_);
  }
  std::vector<uint8_t> Seal(ByteView plain) {
    const DatagramSealer& sealer = config_->sealer();
    std::vector<uint8_t> out(sealer.overhead() + plain.size());
    std::copy(plain.begin(), plain.end(), out.begin() + static_cast<ptrdiff_t>(sealer.prefix_size()));
    sealer.SealInPlace(out, sealer_random_);
    return out;
  }
  template <typename Encode>
  std::vector<uint8_t> Segment(Encode&& encode) {
    std::array<uint8_t, 4096> plain;
    return Seal(ByteView(plain).first(encode(ByteSpan(plain))));
  }
  std::vector<uint8_t> Data(uint16_t conv, uint32_t number, size_t size) {
    const std::vector<uint8_t> payload(size, 'x');
    return Segment([&](ByteSpan out) {
      return kcp::EncodeData({.conversation_id = conv, .number = SerialNumber(number), .payload = payload}, out);
    });
  }
  std::vector<uint8_t> Ping(uint16_t conv) {
    return Segment([&](ByteSpan out) { return kcp::EncodeCommand({.conversation_id = conv, .peer_rto = 100}, out); });
  }
  DropReason Receive(const SocketAddress& from, std::vector<uint8_t> bytes) {
    received_bytes += bytes.size();
    ++received_datagrams;
    Datagram datagram{from, bytes};
    return endpoint_->OnDatagram(now, datagram);
  }
  void Settle() {
    endpoint_->Flush(now, sink);
    while (const std::optional<Event> event = endpoint_->PollEvent()) {
      if (event->kind == Event::Kind::kOpened) {
        ++opened;
        streams.push_back(event->stream);
      }
    }
  }
  void RunFor(Duration time) {
    const TimePoint end = now + time;
    for (;;) {
      Settle();
      const std::optional<TimePoint> next = endpoint_->NextTimeout();
      if (!next || *next > end) break;
      now = std::max(now, *next);
      endpoint_->OnTimeout(now);
    }
    now = end;
  }
  Endpoint& endpoint() { return *endpoint_; }

  TimePoint now{seconds(1000)};
  CountingSink sink;
  uint64_t received_bytes = 0;
  uint64_t received_datagrams = 0;
  uint64_t opened = 0;
  std::vector<StreamHandle> streams;

 private:
  SeededRandom random_;
  SeededRandom sealer_random_;
  std::shared_ptr<const kcp::KcpConfig> config_;
  std::unique_ptr<Endpoint> endpoint_;
};

SocketAddress Source(uint32_t i) {
  return {IpAddress::V4({10, static_cast<uint8_t>(i >> 16), static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)}),
          static_cast<uint16_t>(20000 + i % 20000)};
}

TEST(KcpHostile, NeverMoreThanThreeTimesToAnUnvalidatedPeer) {
  for (const bool keyed : {false, true}) {
    for (const size_t payload : {size_t{1}, size_t{100}, size_t{541}, size_t{1200}}) {
      kcp::KcpOptions options;
      if (keyed) options.seed = "seed";
      Victim victim(options);
      (void)victim.Receive(Source(1), victim.Data(7, 0, payload));
      victim.RunFor(milliseconds(1));
      ASSERT_EQ(victim.opened, 1u);
      // The application answers at length, as a server would.
      const std::vector<uint8_t> answer(100'000, 'y');
      (void)victim.endpoint().Write(victim.streams[0], answer);
      victim.RunFor(seconds(80));
      EXPECT_LE(victim.sink.bytes, 3 * victim.received_bytes) << keyed << " " << payload;
      EXPECT_LE(victim.sink.datagrams, 3 * victim.received_datagrams) << keyed << " " << payload;
      EXPECT_EQ(victim.endpoint().session_count(), 0u);
    }
  }
}

TEST(KcpHostile, ForgedPingIsNoAmplifier) {
  Victim victim;
  for (uint32_t i = 0; i < 1000; ++i) (void)victim.Receive(Source(i), victim.Ping(static_cast<uint16_t>(i)));
  victim.RunFor(seconds(80));
  EXPECT_LE(victim.sink.bytes, 3 * victim.received_bytes);
  EXPECT_LE(victim.sink.datagrams, 3 * victim.received_datagrams);
  EXPECT_EQ(victim.endpoint().session_count(), 0u);
}

TEST(KcpHostile, SilenceAfterFiveSeconds) {
  Victim victim;
  (void)victim.Receive(Source(1), victim.Data(7, 0, 500));
  victim.RunFor(seconds(6));
  const uint64_t sent = victim.sink.datagrams;
  victim.RunFor(seconds(60));
  EXPECT_EQ(victim.sink.datagrams, sent);
}

TEST(KcpHostile, UnvalidatedTableIsBounded) {
  Victim victim({}, 4096);
  for (uint32_t i = 0; i < 20'000; ++i) {
    (void)victim.Receive(Source(i * 257), victim.Data(static_cast<uint16_t>(i), 0, 1));
    if (i % 100 == 0) victim.Settle();
    ASSERT_LE(victim.endpoint().counters().unvalidated, 4096u);
    ASSERT_LE(victim.endpoint().session_count(), 4096u);
  }
  victim.RunFor(seconds(15));
  EXPECT_EQ(victim.endpoint().session_count(), 0u);
}

TEST(KcpHostile, PeersThatEndAtOnceAreBoundedToo) {
  Victim victim({}, 100);
  const auto terminate = [&](uint16_t conv) {
    return victim.Segment([&](ByteSpan out) {
      return kcp::EncodeCommand({.conversation_id = conv, .command = static_cast<uint8_t>(kcp::Command::kTerminate)}, out);
    });
  };
  for (uint32_t i = 0; i < 5000; ++i) {
    const uint16_t conv = static_cast<uint16_t>(i);
    (void)victim.Receive(Source(i * 257), victim.Ping(conv));
    (void)victim.Receive(Source(i * 257), terminate(conv));
    if (i % 10 == 0) {
      victim.Settle();
      // An application that gives up on each at once.
      for (const StreamHandle stream : victim.streams) victim.endpoint().Close(victim.now, stream);
      victim.streams.clear();
      victim.RunFor(milliseconds(20));
    }
    ASSERT_LE(victim.endpoint().counters().unvalidated, 100u);
  }
  victim.RunFor(seconds(30));
  EXPECT_EQ(victim.endpoint().session_count(), 0u);
}

TEST(KcpHostile, OneNetworkCannotFillTheTable) {
  Victim victim;
  uint64_t refused = 0;
  for (uint32_t i = 0; i < 1000; ++i) {
    const SocketAddress from{IpAddress::V4({192, 0, 2, static_cast<uint8_t>(i)}), static_cast<uint16_t>(30000 + i)};
    if (victim.Receive(from, victim.Data(static_cast<uint16_t>(i), 0, 1)) == DropReason::kTooManyUnvalidated) ++refused;
  }
  EXPECT_EQ(refused, 1000u - 64u);
}

TEST(KcpHostile, ManyUnvalidatedPeersReachTheApplicationOnlyOnceValidated) {
  Victim victim;
  for (uint32_t i = 0; i < 1000; ++i) {
    (void)victim.Receive(Source(i * 257), victim.Data(static_cast<uint16_t>(i), 0, 1));
    victim.Settle();
  }
  EXPECT_LE(victim.opened, 129u);
}

TEST(KcpHostile, RepeatedNumberCostsNeitherMemoryNorAnswers) {
  Victim victim;
  (void)victim.Receive(Source(1), victim.Data(7, 0, 1));
  const std::vector<uint8_t> one = victim.Data(7, 1, 1);
  for (int i = 0; i < 200'000; ++i) {
    (void)victim.Receive(Source(1), one);
    if (i % 20 == 0) {
      victim.now += milliseconds(1);
      victim.endpoint().OnTimeout(victim.now);
      victim.Settle();
    }
  }
  EXPECT_LE(victim.sink.bytes * 4, victim.received_bytes);
}

TEST(KcpHostile, WhatOpensNothing) {
  Victim victim;
  const auto terminate = victim.Segment([](ByteSpan out) {
    return kcp::EncodeCommand({.conversation_id = 1, .command = static_cast<uint8_t>(kcp::Command::kTerminate)}, out);
  });
  EXPECT_EQ(victim.Receive(Source(1), terminate), DropReason::kUnknownConversation);
  const auto ack = victim.Segment([](ByteSpan out) { return kcp::EncodeAck({.conversation_id = 2}, out); });
  EXPECT_EQ(victim.Receive(Source(1), ack), DropReason::kUnknownConversation);
  EXPECT_EQ(victim.Receive(Source(1), victim.Data(3, 100'000, 5)), DropReason::kUnknownConversation);
  EXPECT_EQ(victim.Receive({IpAddress::V4({10, 0, 0, 1}), 53}, victim.Ping(4)), DropReason::kRefusedSource);
  EXPECT_EQ(victim.Receive(Source(1), {}), DropReason::kTruncated);
  EXPECT_EQ(victim.Receive(Source(1), {1, 2, 3}), DropReason::kTruncated);
  EXPECT_EQ(victim.Receive(Source(1), std::vector<uint8_t>(60, 9)), DropReason::kBadAuthTag);
  EXPECT_EQ(victim.endpoint().session_count(), 0u);
}

TEST(KcpHostile, WhatDoesNotOpenGetsNoAnswer) {
  kcp::KcpOptions options;
  options.seed = "the seed";
  Victim victim(options);
  kcp::KcpOptions other;
  other.seed = "another seed";
  Victim stranger(other);
  for (uint32_t i = 0; i < 1000; ++i) {
    EXPECT_EQ(victim.Receive(Source(i), stranger.Data(1, 0, 200)), DropReason::kBadAuthTag);
  }
  victim.RunFor(seconds(40));
  EXPECT_EQ(victim.sink.datagrams, 0u);
  EXPECT_EQ(victim.endpoint().counters().dropped[static_cast<size_t>(DropReason::kBadAuthTag)], 1000u);
}

TEST(KcpHostile, ReplayedOpeningOpensNothing) {
  kcp::KcpOptions options;
  options.seed = "the seed";
  Victim victim(options);
  const std::vector<uint8_t> first = victim.Data(9, 0, 160);
  EXPECT_EQ(victim.Receive(Source(1), first), DropReason::kNone);
  victim.RunFor(seconds(15));
  const uint64_t sent = victim.sink.datagrams;
  for (uint32_t i = 2; i < 100; ++i) EXPECT_EQ(victim.Receive(Source(i), first), DropReason::kReplayed);
  victim.RunFor(seconds(10));
  EXPECT_EQ(victim.sink.datagrams, sent);
}

TEST(KcpHostile, ForgedTerminatesWithRandomNumbersKillNoSession) {
  PairOptions options;
  options.up.delay = options.down.delay = milliseconds(10);
  options.up.rate_bits_per_second = options.down.rate_bits_per_second = 20'000'000;
  KcpPair pair(options);
  pair.Open({.to_send = 200'000}, {.to_send = 200'000});
  ASSERT_TRUE(pair.RunUntil([&] { return pair.server().received == 200'000 && pair.client().received == 200'000; }, seconds(10)));
  Victim forge;
  SeededRandom random(3);
  for (uint32_t conv = 0; conv < 65536; ++conv) {
    const auto bytes = forge.Segment([&](ByteSpan out) {
      return kcp::EncodeCommand({.conversation_id = static_cast<uint16_t>(conv),
                                 .command = static_cast<uint8_t>(kcp::Command::kTerminate),
                                 .sending_next = SerialNumber(random.NextU32() | 0x40000000),
                                 .receiving_next = SerialNumber(random.NextU32() | 0x40000000)},
                                out);
    });
    std::vector<uint8_t> copy = bytes;
    Datagram datagram{*SocketAddress::Parse("10.0.0.1:40000"), copy};
    (void)pair.server_endpoint().OnDatagram(pair.now(), datagram);
  }
  pair.RunFor(seconds(2));
  EXPECT_FALSE(pair.server().closed);
  EXPECT_FALSE(pair.client().closed);
}

TEST(KcpHostile, ForgedCloseOptionsKillNoSession) {
  PairOptions options;
  options.up.delay = options.down.delay = milliseconds(10);
  options.up.rate_bits_per_second = options.down.rate_bits_per_second = 20'000'000;
  KcpPair pair(options);
  pair.Open({.to_send = 200'000}, {.to_send = 200'000});
  ASSERT_TRUE(pair.RunUntil([&] { return pair.server().received == 200'000 && pair.client().received == 200'000; }, seconds(10)));
  Victim forge;
  SeededRandom random(4);
  for (uint32_t conv = 0; conv < 65536; ++conv) {
    std::vector<uint8_t> bytes = forge.Segment([&](ByteSpan out) {
      return kcp::EncodeCommand({.conversation_id = static_cast<uint16_t>(conv),
                                 .option = kcp::kOptionClose,
                                 .sending_next = SerialNumber(random.NextU32() | 0x40000000),
                                 .receiving_next = SerialNumber(random.NextU32() | 0x40000000)},
                                out);
    });
    Datagram datagram{*SocketAddress::Parse("10.0.0.1:40000"), bytes};
    (void)pair.server_endpoint().OnDatagram(pair.now(), datagram);
  }
  pair.RunFor(seconds(40));
  EXPECT_FALSE(pair.server().closed);
  EXPECT_FALSE(pair.client().closed);
}

TEST(KcpHostile, RecordedFirstFlightOpensNothingAgain) {
  kcp::KcpOptions options;
  options.seed = "the seed";
  Victim victim(options);
  std::vector<std::vector<uint8_t>> flight;
  for (uint32_t n = 0; n < 20; ++n) flight.push_back(victim.Data(9, n, 500));
  for (const auto& datagram : flight) (void)victim.Receive(Source(1), datagram);
  victim.RunFor(seconds(20));
  for (uint32_t i = 0; i < 20; ++i) EXPECT_EQ(victim.Receive(Source(100 + i), flight[i]), DropReason::kReplayed) << i;
}

TEST(KcpHostile, RandomSegmentsBreakNothing) {
  Victim victim;
  SeededRandom random(17);
  (void)victim.Receive(Source(1), victim.Data(7, 0, 10));
  victim.Settle();
  ASSERT_EQ(victim.opened, 1u);
  const std::vector<uint8_t> bytes(3000, 'z');
  (void)victim.endpoint().Write(victim.streams[0], bytes);
  for (int i = 0; i < 100'000; ++i) {
    std::array<uint8_t, 600> plain;
    random.Fill(plain);
    StoreBigEndian16(plain.data(), 7);
    plain[2] = static_cast<uint8_t>(random.NextInRange(0, 1) == 0 ? 0 : random.NextInRange(0, 3) % 2 == 0 ? 3 : 1);
    plain[3] = 0;
    // Numbers near what is plausible reach further than wholly random ones.
    if (random.NextInRange(0, 1) == 0) {
      for (size_t at = 4; at < 16; at += 4) StoreBigEndian32(plain.data() + at, random.NextInRange(0, 3000));
    }
    (void)victim.Receive(Source(1), victim.Seal(ByteView(plain).first(random.NextInRange(16, 600))));
    if (i % 16 == 0) {
      victim.now += milliseconds(1);
      victim.endpoint().OnTimeout(victim.now);
      victim.Settle();
      std::array<ByteView, 8> views;
      for (StreamHandle stream : victim.streams) {
        while (const size_t count = victim.endpoint().Peek(stream, views)) {
          size_t size = 0;
          for (size_t k = 0; k < count; ++k) size += views[k].size();
          victim.endpoint().Consume(stream, size);
        }
      }
      victim.endpoint().ForEachSession(victim.now, [](const SessionStats& stats) {
        ASSERT_GE(stats.rto, milliseconds(100));
        ASSERT_LE(stats.rto, seconds(10));
        ASSERT_LE(stats.peer_window_segments, 200'000u);
      });
    }
  }
  victim.RunFor(seconds(60));
  EXPECT_EQ(victim.endpoint().session_count(), 0u);
}

}  // namespace
}  // namespace culvert::sim
