// Bytes through records: all of them, in order, whatever the chunks; and what is kept when the transport is full.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "core/base/random.h"
#include "tests/unit/tls/tls_pair.h"

namespace culvert::tls {
namespace {

constexpr size_t kMegabyte = size_t{1} << 20;

std::vector<uint8_t> RandomBytes(RandomSource& random, size_t size) {
  std::vector<uint8_t> bytes(size);
  random.Fill(bytes);
  return bytes;
}

// One direction of a transfer in chunks of any size.
struct Flow {
  TlsConnection& from;
  TlsConnection& to;
  std::vector<uint8_t> bytes;
  std::vector<uint8_t> arrived = {};
  size_t sent = 0;

  void Step(RandomSource& random) {
    const size_t chunk = std::min<size_t>(bytes.size() - sent, random.NextInRange(0, 70000));
    sent += from.Write(ByteView(bytes).subspan(sent, chunk));
    from.FlushWrites();
    std::vector<uint8_t> out(random.NextInRange(1, 70000));
    out.resize(to.Read(out));
    arrived.insert(arrived.end(), out.begin(), out.end());
  }
  bool done() const { return arrived.size() >= bytes.size(); }
};

class TlsTransfer : public ::testing::TestWithParam<uint64_t> {};

TEST_P(TlsTransfer, AMegabyteEachWayInRandomChunks) {
  SCOPED_TRACE(GetParam());
  SeededRandom random(GetParam());
  const Identity identity;
  TlsPair pair(MakeContext(identity.ClientOptions()), MakeContext(identity.ServerOptions()),
               {.server_name = "far.example", .records_per_key = 7}, {.records_per_key = 3});
  for (Wire* wire : {&pair.to_client, &pair.to_server}) {
    wire->capacity = random.NextInRange(1, 100000);
    wire->max_write = random.NextInRange(1, 40000);
    wire->max_read = random.NextInRange(1, 40000);
  }
  pair.MustConnect();
  Flow up{*pair.client, *pair.server, RandomBytes(random, kMegabyte)};
  Flow down{*pair.server, *pair.client, RandomBytes(random, kMegabyte)};
  // Chunks of one byte are the slowest there is.
  for (size_t step = 0; step < 8 * kMegabyte && !(up.done() && down.done()); ++step) {
    up.Step(random);
    down.Step(random);
  }
  EXPECT_TRUE(up.arrived == up.bytes);
  EXPECT_TRUE(down.arrived == down.bytes);
  EXPECT_FALSE(pair.client->IsTruncated() || pair.server->IsTruncated());
}

INSTANTIATE_TEST_SUITE_P(Seeds, TlsTransfer, ::testing::Range(uint64_t{1}, uint64_t{13}));

TEST(TlsWrite, AFullTransportKeepsLessThanTwoRecords) {
  const Identity identity;
  TlsPair pair(MakeContext(identity.ClientOptions()), MakeContext(identity.ServerOptions()));
  pair.MustConnect();
  pair.to_server.capacity = 0;
  const std::string bytes(100000, 'x');
  const size_t taken = pair.client->Write(AsBytes(bytes));
  EXPECT_GT(taken, 0u);
  EXPECT_LT(taken, 2u * 16384);
  EXPECT_TRUE(pair.client->HasPendingWrites());
  EXPECT_EQ(pair.client->Write(AsBytes(bytes)), 0u) << "not a byte more before what is kept has gone";
  EXPECT_FALSE(pair.client->FlushWrites());
  pair.to_server.capacity = 1 << 20;
  EXPECT_TRUE(pair.client->FlushWrites());
  EXPECT_FALSE(pair.client->HasPendingWrites());
  EXPECT_EQ(ReadAll(*pair.server), std::string(taken, 'x'));
}

TEST(TlsWrite, FullRecordsGoStraightOut) {
  const Identity identity;
  TlsPair pair(MakeContext(identity.ClientOptions()), MakeContext(identity.ServerOptions()));
  pair.MustConnect();
  const size_t before = pair.to_server.written;
  const std::string bytes(10 * 16384, 'x');
  EXPECT_EQ(pair.client->Write(AsBytes(bytes)), bytes.size());
  EXPECT_FALSE(pair.client->HasPendingWrites());
  // Five bytes of head, one of type, sixteen of tag.
  EXPECT_EQ(pair.to_server.written - before, 10u * (16384 + 22));
  EXPECT_EQ(ReadAll(*pair.server), bytes);
}

TEST(TlsWrite, NothingMakesNoRecord) {
  const Identity identity;
  TlsPair pair(MakeContext(identity.ClientOptions()), MakeContext(identity.ServerOptions()));
  pair.MustConnect();
  const size_t before = pair.to_server.written;
  EXPECT_EQ(pair.client->Write({}), 0u);
  EXPECT_EQ(pair.to_server.written, before);
}

TEST(TlsWrite, KeysAreRenewed) {
  const Identity identity;
  TlsPair pair(MakeContext(identity.ClientOptions()), MakeContext(identity.ServerOptions()),
               {.server_name = "far.example", .records_per_key = 2});
  pair.MustConnect();
  const size_t before = pair.to_server.written;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(pair.client->Write(AsBytes("x")), 1u);
  // Five records of one byte, and before the third and the fifth a KeyUpdate of five bytes.
  EXPECT_EQ(pair.to_server.written - before, 5u * (1 + 22) + 2u * (5 + 22));
  EXPECT_EQ(ReadAll(*pair.server), "xxxxx");
}

TEST(TlsRead, SeveralRecordsFillOneBuffer) {
  const Identity identity;
  TlsPair pair(MakeContext(identity.ClientOptions()), MakeContext(identity.ServerOptions()));
  pair.MustConnect();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(pair.client->Write(AsBytes("abcd")), 4u);
  std::vector<uint8_t> out(18);
  EXPECT_EQ(pair.server->Read(out), 18u);
  EXPECT_EQ(AsText(out), "abcdabcdabcdabcdab");
  EXPECT_EQ(ReadAll(*pair.server), "cd");
  EXPECT_EQ(pair.server->Read({}), 0u);
}

}  // namespace
}  // namespace culvert::tls
