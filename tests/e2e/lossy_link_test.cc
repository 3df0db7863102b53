// The tunnel over an emulated wire: two network namespaces, 100 ms round trip, 2 % loss each way, 50 Mbit/s.
#include <gtest/gtest.h>
#include <signal.h>

#include "absl/strings/str_format.h"
#include "tests/e2e/emulated_link.h"
#include "tests/e2e/tunnel_pair.h"
#include "tests/testing/free_port.h"

namespace culvert::testing {
namespace {

using std::chrono::seconds;

constexpr uint64_t kBytes = 8 << 20;

class LossyLink : public OverEmulatedLink {
 protected:
  // A tunnel whose wire is the link; the application runs at the far side, the clients at the near one.
  void Connect(const std::string& far_host) {
    {
      auto visit = NetnsVisit::Enter(far_ns_->name());
      ASSERT_TRUE(visit.ok()) << visit.status();
      auto app = TcpServer::Start({IpAddress::LoopbackV4(), 0}, ChoiceHandler());
      ASSERT_TRUE(app.ok()) << app.status();
      application_ = *std::move(app);
    }
    const KcpText kcp{.header = "SRTP", .seed_file = "seed"};
    const std::string wire = far_host + ":4000";
    auto far =
        StartWith(KcpListener("wire", wire, kcp) + ForwardDirect("out", "wire", application_->address().ToString()),
                  {.netns = far_ns_->name()});
    ASSERT_TRUE(far.ok()) << far.status();
    far_ = *std::move(far);
    auto near =
        StartWith(TcpListener("in", "127.0.0.1:5000") + KcpDialer("far", wire, kcp) + ForwardToDialer("f", "in", "far"),
                  {.netns = near_ns_->name()});
    ASSERT_TRUE(near.ok()) << near.status();
    near_ = *std::move(near);
  }

  absl::Status Exchange(const ExchangeRequest& request) {
    auto visit = NetnsVisit::Enter(near_ns_->name());
    if (!visit.ok()) return visit.status();
    return RunExchange({.to = {IpAddress::LoopbackV4(), 5000}, .chooses = true, .limit = seconds(90)}, request);
  }

  std::unique_ptr<TcpServer> application_;
  std::unique_ptr<Daemon> far_, near_;
};

TEST_F(LossyLink, CarriesEightMebibytesEachWayNearTheRateOfTheLink) {
  Connect("10.77.0.2");
  if (HasFatalFailure() || IsSkipped()) return;
  for (const bool up : {true, false}) {
    const TimePoint start = MonotonicNow();
    ASSERT_EQ(Exchange({.up_bytes = up ? kBytes : 0, .down_bytes = up ? 0 : kBytes, .seed = 3}), absl::OkStatus())
        << near_->Log() << far_->Log();
    const double mbit = static_cast<double>(kBytes) * 8 / 1e6 / ToSeconds(MonotonicNow() - start);
    std::printf("  %s: %.1f Mbit/s of 50, connection set-up and slow start included\n", up ? "up" : "down", mbit);
    // A bound against collapse, not a benchmark: direct TCP with cubic makes about 1 here. tests/bench measures.
    EXPECT_GT(mbit, 10);
  }
  const std::string sessions = near_->GetJson("dialers");
  EXPECT_NE(sessions.find("retransmittedPackets"), std::string::npos)
      << "a lossy link without retransmission: " << sessions;
  ASSERT_TRUE(link_->Stop(SIGINT, seconds(5)));
  const std::string counts = link_->Stdout();
  EXPECT_NE(counts.find("\"malformed\":0"), std::string::npos) << counts;
}

TEST_F(LossyLink, Ipv6) {
  Connect("[fd77::2]");
  if (HasFatalFailure() || IsSkipped()) return;
  EXPECT_EQ(Exchange({.up_bytes = 1 << 20, .down_bytes = 1 << 20, .seed = 4}), absl::OkStatus())
      << near_->Log() << far_->Log();
}

TEST_F(LossyLink, TwentyConnectionsShareIt) {
  Connect("10.77.0.2");
  if (HasFatalFailure() || IsSkipped()) return;
  const absl::Status status = RunTogether(20, [&](int number) {
    return Exchange({.up_bytes = 100'000, .down_bytes = 100'000, .seed = static_cast<uint64_t>(number)});
  });
  EXPECT_EQ(status, absl::OkStatus()) << near_->Log() << far_->Log();
}

// The same without root: the emulator as a UDP relay, with everything a link can do to a datagram.
TEST(LossyRelay, NoByteIsWrongOverALinkThatDoesEverything) {
  for (const bool has_seed : {true, false}) {
    auto app = TcpServer::Start({IpAddress::LoopbackV4(), 0}, ChoiceHandler());
    ASSERT_TRUE(app.ok()) << app.status();
    KcpText kcp{.header = "UTP"};
    if (has_seed) kcp.seed_file = "seed";
    const std::string wire = absl::StrFormat("127.0.0.1:%u", FreePort());
    auto far = StartWith(KcpListener("wire", wire, kcp) + ForwardDirect("out", "wire", (*app)->address().ToString()));
    ASSERT_TRUE(far.ok()) << far.status();
    const std::string relay = absl::StrFormat("127.0.0.1:%u", FreePort());
    ProcessOptions link;
    link.arguments = {LinkemBinary(), "relay", "--listen",  relay, "--to",          wire,   "--rate",    "30mbit",
                      "--delay",      "20ms",  "--jitter",  "5ms", "--loss",        "2%",   "--reorder", "1%",
                      "--duplicate",  "1%",    "--corrupt", "1%",  "--burst-enter", "0.1%", "--seed",    "3"};
    auto emulator = Process::Start(link);
    ASSERT_TRUE(emulator.ok()) << emulator.status();
    ASSERT_TRUE(emulator->WaitForOutput("ready", seconds(10))) << emulator->Stderr();
    const SocketAddress entrance{IpAddress::LoopbackV4(), FreePort()};
    auto near = StartWith(TcpListener("in", entrance.ToString()) + KcpDialer("far", relay, kcp) +
                          ForwardToDialer("f", "in", "far"));
    ASSERT_TRUE(near.ok()) << near.status();
    const ExchangeRequest request{.up_bytes = 2 << 20, .down_bytes = 2 << 20, .seed = 5};
    EXPECT_EQ(RunExchange({.to = entrance, .chooses = true, .limit = seconds(60)}, request), absl::OkStatus())
        << (*near)->Log() << (*far)->Log();
    ASSERT_TRUE(emulator->Stop(SIGTERM, seconds(5)));
    for (const char* what : {"lost", "duplicated", "reordered", "corrupted"}) {
      EXPECT_GT(SumOf(emulator->Stdout().substr(emulator->Stdout().find('{')), what), 0u) << what;
    }
  }
}

}  // namespace
}  // namespace culvert::testing
