// Bytes through the tunnel of design.md: both ways, checked, over IPv4 and IPv6, many at once, and how streams end.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "absl/strings/str_format.h"
#include "tests/e2e/tunnel_pair.h"
#include "tests/testing/free_port.h"
#include "tests/testing/pattern.h"

namespace culvert::testing {
namespace {

using std::chrono::seconds;

constexpr uint64_t kMebibyte = 1 << 20;

#define START_TUNNEL(pair, ...)                      \
  auto pair##_or = TunnelPair::Start(__VA_ARGS__);   \
  ASSERT_TRUE(pair##_or.ok()) << pair##_or.status(); \
  TunnelPair& pair = **pair##_or

TEST(Transfer, EightMebibytesEachWay) {
  START_TUNNEL(pair);
  for (const Closer closer : {Closer::kClient, Closer::kServer}) {
    EXPECT_EQ(RunExchange(pair.client(), {.up_bytes = 8 * kMebibyte, .down_bytes = 8 * kMebibyte, .closer = closer}),
              absl::OkStatus())
        << pair.Logs();
  }
  EXPECT_TRUE(pair.application().WaitForActive(0, seconds(10))) << "the server was not told of the client's end";
}

TEST(Transfer, ManySizes) {
  START_TUNNEL(pair);
  EXPECT_EQ(RunEchoes(pair.client(), {1, 2, 100, 1163, 1164, 1165, 4096, 65'535, 1'000'000}, 1), absl::OkStatus());
}

TEST(Transfer, WithoutASeedAndWithEveryHeader) {
  for (const char* header : {"NONE", "SRTP", "UTP", "WECHAT_VIDEO", "DTLS", "WIREGUARD"}) {
    START_TUNNEL(pair, {.has_seed = false, .kcp = {.header = header}});
    EXPECT_EQ(RunExchange(pair.client(), {.up_bytes = 200'000, .down_bytes = 200'000}), absl::OkStatus()) << header;
  }
}

TEST(Transfer, XrayProfile) {
  START_TUNNEL(pair, {.has_seed = false, .kcp = {.more = "profile: XRAY"}});
  EXPECT_EQ(RunExchange(pair.client(), {.up_bytes = 200'000, .down_bytes = 200'000}), absl::OkStatus()) << pair.Logs();
}

TEST(Transfer, Ipv6) {
  START_TUNNEL(pair, {.host = "[::1]"});
  EXPECT_EQ(RunExchange(pair.client(), {.up_bytes = kMebibyte, .down_bytes = kMebibyte}), absl::OkStatus())
      << pair.Logs();
}

TEST(Transfer, DualStackListenersTakeBothFamilies) {
  auto app = TcpServer::Start({IpAddress::LoopbackV4(), 0}, ChoiceHandler());
  ASSERT_TRUE(app.ok());
  const uint16_t wire = FreePort(), entrance = FreePort();
  const KcpText kcp{.seed_file = "seed"};
  auto far = StartWith(KcpListener("wire", absl::StrFormat("[::]:%u", wire), kcp) +
                       ForwardDirect("out", "wire", (*app)->address().ToString()));
  ASSERT_TRUE(far.ok()) << far.status();
  for (const char* host : {"127.0.0.1", "[::1]"}) {
    auto near =
        StartWith(TcpListener("in", absl::StrFormat("[::]:%u", entrance)) +
                  KcpDialer("far", absl::StrFormat("%s:%u", host, wire), kcp) + ForwardToDialer("f", "in", "far"));
    ASSERT_TRUE(near.ok()) << near.status();
    for (const char* from : {"127.0.0.1", "[::1]"}) {
      const ClientOptions client{.to = *SocketAddress::Parse(absl::StrFormat("%s:%u", from, entrance)),
                                 .chooses = true};
      EXPECT_EQ(RunExchange(client, {.up_bytes = 100'000, .down_bytes = 100'000}), absl::OkStatus())
          << from << " by " << host;
    }
  }
}

TEST(Transfer, ATargetMayBeAName) {
  auto app = TcpServer::Start({IpAddress::LoopbackV4(), 0}, ChoiceHandler());
  ASSERT_TRUE(app.ok());
  const uint16_t wire = FreePort(), entrance = FreePort();
  const KcpText kcp{.seed_file = "seed"};
  auto daemon =
      StartWith(KcpListener("wire", absl::StrFormat("[::]:%u", wire), kcp) +
                ForwardDirect("out", "wire", absl::StrFormat("localhost:%u", (*app)->port())) +
                TcpListener("in", absl::StrFormat("127.0.0.1:%u", entrance)) +
                KcpDialer("far", absl::StrFormat("localhost:%u", wire), kcp) + ForwardToDialer("f", "in", "far"));
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  const ClientOptions client{.to = {IpAddress::LoopbackV4(), entrance}, .chooses = true};
  EXPECT_EQ(RunExchange(client, {.up_bytes = 100'000, .down_bytes = 100'000}), absl::OkStatus()) << (*daemon)->Log();
}

TEST(Transfer, TheServerMaySpeakFirst) {
  START_TUNNEL(pair, {.application = GreetingHandler("220 ready\r\n")});
  const TimePoint start = MonotonicNow();
  EXPECT_EQ(RunGreeted({.to = pair.entrance()}, "220 ready\r\n"), absl::OkStatus()) << pair.Logs();
  // v2ray takes five seconds for this; between two culvertds it is one round trip.
  EXPECT_LT(ToSeconds(MonotonicNow() - start), 2);
}

TEST(Transfer, FiftyConnectionsAtOnce) {
  START_TUNNEL(pair);
  const absl::Status status = RunTogether(50, [&](int number) {
    const auto seed = static_cast<uint64_t>(number);
    return RunExchange(pair.client(), {.up_bytes = 200'000, .down_bytes = 200'000, .seed = seed});
  });
  EXPECT_EQ(status, absl::OkStatus()) << pair.Logs();
  EXPECT_TRUE(pair.application().WaitForActive(0, seconds(10)));
}

TEST(Transfer, WhatWasSentBeforeTheClientsEndStillComesBack) {
  START_TUNNEL(pair, {.application = EchoHandler()});
  auto stream = TcpStream::Connect(pair.entrance());
  ASSERT_TRUE(stream.ok());
  std::vector<uint8_t> sent(100'000);
  FillPattern(1, 0, sent);
  ASSERT_TRUE(stream->Write(sent).ok());
  stream->FinishWriting();
  // mKCP has no half-close: the other direction is kept as long as it is not silent for half_close_linger.
  std::vector<uint8_t> back(sent.size());
  ASSERT_EQ(stream->ReadExactly(back), absl::OkStatus()) << pair.Logs();
  EXPECT_EQ(back, sent);
  const auto rest = stream->ReadToEnd();
  ASSERT_TRUE(rest.ok()) << rest.status();
  EXPECT_EQ(*rest, 0u);
  EXPECT_TRUE(pair.application().WaitForActive(0, seconds(10)));
}

TEST(Transfer, TcpForwardsHalfClose) {
  auto app = TcpServer::Start({IpAddress::LoopbackV4(), 0}, [](TcpStream& stream) {
    const auto heard = stream.ReadToEnd();  // returns at the client's FIN
    if (heard.ok()) (void)stream.Write(absl::StrFormat("heard %u", *heard));
  });
  ASSERT_TRUE(app.ok());
  const uint16_t entrance = FreePort();
  auto daemon = StartWith(TcpListener("in", absl::StrFormat("127.0.0.1:%u", entrance)) +
                          ForwardDirect("f", "in", (*app)->address().ToString()));
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  auto stream = TcpStream::Connect({IpAddress::LoopbackV4(), entrance});
  ASSERT_TRUE(stream.ok());
  ASSERT_TRUE(stream->Write("12345").ok());
  stream->FinishWriting();
  const auto answer = stream->ReadText(7);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(*answer, "heard 5");
}

TEST(Transfer, ASlowReaderSlowsTheSenderAndCostsBoundedMemory) {
  std::mutex mutex;
  std::condition_variable changed;
  bool may_read = false;
  constexpr uint64_t kTotal = 192 * kMebibyte;
  START_TUNNEL(pair, {.application = [&](TcpStream& stream) {
                 std::unique_lock lock(mutex);
                 changed.wait(lock, [&] { return may_read; });
                 lock.unlock();
                 stream.SetLimit(std::chrono::minutes(2));
                 if (stream.Transfer(0, 0, kTotal, 9).ok()) (void)stream.Write("K");
               }});
  const uint64_t idle =
      std::max(UsageOf(pair.near().process().pid()).resident_bytes, UsageOf(pair.far().process().pid()).resident_bytes);
  auto stream = TcpStream::Connect(pair.entrance());
  ASSERT_TRUE(stream.ok());
  // Writes until nothing moves for two seconds.
  std::vector<uint8_t> chunk(64 * 1024);
  uint64_t sent = 0;
  size_t offset = 0;
  FillPattern(9, 0, chunk);
  while (sent < kTotal) {
    pollfd fd{stream->fd(), POLLOUT, 0};
    if (poll(&fd, 1, 2000) == 0) break;
    const ssize_t size = send(stream->fd(), &chunk[offset], chunk.size() - offset, MSG_NOSIGNAL | MSG_DONTWAIT);
    ASSERT_GT(size, 0);
    sent += static_cast<uint64_t>(size);
    offset += static_cast<size_t>(size);
    if (offset == chunk.size()) {
      offset = 0;
      FillPattern(9, sent, chunk);
    }
  }
  EXPECT_LT(sent, kTotal) << "nothing held the sender back";
  for (Daemon* daemon : {&pair.near(), &pair.far()}) {
    const uint64_t now = UsageOf(daemon->process().pid()).resident_bytes;
    EXPECT_LT(now, idle + 96 * kMebibyte)
        << "resident " << now / kMebibyte << " MiB after " << sent / kMebibyte << " MiB";
  }
  {
    const std::lock_guard lock(mutex);
    may_read = true;
  }
  changed.notify_all();
  stream->SetLimit(std::chrono::minutes(2));
  ASSERT_EQ(stream->Write(ByteView(chunk).subspan(offset)), absl::OkStatus());
  for (sent += chunk.size() - offset; sent < kTotal; sent += chunk.size()) {
    FillPattern(9, sent, chunk);
    ASSERT_EQ(stream->Write(chunk), absl::OkStatus()) << "after " << sent;
  }
  const auto confirmation = stream->ReadText(1);
  ASSERT_TRUE(confirmation.ok()) << confirmation.status() << pair.Logs();
  EXPECT_EQ(*confirmation, "K");
}

TEST(Transfer, ADestinationThatRefusesEndsTheClient) {
  const uint16_t nobody = FreePort();
  const uint16_t wire = FreePort(), entrance = FreePort();
  const KcpText kcp{.seed_file = "seed"};
  auto daemon =
      StartWith(KcpListener("wire", absl::StrFormat("127.0.0.1:%u", wire), kcp) +
                ForwardDirect("out", "wire", absl::StrFormat("127.0.0.1:%u", nobody)) +
                TcpListener("in", absl::StrFormat("127.0.0.1:%u", entrance)) +
                KcpDialer("far", absl::StrFormat("127.0.0.1:%u", wire), kcp) + ForwardToDialer("f", "in", "far"));
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  // The refusal crosses the tunnel and comes back as a reset, sometimes before connecting has returned.
  auto stream = TcpStream::Connect({IpAddress::LoopbackV4(), entrance});
  if (!stream.ok()) return;
  if (!stream->Write("hello").ok()) return;
  stream->SetLimit(seconds(10));
  EXPECT_TRUE(absl::IsAborted(stream->ReadToEnd().status())) << "a refusal looked like an empty answer";
}

}  // namespace
}  // namespace culvert::testing
