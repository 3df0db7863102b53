// One endpoint by itself, and what v2ray's own tests of its mKCP check: both authenticators and the read deadline.
#include "core/kcp/endpoint.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace culvert::kcp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class Outbox final : public DatagramSink {
 public:
  explicit Outbox(size_t room = 1000) : room_(room) {}
  ByteSpan Reserve(const SocketAddress&, size_t max_size) override {
    if (datagrams.size() == room_) return {};
    return ByteSpan(buffer_).first(max_size);
  }
  void Commit(size_t size) override {
    if (size > 0) datagrams.emplace_back(buffer_.begin(), buffer_.begin() + static_cast<ptrdiff_t>(size));
  }
  std::vector<std::vector<uint8_t>> datagrams;

 private:
  size_t room_;
  std::array<uint8_t, 4096> buffer_;
};

class EndpointTest : public testing::Test {
 protected:
  std::unique_ptr<culvert::Endpoint> Make(bool accepts, KcpOptions options = {}) {
    return CreateEndpoint({.config = *KcpConfig::Create(options), .accepts = accepts}, random_);
  }
  std::vector<Event> Events(culvert::Endpoint& endpoint) {
    std::vector<Event> events;
    while (const std::optional<Event> event = endpoint.PollEvent()) events.push_back(*event);
    return events;
  }
  const SocketAddress peer_ = *SocketAddress::Parse("10.0.0.2:4000");
  SeededRandom random_{7};
  TimePoint now_{seconds(50)};
};

void RoundTrip(const DatagramSealer& sealer) {
  SeededRandom random(3);
  for (size_t size = 1; size < 2000; size = size * 3 / 2 + 1) {
    std::vector<uint8_t> plain(size);
    random.Fill(plain);
    std::vector<uint8_t> sealed(sealer.overhead() + size);
    std::copy(plain.begin(), plain.end(), sealed.begin() + static_cast<ptrdiff_t>(sealer.prefix_size()));
    sealer.SealInPlace(sealed, random);
    std::vector<uint8_t> damaged = sealed;
    damaged[size % damaged.size()] ^= 0x10;
    ByteSpan opened;
    ASSERT_EQ(sealer.OpenInPlace(sealed, opened), DropReason::kNone);
    ASSERT_TRUE(std::equal(opened.begin(), opened.end(), plain.begin(), plain.end()));
    ASSERT_EQ(sealer.OpenInPlace(damaged, opened), DropReason::kBadAuthTag);
  }
}

TEST_F(EndpointTest, SimpleAuthenticatorRoundTrip) { RoundTrip(*DatagramSealer::Simple()); }
TEST_F(EndpointTest, Aes128GcmAuthenticatorRoundTrip) { RoundTrip(*DatagramSealer::Aes128Gcm("a seed")); }

TEST_F(EndpointTest, AReadDeadlineInThePastTimesOutAtOnceAndTheConnectionLivesOn) {
  const auto endpoint = Make(false);
  const StreamHandle stream = *endpoint->Connect(now_, peer_);
  ASSERT_TRUE(endpoint->SetReadDeadline(stream, now_ - seconds(1)));
  std::array<ByteView, 1> views;
  EXPECT_EQ(endpoint->Peek(stream, views), 0u);
  Outbox out;
  endpoint->Flush(now_, out);
  const std::vector<Event> events = Events(*endpoint);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, Event::Kind::kReadTimeout);
  EXPECT_EQ(endpoint->Write(stream, AsBytes("still open")), 10u);
}

TEST_F(EndpointTest, AReadDeadlineIsKeptAndOnlySettableWhileOpen) {
  const auto endpoint = Make(false);
  const StreamHandle stream = *endpoint->Connect(now_, peer_);
  ASSERT_TRUE(endpoint->SetReadDeadline(stream, now_ + milliseconds(70)));
  Outbox out;
  endpoint->Flush(now_, out);
  EXPECT_TRUE(Events(*endpoint).empty());
  ASSERT_TRUE(endpoint->NextTimeout().has_value());
  EXPECT_LE(*endpoint->NextTimeout(), now_ + milliseconds(70));
  now_ += milliseconds(70);
  endpoint->OnTimeout(now_);
  endpoint->Flush(now_, out);
  EXPECT_EQ(Events(*endpoint).size(), 1u);
  endpoint->Close(now_, stream);
  EXPECT_FALSE(endpoint->SetReadDeadline(stream, now_ + seconds(1)));
}

TEST_F(EndpointTest, DiallingSendsAPingUnlessThereIsData) {
  const auto endpoint = Make(false);
  (void)*endpoint->Connect(now_, peer_);
  Outbox ping;
  endpoint->Flush(now_, ping);
  ASSERT_EQ(ping.datagrams.size(), 1u);
  EXPECT_EQ(ping.datagrams[0].size(), 6u + 16);  // K21
  const StreamHandle second = *endpoint->Connect(now_, peer_);
  ASSERT_EQ(endpoint->Write(second, AsBytes("x")), 1u);
  Outbox data;
  endpoint->Flush(now_, data);
  ASSERT_EQ(data.datagrams.size(), 1u);
  EXPECT_EQ(data.datagrams[0].size(), 6u + 18 + 1);
}

TEST_F(EndpointTest, AFullSinkLosesNothing) {
  const auto endpoint = Make(false);
  const StreamHandle stream = *endpoint->Connect(now_, peer_);
  const std::vector<uint8_t> bytes(20'000, 'a');
  ASSERT_EQ(endpoint->Write(stream, bytes), bytes.size());
  size_t datagrams = 0;
  for (int i = 0; i < 50 && (i == 0 || endpoint->HasPendingOutput()); ++i) {
    Outbox out(3);
    endpoint->Flush(now_, out);
    datagrams += out.datagrams.size();
  }
  EXPECT_FALSE(endpoint->HasPendingOutput());
  EXPECT_EQ(datagrams, (20'000 + 1207) / 1208);
}

TEST_F(EndpointTest, ConversationIdsAreRandomAndDistinct) {
  const auto endpoint = Make(false);
  std::vector<uint32_t> ids;
  for (int i = 0; i < 1000; ++i) {
    const StreamHandle stream = *endpoint->Connect(now_, peer_);
    ids.push_back(endpoint->GetStats(now_, stream)->conversation_id);
  }
  size_t successors = 0;
  for (size_t i = 1; i < ids.size(); ++i) successors += ids[i] == ids[i - 1] + 1;
  EXPECT_LT(successors, 5u);  // K2
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(std::unique(ids.begin(), ids.end()), ids.end());
}

TEST_F(EndpointTest, StaleHandlesAreHarmless) {
  const auto endpoint = Make(false);
  const StreamHandle stale{12, 3};
  std::array<ByteView, 1> views;
  EXPECT_EQ(endpoint->Write(stale, AsBytes("x")), 0u);
  EXPECT_EQ(endpoint->Peek(stale, views), 0u);
  endpoint->Consume(stale, 10);
  endpoint->Close(now_, stale);
  endpoint->Abort(now_, stale, CloseReason::kAborted);
  EXPECT_FALSE(endpoint->AtEnd(stale));
  EXPECT_FALSE(endpoint->GetStats(now_, stale).has_value());
}

TEST_F(EndpointTest, AnEndpointThatStoppedAcceptingOpensNothing) {
  const auto server = Make(true);
  const auto client = Make(false);
  const StreamHandle stream = *client->Connect(now_, peer_);
  ASSERT_EQ(client->Write(stream, AsBytes("x")), 1u);
  Outbox out;
  client->Flush(now_, out);
  server->StopAccepting();
  Datagram datagram{*SocketAddress::Parse("10.0.0.1:999"), out.datagrams.at(0)};
  EXPECT_EQ(server->OnDatagram(now_, datagram), DropReason::kNotAccepting);
  EXPECT_EQ(server->session_count(), 0u);
}

TEST_F(EndpointTest, SessionLimit) {
  const auto server = CreateEndpoint({.config = *KcpConfig::Create({}), .accepts = true, .max_sessions = 2}, random_);
  for (int i = 0; i < 3; ++i) {
    const auto client = Make(false);
    const StreamHandle stream = *client->Connect(now_, peer_);
    ASSERT_EQ(client->Write(stream, AsBytes("x")), 1u);
    Outbox out;
    client->Flush(now_, out);
    Datagram datagram{SocketAddress{IpAddress::V4({10, 0, 0, static_cast<uint8_t>(i)}), 999}, out.datagrams.at(0)};
    EXPECT_EQ(server->OnDatagram(now_, datagram), i < 2 ? DropReason::kNone : DropReason::kTooManySessions);
  }
}

}  // namespace
}  // namespace culvert::kcp
