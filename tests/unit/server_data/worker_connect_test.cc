// Connect calls on real workers, without the call: the test is the caller's side of the channel.
#include "tests/testing/udp_peer.h"
#include "tests/unit/server_data/worker_fixture.h"

namespace culvert::server {
namespace {

using culvert::testing::UdpPeer;

class WorkerConnect : public WorkerFixture {
 protected:
  std::shared_ptr<ConnectChannel> Connect(const std::string& dialer, const HostPort& destination, bool udp = false) {
    auto channel = std::make_shared<ConnectChannel>();
    EXPECT_TRUE(workers_[0]->Connect({dialer, destination, udp}, channel));
    return channel;
  }
  std::string received_;
  static std::string Read(ConnectChannel& channel, size_t size) {
    std::string got;
    EXPECT_TRUE(Eventually([&] {
      std::string message;
      while (channel.CallerReceive(message)) got += message;
      return got.size() >= size;
    })) << got.size();
    return got;
  }
};

TEST_F(WorkerConnect, AStreamBothWays) {
  StartWorkers(1);
  auto server = Server::Start({local_, 0}, Echo);
  ASSERT_TRUE(server.ok());
  AddAddressedPair(/*over_quic=*/true, (*server)->address());
  Apply();
  const auto channel = Connect("far", {});
  ASSERT_TRUE(Eventually([&] { return channel->TakeOpened().has_value(); }));
  std::string sent;
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(Eventually([&] { return channel->CallerMaySend(); }));
    const std::string piece(10'000, static_cast<char>('a' + i % 26));
    channel->CallerSend(piece);
    sent += piece;
    // Read along, or back-pressure would stop it: nobody holds 2 MB for us.
    std::string message;
    while (channel->CallerReceive(message)) received_ += message;
  }
  received_ += Read(*channel, sent.size() - received_.size());
  EXPECT_EQ(received_, sent);
  channel->CallerFinish();
  EXPECT_TRUE(Eventually([&] { return channel->outcome().has_value(); }));
  EXPECT_TRUE(channel->outcome()->is_ok) << channel->outcome()->message;
  EXPECT_TRUE(channel->TakeFarFinish());
}

TEST_F(WorkerConnect, ARefusalHasItsReason) {
  StartWorkers(1);
  AddAddressedPair(/*over_quic=*/true, {local_, 9});
  Apply();
  const auto channel = Connect("far", {"10.0.0.1", 80});
  ASSERT_TRUE(Eventually([&] { return channel->outcome().has_value(); }));
  EXPECT_FALSE(channel->outcome()->was_open);
  EXPECT_EQ(channel->outcome()->reason, "DESTINATION_DENIED");
  const auto nobody = Connect("nobody", {});
  ASSERT_TRUE(Eventually([&] { return nobody->outcome().has_value(); }));
  EXPECT_EQ(nobody->outcome()->reason, "NOT_FOUND");
}

TEST_F(WorkerConnect, Datagrams) {
  StartWorkers(1);
  UdpPeer server;
  AddAddressedPair(/*over_quic=*/true, server.address());
  Apply();
  const auto channel = Connect("far", {}, /*udp=*/true);
  ASSERT_TRUE(Eventually([&] { return channel->TakeOpened().has_value(); }));
  channel->CallerSend("one");
  channel->CallerSend("and two");
  auto first = server.Receive();
  auto second = server.Receive();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(AsText(first->bytes), "one");
  EXPECT_EQ(AsText(second->bytes), "and two");
  ASSERT_TRUE(server.SendTo({local_, first->from.port}, AsBytes("answer")));
  EXPECT_EQ(Read(*channel, 6), "answer");
  channel->CallerAbort();
  EXPECT_TRUE(Eventually([&] { return channel->outcome().has_value(); }));
}

TEST_F(WorkerConnect, TheCallerGoes) {
  StartWorkers(1);
  auto server = Server::Start({local_, 0}, Echo);
  ASSERT_TRUE(server.ok());
  AddAddressedPair(/*over_quic=*/false, (*server)->address());
  Apply();
  const auto channel = Connect("far", {});
  ASSERT_TRUE(Eventually([&] { return channel->TakeOpened().has_value(); }));
  channel->CallerAbort();
  EXPECT_TRUE(Eventually([&] { return channel->outcome().has_value(); }));
  EXPECT_TRUE((*server)->WaitForActive(0, std::chrono::seconds(5)));
}

}  // namespace
}  // namespace culvert::server
