// Ends of connections: in order, one direction at a time, and cut off.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/tls/tls_pair.h"

namespace culvert::tls {
namespace {

class TlsShutdown : public ::testing::Test {
 protected:
  TlsShutdown() : pair_(MakeContext(identity_.ClientOptions()), MakeContext(identity_.ServerOptions())) {
    pair_.MustConnect();
    ReadAll(*pair_.client);
  }

  const Identity identity_;
  TlsPair pair_;
};

TEST_F(TlsShutdown, TheClientFinishesFirst) {
  EXPECT_EQ(pair_.client->Write(AsBytes("last words")), 10u);
  pair_.client->Finish();
  EXPECT_EQ(ReadAll(*pair_.server), "last words");
  EXPECT_TRUE(pair_.server->AtEnd());
  EXPECT_FALSE(pair_.server->IsTruncated());
  EXPECT_FALSE(pair_.client->AtEnd());
  // The other direction goes on, for as long as it likes.
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(pair_.Carries(*pair_.server, *pair_.client, std::string(20000, 'x')));
  pair_.server->Finish();
  EXPECT_EQ(ReadAll(*pair_.client), "");
  EXPECT_TRUE(pair_.client->AtEnd());
  EXPECT_FALSE(pair_.client->IsTruncated());
}

TEST_F(TlsShutdown, TheServerFinishesFirst) {
  pair_.server->Finish();
  EXPECT_EQ(ReadAll(*pair_.client), "");
  EXPECT_TRUE(pair_.client->AtEnd());
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(pair_.Carries(*pair_.client, *pair_.server, std::string(20000, 'x')));
  pair_.client->Finish();
  EXPECT_EQ(ReadAll(*pair_.server), "");
  EXPECT_TRUE(pair_.server->AtEnd());
}

TEST_F(TlsShutdown, BothAtOnce) {
  EXPECT_EQ(pair_.client->Write(AsBytes("a")), 1u);
  EXPECT_EQ(pair_.server->Write(AsBytes("b")), 1u);
  pair_.client->Finish();
  pair_.server->Finish();
  pair_.server->Finish();  // once is enough
  EXPECT_EQ(ReadAll(*pair_.client), "b");
  EXPECT_EQ(ReadAll(*pair_.server), "a");
  EXPECT_TRUE(pair_.client->AtEnd());
  EXPECT_TRUE(pair_.server->AtEnd());
}

TEST_F(TlsShutdown, TheEndIsToldOnlyWhenAllIsRead) {
  EXPECT_EQ(pair_.client->Write(AsBytes("0123456789")), 10u);
  pair_.client->Finish();
  uint8_t bytes[4];
  EXPECT_EQ(pair_.server->Read(bytes), 4u);
  EXPECT_FALSE(pair_.server->AtEnd());
  EXPECT_EQ(ReadAll(*pair_.server), "456789");
  EXPECT_TRUE(pair_.server->AtEnd());
  EXPECT_EQ(pair_.server->Read(bytes), 0u);
}

TEST_F(TlsShutdown, FinishedAfterTheTransportWasFull) {
  pair_.to_server.capacity = 100;
  EXPECT_EQ(pair_.client->Write(AsBytes(std::string(5000, 'x'))), 5000u);
  EXPECT_TRUE(pair_.client->HasPendingWrites());
  pair_.client->Finish();
  std::string all;
  while (!pair_.client->FlushWrites()) all += ReadAll(*pair_.server);
  all += ReadAll(*pair_.server);
  EXPECT_EQ(all, std::string(5000, 'x'));
  EXPECT_TRUE(pair_.server->AtEnd());
}

TEST_F(TlsShutdown, ATransportThatEndsEarlyTruncates) {
  EXPECT_EQ(pair_.client->Write(AsBytes("almost everything")), 17u);
  pair_.to_server.ended = true;
  EXPECT_EQ(ReadAll(*pair_.server), "almost everything");
  EXPECT_FALSE(pair_.server->AtEnd());
  EXPECT_TRUE(pair_.server->IsTruncated());
  EXPECT_EQ(pair_.server->failure(), TlsFailure::kNone);
}

TEST_F(TlsShutdown, ATransportThatEndsInsideARecordTruncates) {
  EXPECT_EQ(pair_.client->Write(AsBytes("first")), 5u);
  EXPECT_EQ(pair_.client->Write(AsBytes("second")), 6u);
  pair_.to_server.bytes.pop_back();
  pair_.to_server.ended = true;
  EXPECT_EQ(ReadAll(*pair_.server), "first");
  EXPECT_TRUE(pair_.server->IsTruncated());
}

TEST_F(TlsShutdown, AnEndAfterTheEndIsNoTruncation) {
  pair_.client->Finish();
  pair_.to_server.ended = true;
  EXPECT_EQ(ReadAll(*pair_.server), "");
  EXPECT_TRUE(pair_.server->AtEnd());
  EXPECT_FALSE(pair_.server->IsTruncated());
}

TEST(TlsShutdownEarly, FinishBeforeTheHandshakeWaitsForIt) {
  const Identity identity;
  TlsPair pair(MakeContext(identity.ClientOptions()), MakeContext(identity.ServerOptions()));
  pair.client->Finish();
  pair.MustConnect();
  EXPECT_EQ(ReadAll(*pair.server), "");
  EXPECT_TRUE(pair.server->AtEnd());
  EXPECT_TRUE(pair.Carries(*pair.server, *pair.client, "still here"));
}

TEST(TlsShutdownEarly, ATransportThatEndsInTheHandshake) {
  const Identity identity;
  for (const size_t missing : {size_t{1}, size_t{50}, size_t{1000}}) {
    TlsPair pair(MakeContext(identity.ClientOptions()), MakeContext(identity.ServerOptions()));
    EXPECT_EQ(pair.client->Advance(), TlsConnection::Progress::kWaiting);
    const size_t size = pair.to_server.bytes.size();
    pair.to_server.bytes.resize(size - std::min(missing, size));
    pair.to_server.ended = true;
    EXPECT_EQ(pair.server->Advance(), TlsConnection::Progress::kFailed);
    EXPECT_EQ(pair.server->failure(), TlsFailure::kTruncated);
    EXPECT_EQ(pair.server->failure_message(), "the connection ended during the TLS handshake");
  }
}

}  // namespace
}  // namespace culvert::tls
