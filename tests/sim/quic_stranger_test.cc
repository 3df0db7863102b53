// What comes from who has no connection: forged first packets, tokens, ids and resets. See quic_pair.h; that nobody who has not proved
// its address gets more than three times what it sent is checked there after every step.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/sim/quic_links.h"

namespace culvert::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Bytes = std::vector<uint8_t>;

SocketAddress Stranger(uint32_t number) {
  return {IpAddress::V4({100, static_cast<uint8_t>(64 + (number >> 16)), static_cast<uint8_t>(number >> 8), static_cast<uint8_t>(number)}),
          static_cast<uint16_t>(1024 + number % 60000)};
}

// The first datagram of each client that dials while this lives.
class FirstDatagrams {
 public:
  explicit FirstDatagrams(QuicPair& pair) : pair_(pair) {
    pair_.on_datagram = [this](bool up, const SocketAddress&, ByteView bytes) {
      if (up) sent.emplace_back(bytes.begin(), bytes.end());
    };
  }
  ~FirstDatagrams() { pair_.on_datagram = nullptr; }
  std::vector<Bytes> sent;

 private:
  QuicPair& pair_;
};

// Where the token of an Initial begins and how long it is (RFC 9000 section 17.2.2).
std::pair<size_t, size_t> TokenOf(const Bytes& initial) {
  size_t at = 5;
  at += 1 + initial[at];
  at += 1 + initial[at];
  const size_t size = size_t{1} << (initial[at] >> 6);
  size_t length = initial[at] & 0x3f;
  for (size_t i = 1; i < size; ++i) length = length << 8 | initial[at + i];
  return {at + size, length};
}

Bytes Variant(const Bytes& genuine, SeededRandom& random) {
  Bytes bytes = genuine;
  const auto position = [&] { return random.NextInRange(0, static_cast<uint32_t>(bytes.size()) - 1); };
  switch (random.NextInRange(0, 7)) {
    case 0:  // as it is
      break;
    case 1:  // damaged anywhere
      for (uint32_t i = random.NextInRange(1, 5); i > 0; --i) bytes[position()] ^= static_cast<uint8_t>(1u << random.NextInRange(0, 7));
      break;
    case 2:  // cut
      bytes.resize(position() + 1);
      break;
    case 3:  // another version
      for (size_t i = 1; i < 5; ++i) bytes[i] = static_cast<uint8_t>(random.NextU32());
      break;
    case 4:  // another version, too short to be answered
      for (size_t i = 1; i < 5; ++i) bytes[i] = static_cast<uint8_t>(random.NextU32());
      bytes.resize(random.NextInRange(7, 1199));
      break;
    case 5:  // other ids
      for (size_t i = 5; i < 32; ++i) bytes[i] = static_cast<uint8_t>(random.NextU32());
      break;
    case 6:  // other flags
      bytes[0] = static_cast<uint8_t>(random.NextU32());
      break;
    default:  // a head and garbage
      for (size_t i = 30; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(random.NextU32());
      break;
  }
  return bytes;
}

void Amplify(uint32_t retry_above, uint32_t strangers) {
  QuicPairOptions options = PairOver(milliseconds(40), 100);
  options.retry_above_handshakes = retry_above;
  options.max_unvalidated_per_prefix = 1000;
  QuicPair pair(options);
  Bytes genuine;
  {
    FirstDatagrams first(pair);
    const size_t session = pair.Dial();
    ASSERT_TRUE(pair.RunUntilOpen(session, seconds(2)));
    genuine = first.sent[0];
  }
  const size_t before = pair.server_endpoint().session_count();
  SeededRandom random(retry_above + 1);
  uint64_t in = 0;
  uint64_t out = 0;
  for (uint32_t i = 0; i < 10'000 && pair.failure().empty(); ++i) {
    (void)pair.Inject(Stranger(i % strangers), Variant(genuine, random));
    if (i % 100 == 0) pair.RunFor(milliseconds(50));
  }
  // The server tries again and again, and gives up.
  pair.RunFor(seconds(20));
  ASSERT_EQ(pair.failure(), "");
  for (uint32_t i = 0; i < strangers; ++i) {
    const QuicPair::Traffic traffic = pair.TrafficOf(Stranger(i));
    ASSERT_LE(traffic.out, 3 * traffic.in) << i;
    in += traffic.in;
    out += traffic.out;
  }
  EXPECT_GT(out, 0u) << "nothing was answered, so nothing was tested";
  if (retry_above == 0) {
    EXPECT_LE(out, in) << "under Retry";
  }
  EXPECT_EQ(pair.server_endpoint().session_count(), before) << "strangers are forgotten";
}

TEST(QuicStranger, AmplificationLimit) { Amplify(100'000, 10'000); }
TEST(QuicStranger, AmplificationLimitOfFewAddresses) { Amplify(100'000, 50); }
TEST(QuicStranger, AmplificationLimitUnderRetry) { Amplify(0, 10'000); }

TEST(QuicStranger, UnknownVersionsAreAnsweredOnlyInFullSize) {
  QuicPair pair(PairOver(milliseconds(40), 100));
  Bytes bytes(1200);
  bytes[0] = 0xc0;
  bytes[1] = 0x1a;
  bytes[5] = 8;   // an id of 8 bytes, then one of none
  std::vector<Bytes> answers;
  pair.on_datagram = [&](bool up, const SocketAddress&, ByteView answer) {
    if (!up) answers.emplace_back(answer.begin(), answer.end());
  };
  EXPECT_EQ(pair.Inject(Stranger(1), bytes), DropReason::kUnsupportedVersion);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(Bytes(answers[0].begin() + 1, answers[0].begin() + 5), Bytes(4, 0)) << "a Version Negotiation packet";
  bytes.resize(1199);
  (void)pair.Inject(Stranger(1), bytes);
  EXPECT_EQ(answers.size(), 1u);
}

// T22. A token is good for one address, one time and one use.
TEST(QuicStranger, TokensOfARetryCannotBeForgedOrMoved) {
  QuicPairOptions options = PairOver(milliseconds(40), 100);
  options.retry_above_handshakes = 0;
  QuicPair pair(options);
  Bytes with_token;
  {
    FirstDatagrams first(pair);
    const size_t session = pair.Dial();
    ASSERT_TRUE(pair.RunUntilOpen(session, seconds(2)));
    with_token = first.sent[1];
  }
  const SocketAddress address = pair.client_address();
  const auto [at, size] = TokenOf(with_token);
  ASSERT_GE(size, 32u);
  const uint64_t opened = pair.server_endpoint().counters().opened;
  const int forgeries = std::getenv("CULVERT_TEST_ALL") != nullptr ? 1'000'000 : 20'000;
  SeededRandom random(4);
  for (int i = 0; i < forgeries; ++i) {
    Bytes forged = with_token;
    // It would be routed to the connection that exists by its id: another, and the token says which it was made for.
    if (i % 2 == 0) forged[6] ^= static_cast<uint8_t>(1 + random.NextInRange(0, 254));
    forged[at + random.NextInRange(0, static_cast<uint32_t>(size) - 1)] ^= static_cast<uint8_t>(1 + random.NextInRange(0, 254));
    (void)pair.Inject(address, forged);
    if (i % 1000 == 0) pair.RunFor(milliseconds(100));
  }
  EXPECT_EQ(pair.server_endpoint().counters().opened, opened);
  // The real one from elsewhere, after its connection is gone.
  pair.client_endpoint().CloseSession(pair.now(), pair.session().handle);
  pair.RunFor(seconds(5));
  (void)pair.Inject(Stranger(1), with_token);
  SocketAddress other_port = address;
  ++other_port.port;
  (void)pair.Inject(other_port, with_token);
  EXPECT_EQ(pair.server_endpoint().counters().opened, opened);
  // And from where it belongs, but too late.
  pair.RunFor(seconds(10));
  (void)pair.Inject(address, with_token);
  EXPECT_EQ(pair.server_endpoint().counters().opened, opened);
  EXPECT_EQ(pair.failure(), "");
}

TEST(QuicStranger, TokensForLaterWorkOnce) {
  QuicPairOptions options = PairOver(milliseconds(40), 100);
  options.retry_above_handshakes = 0;
  QuicPair pair(options);
  const size_t session = pair.Dial();
  ASSERT_TRUE(pair.RunUntilOpen(session, seconds(2)));
  pair.RunFor(milliseconds(200));
  Bytes with_token;
  {
    FirstDatagrams first(pair);
    (void)pair.Dial();
    with_token = first.sent[0];
  }
  ASSERT_GE(TokenOf(with_token).second, 16u) << "the second session shows a token at once";
  pair.RunFor(seconds(1));
  const uint64_t opened = pair.server_endpoint().counters().opened;
  // Somebody sends it again, also from the same address, with another id so that it is a first packet again.
  for (uint8_t i = 1; i < 100; ++i) {
    Bytes again = with_token;
    again[6] ^= i;
    (void)pair.Inject(pair.client_address(), again);
  }
  EXPECT_EQ(pair.server_endpoint().counters().opened, opened);
}

// T26. Guessed ids and forged resets, from anywhere and from the right address.
TEST(QuicStranger, GuessedIdsAndForgedResetsHurtNobody) {
  QuicPair pair(PairOver(milliseconds(40), 50));
  const size_t session = pair.Dial();
  pair.Open(session, 8 << 20, 8 << 20);
  pair.RunFor(milliseconds(500));
  uint64_t answers = 0;
  pair.on_datagram = [&](bool up, const SocketAddress& to, ByteView) {
    if (!up && to.ip.bytes()[0] == 100) ++answers;
  };
  const int guesses = std::getenv("CULVERT_TEST_ALL") != nullptr ? 1'000'000 : 30'000;
  SeededRandom random(9);
  const TimePoint from = pair.now();
  for (int i = 0; i < guesses; ++i) {
    Bytes guess(random.NextInRange(21, 100));
    random.Fill(guess);
    guess[0] = static_cast<uint8_t>((guess[0] & 0x3f) | 0x40);
    const bool to_client = i % 3 == 0;
    if (to_client) {
      (void)pair.InjectToClient(pair.server_address(), guess);
    } else {
      (void)pair.Inject(i % 3 == 1 ? pair.client_address() : Stranger(static_cast<uint32_t>(i)), guess);
    }
    if (i % 1000 == 0) pair.RunFor(milliseconds(30));
  }
  // At most a thousand resets in a second, and what a burst allows.
  EXPECT_LE(static_cast<double>(answers), 1000 * (ToSeconds(pair.now() - from) + 1));
  EXPECT_GT(answers, 0u);
  pair.on_datagram = nullptr;
  ASSERT_TRUE(pair.RunUntilDone(seconds(20))) << pair.Missing();
  EXPECT_FALSE(pair.session(session).closed);
}

// The id of a connection that lives is never reset, whatever is wrong with the packet.
TEST(QuicStranger, DamagedPacketsOfALiveConnectionAreNotAnswered) {
  QuicPair pair(PairOver(milliseconds(40), 50));
  const size_t session = pair.Dial();
  pair.Open(session, 20 << 20, 0);
  pair.RunFor(milliseconds(500));
  Bytes real;
  pair.on_datagram = [&](bool up, const SocketAddress&, ByteView bytes) {
    if (up) real.assign(bytes.begin(), bytes.end());
  };
  ASSERT_TRUE(pair.RunUntil([&] { return real.size() > 100; }, seconds(1)));
  uint64_t answers = 0;
  pair.on_datagram = [&](bool up, const SocketAddress& to, ByteView) {
    if (!up && to == Stranger(7)) ++answers;
  };
  SeededRandom random(3);
  for (int i = 0; i < 1000; ++i) {
    Bytes damaged = real;
    for (size_t k = 13; k < damaged.size(); ++k) damaged[k] = static_cast<uint8_t>(random.NextU32());
    (void)pair.Inject(Stranger(7), damaged);
  }
  EXPECT_EQ(answers, 0u);
  ASSERT_TRUE(pair.RunUntilDone(seconds(10))) << pair.Missing();
}

}  // namespace
}  // namespace culvert::sim
