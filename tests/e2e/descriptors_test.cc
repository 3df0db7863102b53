// A daemon that runs out of descriptors (reliability: F15): it neither ends nor spins, what is there goes on, and what is free again is used.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <filesystem>

#include "absl/strings/str_format.h"
#include "tests/e2e/tunnel_pair.h"
#include "tests/testing/free_port.h"
#include "tests/testing/tcp_app.h"
#include "tests/testing/udp_peer.h"

namespace culvert::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

uint64_t OpenFiles(pid_t pid) {
  uint64_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(absl::StrFormat("/proc/%d/fd", pid))) count += entry.path().empty() ? 0 : 1;
  return count;
}

bool Echoes(TcpStream& stream) { return stream.Write("ping").ok() && stream.ReadText(4).value_or("") == "ping"; }

TEST(Descriptors, NoneLeft) {
  auto server = TcpServer::Start({IpAddress::LoopbackV4(), 0}, EchoHandler());
  ASSERT_TRUE(server.ok());
  UdpPeer udp_server;
  const SocketAddress in{IpAddress::LoopbackV4(), FreePort()}, udp_in{IpAddress::LoopbackV4(), FreePort()};
  auto started = StartWith(
      TcpListener("in", in.ToString()) + ForwardDirect("out", "in", (*server)->address().ToString()) +
      absl::StrFormat("---\napiVersion: culvert/v1\nkind: Listener\nmetadata: {name: udp}\nspec: {transport: UDP, bind: \"%s\"}\n"
                      "---\napiVersion: culvert/v1\nkind: Forward\nmetadata: {name: udp}\nspec: {listener: udp, destination: \"%s\"}\n",
                      udp_in.ToString(), udp_server.address().ToString()));
  ASSERT_TRUE(started.ok()) << started.status();
  Daemon& daemon = **started;
  auto stream = TcpStream::Connect(in);
  ASSERT_TRUE(stream.ok() && Echoes(*stream));
  UdpPeer client;
  const auto ask = [&](UdpPeer& from) {
    if (!from.SendTo(udp_in, AsBytes("ask"))) return false;
    const auto asked = udp_server.Receive(seconds(5));
    if (!asked || !udp_server.SendTo(asked->from, AsBytes("answer"))) return false;
    return from.Receive(seconds(5)).has_value();
  };
  ASSERT_TRUE(ask(client));

  const pid_t pid = daemon.process().pid();
  const rlim_t limit = OpenFiles(pid) + 10;
  rlimit tight{};
  ASSERT_EQ(prlimit(pid, RLIMIT_NOFILE, nullptr, &tight), 0);
  tight.rlim_cur = limit;
  ASSERT_EQ(prlimit(pid, RLIMIT_NOFILE, &tight, nullptr), 0);
  std::vector<TcpStream> crowd;
  std::vector<std::unique_ptr<UdpPeer>> udp_crowd;
  for (int i = 0; i < 60; ++i) {
    if (auto another = TcpStream::Connect(in); another.ok()) crowd.push_back(*std::move(another));
    udp_crowd.push_back(std::make_unique<UdpPeer>());
    ASSERT_TRUE(udp_crowd.back()->SendTo(udp_in, AsBytes("x")));
  }
  // Two seconds in want: with connections that it cannot take in front of it.
  const ProcessUsage before = UsageOf(pid);
  const TimePoint until = MonotonicNow() + seconds(2);
  int echoes = 0;
  while (MonotonicNow() < until) {
    ASSERT_TRUE(daemon.process().IsRunning()) << daemon.Log();
    ASSERT_TRUE(Echoes(*stream)) << "what is there goes on";
    ++echoes;
    while (udp_server.Receive(milliseconds(40))) {
    }
  }
  ASSERT_TRUE(ask(client)) << "and the flow that is there";
  const Duration spent = UsageOf(pid).cpu_time - before.cpu_time;
  std::printf("  %d echoes in 2 s without descriptors, %.0f ms of CPU time\n", echoes, std::chrono::duration<double, std::milli>(spent).count());
  EXPECT_LT(spent, milliseconds(1000)) << "it spins";
  // The limit is on numbers: a few that were there before it may have greater ones.
  EXPECT_LE(OpenFiles(pid), limit + 4);

  crowd.clear();
  EXPECT_TRUE(Eventually([&] {
    auto another = TcpStream::Connect(in);
    return another.ok() && Echoes(*another);
  })) << daemon.Log();
  EXPECT_TRUE(Echoes(*stream));
}

}  // namespace
}  // namespace culvert::testing
