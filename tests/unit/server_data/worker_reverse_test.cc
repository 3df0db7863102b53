// Reverse forwards through real workers: the private side dials, the public side's streams come back over its sessions.
#include <optional>
#include <string>

#include "tests/testing/udp_peer.h"
#include "tests/unit/server_data/worker_fixture.h"

namespace culvert::server {
namespace {

using culvert::testing::UdpPeer;
using std::chrono::milliseconds;
using std::chrono::seconds;

class WorkerReverse : public WorkerFixture, public ::testing::WithParamInterface<bool> {
 protected:
  // Listener "public" ← reverse "web" ← listener "tunnel" ← dialer "far" with the forward "private" to `backend`. Both sides in
  // one process.
  SocketAddress Build(const SocketAddress& backend, bool is_udp = false) {
    const SocketAddress in = is_udp ? AddUdpListener("public") : AddTcpListener("public");
    AddForward("web", "public", "");
    Forward("web").reverse = "web";
    AddAddressedPair(GetParam(), {local_, 9});
    Remove("out");  // the listener needs no forward of its own
    AddForward("private", "", "far");
    Forward("private").reverse = "web";
    Forward("private").destination = {backend.ip.ToString(), backend.port};
    return in;
  }
  bool IsOffered(uint64_t least = 1) {
    return Eventually([&] { return ForwardCounters("web").reverse_parked >= least; });
  }
};

TEST_P(WorkerReverse, StreamsComeBackOverTheSession) {
  StartWorkers(2);
  auto server = Server::Start({local_, 0}, Echo);
  ASSERT_TRUE(server.ok());
  const SocketAddress in = Build((*server)->address());
  Apply();
  ASSERT_TRUE(IsOffered(4));
  for (int i = 0; i < 20; ++i) {
    auto stream = Stream::Connect(in);
    ASSERT_TRUE(stream.ok());
    ASSERT_TRUE(stream->Transfer(50'000, 3, 50'000, 3).ok()) << i;
  }
  EXPECT_EQ((*server)->accepted(), 20u);
  EXPECT_EQ(ForwardCounters("web").opened, 20u);
  EXPECT_EQ(ForwardCounters("private").opened, 20u);
}

TEST_P(WorkerReverse, AListenerWithoutForwardTakesOffersOnly) {
  StartWorkers(1);
  auto server = Server::Start({local_, 0}, Echo);
  ASSERT_TRUE(server.ok());
  const SocketAddress in = Build((*server)->address());
  const SocketAddress other = AddTcpListener("other");
  AddForward("near", "other", "far");
  Apply();
  ASSERT_TRUE(IsOffered());
  auto refused = Stream::Connect(other);
  EXPECT_TRUE(EndsWithoutData(refused));
  EXPECT_TRUE(Eventually([&] { return ForwardCounters("near").refused[static_cast<size_t>(Refusal::kNoForward)] == 1; }));
  EXPECT_EQ((*server)->accepted(), 0u) << "not to who offered";
  auto stream = Stream::Connect(in);
  ASSERT_TRUE(stream.ok());
  EXPECT_TRUE(stream->Transfer(100, 3, 100, 3).ok());
}

TEST_P(WorkerReverse, NobodyOffers) {
  StartWorkers(2);
  const SocketAddress in = AddTcpListener("public");
  AddForward("web", "public", "");
  Forward("web").reverse = "web";
  Apply();
  auto stream = Stream::Connect(in);
  EXPECT_TRUE(EndsWithoutData(stream));
  EXPECT_TRUE(Eventually([&] { return ForwardCounters("web").refused[static_cast<size_t>(Refusal::kNoForward)] == 1; }));
}

TEST_P(WorkerReverse, AStreamWaitsForAnOffer) {
  StartWorkers(2);
  auto server = Server::Start({local_, 0}, Echo);
  ASSERT_TRUE(server.ok());
  const SocketAddress in = Build((*server)->address());
  Forward("web").reverse_wait = seconds(10);
  Forward("private").paused = true;
  Apply();
  auto stream = Stream::Connect(in);
  ASSERT_TRUE(stream.ok());
  ASSERT_TRUE(stream->Write("hello").ok());
  Forward("private").paused = false;
  Apply();
  const auto back = stream->ReadText(5);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, "hello");
}

TEST_P(WorkerReverse, TheBackendsRefusalReachesThePublicSide) {
  StartWorkers(1);
  uint16_t closed_port = 0;
  {
    auto server = Server::Start({local_, 0}, Echo);
    ASSERT_TRUE(server.ok());
    closed_port = (*server)->port();
  }
  const SocketAddress in = Build({local_, closed_port});
  Apply();
  ASSERT_TRUE(IsOffered());
  auto stream = Stream::Connect(in);
  EXPECT_TRUE(EndsWithoutData(stream));
  EXPECT_TRUE(Eventually([&] { return ForwardCounters("web").refused[static_cast<size_t>(Refusal::kConnectRefused)] == 1; }));
}

TEST_P(WorkerReverse, ANameNobodyWantsIsRefusedAndTold) {
  StartWorkers(1);
  const SocketAddress in = Build({local_, 9});
  static_cast<void>(in);
  Forward("web").reverse_listener = "another";
  Apply();
  EXPECT_TRUE(Eventually([&] {
    for (const WorkerEvent& event : Events()) {
      if (event.reason == "OfferFailed" && event.subject == "forward/private") return true;
    }
    return false;
  }));
  EXPECT_EQ(ForwardCounters("web").reverse_parked, 0u);
}

TEST_P(WorkerReverse, OffersGoWithTheirDialerAndComeBackWithIt) {
  StartWorkers(2);
  auto server = Server::Start({local_, 0}, Echo);
  ASSERT_TRUE(server.ok());
  const SocketAddress in = Build((*server)->address());
  Apply();
  ASSERT_TRUE(IsOffered());
  ++Dialer("far").id.incarnation;  // another one under the same name: the sessions end
  Apply();
  ASSERT_TRUE(IsOffered());
  EXPECT_TRUE(Eventually([&] {
    auto stream = Stream::Connect(in);
    return stream.ok() && stream->Transfer(1000, 3, 1000, 3).ok();
  }));
  Remove("private");
  Apply();
  EXPECT_TRUE(Eventually([&] { return ForwardCounters("web").reverse_parked == 0; }));
}

// Whatever carries a stream that came back may go while the stream is in use.
TEST_P(WorkerReverse, AStreamInUseEndsWithWhatCarriesIt) {
  StartWorkers(2);
  auto server = Server::Start({local_, 0}, Echo);
  ASSERT_TRUE(server.ok());
  const SocketAddress in = Build((*server)->address());
  // The listener last: another of its name has no socket here.
  for (const char* goes : {"far", "web", "private", "tunnel"}) {
    SCOPED_TRACE(goes);
    Apply();
    ASSERT_TRUE(IsOffered());
    std::optional<Stream> stream;
    ASSERT_TRUE(Eventually([&] {
      auto opened = Stream::Connect(in);
      if (!opened.ok() || !opened->Transfer(1000, 3, 1000, 3).ok()) return false;
      stream = *std::move(opened);
      return true;
    }));
    if (std::string(goes) == "far") {
      ++Dialer("far").id.incarnation;
    } else if (std::string(goes) == "tunnel") {
      ++Listener("tunnel").id.incarnation;
    } else {
      ++Forward(goes).id.incarnation;
    }
    Apply();
    EXPECT_FALSE(stream->ReadText(1).ok()) << "it is cut";
    EXPECT_TRUE(Eventually([&] { return Streams().empty(); }));
  }
}

TEST_P(WorkerReverse, OffersFollowAChangedForward) {
  StartWorkers(2);
  auto one = Server::Start({local_, 0}, Echo);
  auto other = Server::Start({local_, 0}, Echo);
  ASSERT_TRUE(one.ok() && other.ok());
  const SocketAddress in = Build((*one)->address());
  Apply();
  ASSERT_TRUE(IsOffered());
  Forward("private").destination.port = (*other)->port();
  Apply();
  for (int i = 0; i < 10; ++i) {
    auto stream = Stream::Connect(in);
    ASSERT_TRUE(stream.ok());
    ASSERT_TRUE(stream->Transfer(100, 3, 100, 3).ok());
  }
  EXPECT_EQ((*one)->accepted(), 0u);
  EXPECT_EQ((*other)->accepted(), 10u);
}

TEST_P(WorkerReverse, SeveralPrivateSidesShareWhatComes) {
  StartWorkers(1);
  auto one = Server::Start({local_, 0}, Echo);
  auto other = Server::Start({local_, 0}, Echo);
  ASSERT_TRUE(one.ok() && other.ok());
  const SocketAddress in = Build((*one)->address());
  // Another private side, with a dialer of its own.
  if (GetParam()) {
    AddQuicDialer("far2", Listener("tunnel").bind);
  } else {
    AddKcpDialer("far2", Listener("tunnel").bind);
  }
  Dialer("far2").is_addressed = true;
  AddForward("private2", "", "far2");
  Forward("private2").reverse = "web";
  Forward("private2").destination = {"127.0.0.1", (*other)->port()};
  Apply();
  ASSERT_TRUE(IsOffered(8));
  for (int i = 0; i < 20; ++i) {
    auto stream = Stream::Connect(in);
    ASSERT_TRUE(stream.ok());
    ASSERT_TRUE(stream->Transfer(1000, 3, 1000, 3).ok()) << i;
  }
  EXPECT_GE((*one)->accepted(), 4u);
  EXPECT_GE((*other)->accepted(), 4u);
}

TEST_P(WorkerReverse, Datagrams) {
  StartWorkers(2);
  UdpPeer backend;
  const SocketAddress in = Build(backend.address(), /*is_udp=*/true);
  Apply();
  ASSERT_TRUE(IsOffered());
  for (int i = 0; i < 6; ++i) {
    UdpPeer client;
    std::optional<UdpPeer::Received> received;
    // Offers are taken one by one; a datagram that found none is lost, as datagrams may be.
    for (int attempt = 0; attempt < 50 && !received; ++attempt) {
      ASSERT_TRUE(client.SendTo(in, std::vector<uint8_t>(100, static_cast<uint8_t>(i))));
      received = backend.Receive(milliseconds(200));
    }
    ASSERT_TRUE(received) << i;
    ASSERT_TRUE(backend.SendTo({local_, received->from.port}, std::vector<uint8_t>(7, 9)));
    const auto back = client.Receive();
    ASSERT_TRUE(back) << i;
    EXPECT_EQ(back->bytes.size(), 7u);
    while (backend.Receive(milliseconds(1))) {
    }
  }
}

INSTANTIATE_TEST_SUITE_P(KcpAndQuic, WorkerReverse, ::testing::Bool());

}  // namespace
}  // namespace culvert::server
