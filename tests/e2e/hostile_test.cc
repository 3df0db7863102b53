// Datagrams that mean nothing: they cost a counter, get no answer, and disturb nobody.
#include <gtest/gtest.h>
#include <poll.h>

#include "tests/e2e/tunnel_pair.h"
#include "tests/testing/pattern.h"
#include "tests/testing/sockaddr.h"

namespace culvert::testing {
namespace {

using std::chrono::seconds;

// A UDP socket connected to the far side's mKCP port.
UniqueFd ConnectUdp(const SocketAddress& peer) {
  const RawAddress raw = ToRaw(peer);
  UniqueFd fd(socket(raw.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(connect(fd.get(), raw.get(), raw.size), 0);
  return fd;
}

bool HearsSomething(int fd, int milliseconds) {
  pollfd poll_fd{fd, POLLIN, 0};
  return poll(&poll_fd, 1, milliseconds) > 0;
}

uint64_t Dropped(Daemon& daemon) {
  uint64_t sum = 0;
  const std::string listener = daemon.Ctl({"get", "listener", TunnelPair::kWire, "-o", "json"}).out;
  for (const nlohmann::json& reasons : FindAll(listener, "droppedDatagrams")) {
    for (const auto& [reason, count] : reasons.items()) sum += std::stoull(count.get<std::string>());
  }
  return sum;
}

TEST(Hostile, GarbageIsCountedAndNotAnswered) {
  auto pair = TunnelPair::Start();
  ASSERT_TRUE(pair.ok()) << pair.status();
  const UniqueFd fd = ConnectUdp((*pair)->wire());
  constexpr uint64_t kCount = 200;
  for (uint64_t i = 0; i < kCount; ++i) {
    std::vector<uint8_t> datagram(1 + i * 7 % 1400);
    FillPattern(i, 0, datagram);
    ASSERT_EQ(send(fd.get(), datagram.data(), datagram.size(), 0), static_cast<ssize_t>(datagram.size()));
  }
  EXPECT_TRUE(Eventually([&] { return Dropped((*pair)->far()) >= kCount; })) << Dropped((*pair)->far());
  EXPECT_FALSE(HearsSomething(fd.get(), 500));
  EXPECT_EQ(Dropped((*pair)->far()), kCount);
  EXPECT_TRUE(FindAll((*pair)->far().GetJson("sessions"), "conversationId").empty());
  EXPECT_EQ((*pair)->application().accepted(), 0u);
  EXPECT_EQ(RunExchange((*pair)->client(), {.up_bytes = 100'000, .down_bytes = 100'000}), absl::OkStatus());
}

TEST(Hostile, AWrongSeedOpensNothing) {
  auto pair = TunnelPair::Start();
  ASSERT_TRUE(pair.ok()) << pair.status();
  (void)(*pair)->near().directory().Write("wrong", "another seed\n", 0600);
  ASSERT_EQ((*pair)->near().Apply(KcpDialer("stranger", (*pair)->wire().ToString(), {.seed_file = "wrong"})).exit_code,
            0);
  const RunResult probe = (*pair)->near().Ctl({"dial", "stranger", "--timeout", "2s"});
  EXPECT_EQ(probe.exit_code, 1) << probe.out << probe.err;
  EXPECT_GT(Dropped((*pair)->far()), 0u);
  EXPECT_EQ((*pair)->application().accepted(), 0u);
}

TEST(Hostile, AFloodOfGarbageDoesNotStopTheTunnelOrTheDaemon) {
  auto pair = TunnelPair::Start();
  ASSERT_TRUE(pair.ok()) << pair.status();
  const uint64_t before = UsageOf((*pair)->far().process().pid()).resident_bytes;
  std::atomic<bool> done{false};
  std::thread flood([&] {
    const UniqueFd fd = ConnectUdp((*pair)->wire());
    std::vector<uint8_t> datagram(1200);
    for (uint64_t i = 0; !done && i < 400'000; ++i) {
      FillPattern(i, 0, ByteSpan(datagram).first(64));
      (void)send(fd.get(), datagram.data(), 64 + i % 1100, MSG_DONTWAIT);
    }
  });
  ClientOptions client = (*pair)->client();
  client.limit = seconds(60);
  EXPECT_EQ(RunExchange(client, {.up_bytes = 1 << 20, .down_bytes = 1 << 20}), absl::OkStatus()) << (*pair)->Logs();
  done = true;
  flood.join();
  EXPECT_TRUE((*pair)->far().process().IsRunning());
  EXPECT_LT(UsageOf((*pair)->far().process().pid()).resident_bytes, before + (64 << 20));
  // Nothing of it is logged datagram by datagram.
  EXPECT_LT((*pair)->far().Log().size(), 64'000u);
}

}  // namespace
}  // namespace culvert::testing
