// A service behind a NAT: its daemon dials a public one and offers a name; clients of the public one come to it. Daemons that go and come.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "tests/e2e/tunnel_pair.h"
#include "tests/testing/free_port.h"
#include "tests/testing/tcp_app.h"
#include "tests/testing/tcp_server.h"
#include "tests/testing/udp_peer.h"

namespace culvert::testing {
namespace {

using std::chrono::seconds;

class Reverse : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    wire_ = FreePort();
    entrance_ = {IpAddress::LoopbackV4(), FreePort()};
    udp_entrance_ = {IpAddress::LoopbackV4(), FreePort()};
    public_manifest_ = absl::StrFormat(
        "apiVersion: culvert/v1\nkind: Listener\nmetadata: {name: wire}\nspec: {transport: %s, bind: \"127.0.0.1:%d\", stream_header: CULVERT%s}\n"
        "---\napiVersion: culvert/v1\nkind: Listener\nmetadata: {name: web}\nspec: {transport: TCP, bind: \"%s\"}\n"
        "---\napiVersion: culvert/v1\nkind: Forward\nmetadata: {name: web}\n"
        "spec: {listener: web, reverse: web, reverse_listener: wire, reverse_wait: 10s}\n"
        "---\napiVersion: culvert/v1\nkind: Listener\nmetadata: {name: dns}\nspec: {transport: UDP, bind: \"%s\"}\n"
        "---\napiVersion: culvert/v1\nkind: Forward\nmetadata: {name: dns}\n"
        "spec: {listener: dns, reverse: dns, reverse_listener: wire, reverse_wait: 10s}\n",
        GetParam(), wire_, Kcp(), entrance_.ToString(), udp_entrance_.ToString());
    StartPublic();
  }
  void StartPublic() {
    // With the keys of before, a restarted one tells old sessions at once that they are gone.
    auto started = StartWith(public_manifest_, {.state_dir = state_.path()});
    ASSERT_TRUE(started.ok()) << started.status();
    public_ = *std::move(started);
  }
  static std::string Kcp() { return std::string(GetParam()) == "KCP" ? ", kcp: {seed_file: seed}" : ""; }
  std::unique_ptr<Daemon> StartPrivate(const SocketAddress& backend, const SocketAddress& udp_backend = {IpAddress::LoopbackV4(), 9}) {
    auto started = StartWith(absl::StrFormat(
        "apiVersion: culvert/v1\nkind: Dialer\nmetadata: {name: gateway}\n"
        "spec: {transport: %s, targets: [\"127.0.0.1:%d\"], stream_header: CULVERT%s%s}\n"
        "---\napiVersion: culvert/v1\nkind: Forward\nmetadata: {name: web}\nspec: {dialer: gateway, reverse: web, destination: \"%s\"}\n"
        "---\napiVersion: culvert/v1\nkind: Forward\nmetadata: {name: dns}\nspec: {dialer: gateway, reverse: dns, destination: \"%s\"}\n",
        GetParam(), wire_, Kcp(), std::string(GetParam()) == "QUIC" ? ", insecure: true" : "", backend.ToString(), udp_backend.ToString()));
    EXPECT_TRUE(started.ok()) << started.status();
    return started.ok() ? *std::move(started) : nullptr;
  }
  bool Transfers() const {
    const absl::StatusOr<TcpStream> stream = TcpStream::Connect(entrance_);
    if (!stream.ok()) return false;
    auto& moving = const_cast<TcpStream&>(*stream);
    return moving.Write("hello").ok() && moving.ReadText(5).value_or("") == "hello";
  }
  static void Echo(TcpStream& stream) {
    std::vector<uint8_t> bytes(4096);
    for (auto got = stream.Read(bytes); got.ok() && *got > 0; got = stream.Read(bytes)) {
      if (!stream.Write(ByteView(bytes).first(*got)).ok()) return;
    }
  }

  TempDir state_;
  uint16_t wire_ = 0;
  SocketAddress entrance_, udp_entrance_;
  std::string public_manifest_;
  std::unique_ptr<Daemon> public_;
};

TEST_P(Reverse, WhatWaitsIsServedOnceSomebodyOffers) {
  auto server = TcpServer::Start({IpAddress::LoopbackV4(), 0}, Echo);
  ASSERT_TRUE(server.ok());
  auto early = TcpStream::Connect(entrance_);
  ASSERT_TRUE(early.ok());
  ASSERT_TRUE(early->Write("before").ok());
  const auto private_side = StartPrivate((*server)->address());
  const auto text = early->ReadText(6);
  ASSERT_TRUE(text.ok()) << public_->Log();
  EXPECT_EQ(*text, "before");
  EXPECT_TRUE(Transfers());
  const auto status = nlohmann::json::parse(public_->GetJson("forward/web"))["status"];
  EXPECT_GE(status["reverseParked"].get<int>(), 1);
}

TEST_P(Reverse, ALostPrivateSideEndsItsStreamsAndComesBack) {
  auto server = TcpServer::Start({IpAddress::LoopbackV4(), 0}, Echo);
  ASSERT_TRUE(server.ok());
  auto private_side = StartPrivate((*server)->address());
  ASSERT_TRUE(Eventually([&] { return Transfers(); }));
  auto held = TcpStream::Connect(entrance_);
  ASSERT_TRUE(held.ok());
  ASSERT_TRUE(held->Write("x").ok());
  ASSERT_TRUE(held->ReadText(1).ok());
  ASSERT_TRUE(private_side->Stop());
  EXPECT_FALSE(held->ReadText(1).ok()) << "its stream ends with it";
  private_side = StartPrivate((*server)->address());
  EXPECT_TRUE(Eventually([&] { return Transfers(); })) << public_->Log() << private_side->Log();
}

TEST_P(Reverse, ARestartedPublicSideIsOfferedTheNameAgain) {
  auto server = TcpServer::Start({IpAddress::LoopbackV4(), 0}, Echo);
  ASSERT_TRUE(server.ok());
  const auto private_side = StartPrivate((*server)->address());
  ASSERT_TRUE(Eventually([&] { return Transfers(); }));
  public_->process().Signal(SIGKILL);
  ASSERT_TRUE(public_->process().Wait(seconds(5)));
  public_.reset();
  StartPublic();
  EXPECT_TRUE(Eventually([&] { return Transfers(); })) << public_->Log() << private_side->Log();
}

TEST_P(Reverse, SeveralPrivateSidesShareWhatComes) {
  auto one = TcpServer::Start({IpAddress::LoopbackV4(), 0}, Echo);
  auto other = TcpServer::Start({IpAddress::LoopbackV4(), 0}, Echo);
  ASSERT_TRUE(one.ok() && other.ok());
  const auto first = StartPrivate((*one)->address());
  const auto second = StartPrivate((*other)->address());
  EXPECT_TRUE(Eventually([&] {
    static_cast<void>(Transfers());
    return (*one)->accepted() >= 5 && (*other)->accepted() >= 5;
  })) << (*one)->accepted() << " and " << (*other)->accepted();
}

TEST_P(Reverse, DatagramsAsWell) {
  UdpPeer server;
  const auto private_side = StartPrivate({IpAddress::LoopbackV4(), 9}, server.address());
  UdpPeer client;
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(client.SendTo(udp_entrance_, AsBytes("question")));
    const auto asked = server.Receive(seconds(10));
    ASSERT_TRUE(asked) << public_->Log() << private_side->Log();
    ASSERT_TRUE(server.SendTo(asked->from, AsBytes("answer")));
    const auto answer = client.Receive();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->from, udp_entrance_);
    EXPECT_EQ(AsText(answer->bytes), "answer");
  }
}

// Everybody who reaches the port may offer what is not theirs, unless the forward says whose offers count.
TEST_P(Reverse, AnOfferOfAnotherNameIsRefusedAndSaysSo) {
  const auto private_side = StartPrivate({IpAddress::LoopbackV4(), 9});
  ASSERT_EQ(public_->Ctl({"delete", "forward/web", "--yes"}).exit_code, 0);
  EXPECT_TRUE(Eventually([&] {
    const RunResult events = private_side->Ctl({"events", "--types", "Warning"});
    return events.out.find("OfferFailed") != std::string::npos && events.out.find("NO_FORWARD") != std::string::npos;
  })) << private_side->Ctl({"events"}).out;
}

INSTANTIATE_TEST_SUITE_P(Transports, Reverse, ::testing::Values("KCP", "QUIC"));

}  // namespace
}  // namespace culvert::testing
