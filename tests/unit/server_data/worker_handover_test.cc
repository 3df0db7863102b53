// A QUIC peer whose address changes lands at another worker's socket: its datagrams reach their connection all the same.
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <vector>

#include "tests/testing/udp_nat.h"
#include "tests/unit/server_data/worker_fixture.h"

namespace culvert::server {
namespace {

class WorkerHandoverTest : public WorkerFixture {
 protected:
  void SetUp() override { destination_ = *Server::Start({IpAddress::LoopbackV4(), 0}, Echo); }
  uint64_t HandedOver() { return ListenerCounters("quic").dropped[static_cast<size_t>(DropReason::kHandedOver)]; }
  std::unique_ptr<Server> destination_;
};

TEST_F(WorkerHandoverTest, AStreamLivesThroughChangesOfItsPeersAddress) {
  StartWorkers(2);
  const SocketAddress in = AddTcpListener("in");
  auto nat = *culvert::testing::UdpNat::Start(AddQuicListener("quic"));
  AddQuicDialer("far", nat->address());
  AddForward("near", "in", "far");
  AddDirectForward("out", "quic", destination_->address());
  Apply();
  auto client = Stream::Connect(in);
  ASSERT_TRUE(client.ok());
  ASSERT_TRUE(client->Transfer(100'000, 1, 100'000, 1).ok());
  EXPECT_EQ(HandedOver(), 0u);
  // Every new port is the other worker's with even odds: none of 64 happens once in 2^64.
  for (uint64_t i = 2; i < 66 && HandedOver() == 0; ++i) {
    ASSERT_TRUE(nat->Rebind(/*address=*/false).ok());
    const absl::Status transferred = client->Transfer(100'000, i, 100'000, i);
    ASSERT_TRUE(transferred.ok()) << transferred << " after " << i - 1 << " changes";
  }
  EXPECT_GT(HandedOver(), 0u);
  EXPECT_EQ(ListenerCounters("quic").lost_handovers, 0u);
  EXPECT_EQ(ListenerCounters("quic").opened, 1u) << "one session, all the time";
  client->FinishWriting();
  EXPECT_EQ(*client->ReadToEnd(), 0u);
}

TEST(WorkerDirectory, CountsWhatWaitsAndDropsWhatIsTooMuch) {
  WorkerDirectory directory;
  std::vector<std::function<void()>> mailbox;
  size_t taken = 0;
  bool accepts = true;
  directory.Register(
      1,
      [&](std::function<void()> task) {
        if (accepts) mailbox.push_back(std::move(task));
        return accepts;
      },
      [&](HandoverBatch& batch) {
        taken += batch.items.size();
        EXPECT_EQ(batch.listener.name, "quic");
        EXPECT_EQ(batch.bytes.size(), batch.items.size() * 2);
      });
  const std::array<uint8_t, 2> bytes{1, 2};
  HandoverOutbox outbox;
  const auto add = [&](uint32_t worker, size_t count) {
    for (size_t i = 0; i < count; ++i) outbox.Add(worker, {}, Ecn::kNotEct, bytes);
  };
  add(1, 500);
  add(7, 3);  // nobody
  EXPECT_EQ(outbox.Send({"quic", 1}, &directory), 3u);
  EXPECT_EQ(mailbox.size(), 1u) << "one message for all of them";
  add(1, WorkerDirectory::kMaxWaiting - 499);
  EXPECT_EQ(outbox.Send({"quic", 1}, &directory), WorkerDirectory::kMaxWaiting - 499);
  for (const auto& task : mailbox) task();
  EXPECT_EQ(taken, 500u);
  accepts = false;
  add(1, 2);
  EXPECT_EQ(outbox.Send({"quic", 1}, &directory), 2u);
  accepts = true;
  add(1, WorkerDirectory::kMaxWaiting);
  EXPECT_EQ(outbox.Send({"quic", 1}, &directory), 0u) << "what was lost does not wait";
  directory.Unregister(1);
  add(1, 1);
  EXPECT_EQ(outbox.Send({"quic", 1}, &directory), 1u);
}

}  // namespace
}  // namespace culvert::server
