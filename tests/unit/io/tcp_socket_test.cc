#include "core/io/tcp_socket.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "core/io/socket_status.h"

namespace culvert::io {
namespace {

using Status = TransferResult::Status;

bool WaitFor(int fd, short events) {
  pollfd poller{.fd = fd, .events = events, .revents = 0};
  return poll(&poller, 1, 5000) == 1;
}

TcpListenSocket Listen() { return *TcpListenSocket::Bind({.bind = {IpAddress::LoopbackV4(), 0}}); }

struct Pair {
  TcpListenSocket listener = Listen();
  TcpSocket client;
  TcpSocket server;
  SocketAddress peer;

  Pair() {
    client = *TcpSocket::Connect(listener.local_address(), {}, {});
    EXPECT_TRUE(WaitFor(client.fd(), POLLOUT));
    EXPECT_TRUE(client.FinishConnect().ok());
    EXPECT_TRUE(WaitFor(listener.fd(), POLLIN));
    EXPECT_EQ(listener.Accept(server, peer), TcpListenSocket::AcceptResult::kAccepted);
  }
};

TransferResult WriteText(TcpSocket& socket, std::string_view text) {
  const ByteView view = AsBytes(text);
  return socket.Write({&view, 1});
}

TEST(TcpSocket, ConnectsAndCarriesViewsInOrder) {
  Pair pair;
  EXPECT_EQ(pair.peer, pair.client.local_address());
  EXPECT_EQ(pair.server.peer_address(), pair.client.local_address());
  const std::vector<ByteView> views = {AsBytes("one "), AsBytes("two "), AsBytes("three")};
  const TransferResult written = pair.client.Write(views);
  EXPECT_EQ(written.status, Status::kDone);
  EXPECT_EQ(written.bytes, 13u);
  ASSERT_TRUE(WaitFor(pair.server.fd(), POLLIN));
  std::vector<uint8_t> buffer(100);
  const TransferResult read = pair.server.Read(buffer);
  EXPECT_EQ(AsText(ByteView(buffer).first(read.bytes)), "one two three");
  EXPECT_EQ(pair.server.Read(buffer).status, Status::kWouldBlock);
}

TEST(TcpSocket, HalfCloseLeavesTheOtherDirectionOpen) {
  Pair pair;
  pair.client.ShutdownWrite();
  ASSERT_TRUE(WaitFor(pair.server.fd(), POLLIN));
  std::vector<uint8_t> buffer(100);
  EXPECT_EQ(pair.server.Read(buffer).status, Status::kEnd);
  EXPECT_EQ(WriteText(pair.server, "still").status, Status::kDone);
  ASSERT_TRUE(WaitFor(pair.client.fd(), POLLIN));
  EXPECT_EQ(pair.client.Read(buffer).bytes, 5u);
}

TEST(TcpSocket, ResetIsAnErrorForThePeer) {
  Pair pair;
  pair.client.Reset();
  EXPECT_FALSE(pair.client.is_open());
  ASSERT_TRUE(WaitFor(pair.server.fd(), POLLIN));
  std::vector<uint8_t> buffer(100);
  const TransferResult read = pair.server.Read(buffer);
  EXPECT_EQ(read.status, Status::kFailed);
  EXPECT_EQ(read.error_number, ECONNRESET);
}

TEST(TcpSocket, WritingFillsUpInsteadOfBlocking) {
  Pair pair;
  const std::string chunk(1 << 20, 'x');
  TransferResult result;
  for (int i = 0; i < 1000 && result.status != Status::kWouldBlock; ++i) {
    result = WriteText(pair.client, chunk);
    if (i == 0) {
      EXPECT_EQ(result.status, Status::kDone);
    }
  }
  EXPECT_EQ(result.status, Status::kWouldBlock);
}

TEST(TcpSocket, WritingToAClosedPeerFailsWithoutASignal) {
  Pair pair;
  pair.server.Reset();
  ASSERT_TRUE(WaitFor(pair.client.fd(), POLLHUP));
  static_cast<void>(WriteText(pair.client, "x"));  // may report the reset
  EXPECT_EQ(WriteText(pair.client, "x").status, Status::kFailed);
}

TEST(TcpSocket, RefusalHasAReason) {
  TcpListenSocket listener = Listen();
  const SocketAddress nobody = listener.local_address();
  listener.Close();
  auto socket = TcpSocket::Connect(nobody, {}, {});
  absl::Status status = socket.status();
  if (socket.ok()) {
    ASSERT_TRUE(WaitFor(socket->fd(), POLLOUT));
    status = socket->FinishConnect();
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(status), "CONNECT_REFUSED");
  EXPECT_EQ(std::string(status.message()), "connect " + nobody.ToString() + ": connection refused");
}

TEST(TcpSocket, ConnectsFromTheGivenAddress) {
  TcpListenSocket listener = Listen();
  auto client = TcpSocket::Connect(listener.local_address(), IpAddress::V4({127, 0, 0, 77}), {});
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ(client->local_address().ip.ToString(), "127.0.0.77");
  EXPECT_EQ(ReasonOf(TcpSocket::Connect(listener.local_address(), IpAddress::AnyV6(), {}).status()),
            "ADDRESS_NOT_AVAILABLE");
}

TEST(TcpSocket, StreamsAreSetUpForSmallWritesAndSilentPeers) {
  Pair pair;
  for (const int fd : {pair.client.fd(), pair.server.fd()}) {
    EXPECT_EQ(GetOption(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */), 1);
    EXPECT_EQ(GetOption(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
  }
  const auto path = pair.client.PathInfo();
  ASSERT_TRUE(path);
  EXPECT_EQ(path->state, "ESTABLISHED");
  EXPECT_GT(path->smoothed_rtt, Duration::zero());
}

TEST(TcpListenSocket, APortInUseIsAnErrorEvenForAGroup) {
  auto group = TcpListenSocket::BindGroup({.bind = {IpAddress::LoopbackV4(), 0}}, 2);
  ASSERT_TRUE(group.ok()) << group.status();
  EXPECT_EQ((*group)[0].local_address(), (*group)[1].local_address());
  for (const size_t count : {1, 2}) {
    const auto second = TcpListenSocket::BindGroup({.bind = (*group)[0].local_address()}, count);
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(ReasonOf(second.status()), "ADDRESS_IN_USE");
  }
}

TEST(TcpListenSocket, AGroupSpreadsConnections) {
  auto group = TcpListenSocket::BindGroup({.bind = {IpAddress::LoopbackV4(), 0}}, 2);
  ASSERT_TRUE(group.ok()) << group.status();
  std::vector<TcpSocket> clients;
  for (int i = 0; i < 64; ++i) {
    clients.push_back(*TcpSocket::Connect(group->front().local_address(), {}, {}));
    ASSERT_TRUE(WaitFor(clients.back().fd(), POLLOUT));
  }
  for (TcpListenSocket& member : *group) {
    TcpSocket accepted;
    SocketAddress peer;
    EXPECT_EQ(member.Accept(accepted, peer), TcpListenSocket::AcceptResult::kAccepted);
  }
}

TEST(TcpListenSocket, APortIsFreeAgainRightAfterClose) {
  uint16_t port = 0;
  {
    Pair pair;  // its connections go to TIME_WAIT
    port = pair.listener.local_address().port;
  }
  EXPECT_TRUE(TcpListenSocket::Bind({.bind = {IpAddress::LoopbackV4(), port}}).ok());
}

TEST(TcpListenSocket, RunningOutOfDescriptorsIsItsOwnResult) {
  TcpListenSocket listener = Listen();
  TcpSocket client = *TcpSocket::Connect(listener.local_address(), {}, {});
  ASSERT_TRUE(WaitFor(listener.fd(), POLLIN));
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  rlimit none = limit;
  none.rlim_cur = 0;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  TcpSocket accepted;
  SocketAddress peer;
  const auto refused = listener.Accept(accepted, peer);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(refused, TcpListenSocket::AcceptResult::kOutOfResources);
  EXPECT_EQ(listener.Accept(accepted, peer), TcpListenSocket::AcceptResult::kAccepted);
  EXPECT_EQ(listener.Accept(accepted, peer), TcpListenSocket::AcceptResult::kNone);
}

}  // namespace
}  // namespace culvert::io
