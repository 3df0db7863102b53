// ECN marks through real sockets: what the sink was told is what the receiver sees.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <ostream>
#include <string>
#include <vector>

#include "core/io/datagram_batch.h"
#include "core/io/udp_socket.h"

namespace culvert::io {
namespace {

struct Seen {
  std::string bytes;
  Ecn ecn;
  friend bool operator==(const Seen&, const Seen&) = default;
};
void PrintTo(const Seen& seen, std::ostream* out) { *out << seen.bytes.size() << " bytes, mark " << static_cast<int>(seen.ecn); }

class EcnTest : public ::testing::TestWithParam<IpAddress> {
 protected:
  void SetUp() override {
    auto receiver = UdpSocket::Bind({.bind = {GetParam(), 0}});
    auto sender = UdpSocket::Bind({.bind = {GetParam(), 0}, .socket = {.dscp = 10}});
    if (!receiver.ok() || !sender.ok()) GTEST_SKIP() << "no such address here";
    receiver_ = *std::move(receiver);
    sender_ = *std::move(sender);
  }
  // To the receiver, as seen from `ip`.
  void Put(const IpAddress& ip, const std::string& bytes, Ecn ecn) {
    const SocketAddress to{ip, receiver_.local_address().port};
    const ByteSpan room = out_.Reserve(to, bytes.size());
    ASSERT_EQ(room.size(), bytes.size());
    std::copy(bytes.begin(), bytes.end(), room.begin());
    if (ecn != Ecn::kNotEct) out_.SetEcn(ecn);
    out_.Commit(bytes.size());
  }
  std::vector<Seen> Receive(size_t count) {
    std::vector<Seen> seen;
    while (seen.size() < count) {
      pollfd wanted{.fd = receiver_.fd(), .events = POLLIN, .revents = 0};
      if (poll(&wanted, 1, 10'000) != 1) break;
      Datagram datagram;
      while (in_.Receive(receiver_)) {
        while (in_.Next(datagram)) seen.push_back({std::string(AsText(datagram.bytes)), datagram.ecn});
      }
    }
    return seen;
  }
  UdpSocket receiver_;
  UdpSocket sender_;
  SendBatch out_;
  ReceiveBatch in_;
};

TEST_P(EcnTest, MarksArriveAndPartTrains) {
  const std::vector<Seen> sent = {
      {std::string(1200, 'a'), Ecn::kEct0}, {std::string(1200, 'b'), Ecn::kEct0}, {std::string(1200, 'c'), Ecn::kNotEct},
      {std::string(1200, 'd'), Ecn::kEct1}, {std::string(700, 'e'), Ecn::kEct1},  {std::string(1200, 'f'), Ecn::kCe}};
  const IpAddress to = GetParam().is_unspecified() ? IpAddress::LoopbackV4() : GetParam();
  for (const Seen& datagram : sent) Put(to, datagram.bytes, datagram.ecn);
  ASSERT_EQ(out_.Flush(sender_), SendBatch::FlushResult::kEmptied);
  EXPECT_EQ(sender_.counters().send_errors(), 0u);
  if (sender_.granted().gso) {
    EXPECT_EQ(sender_.counters().sent_trains, 4u);
  }
  EXPECT_EQ(Receive(sent.size()), sent);
}

// IPv4, IPv6, and IPv4 through a dual-stack socket.
INSTANTIATE_TEST_SUITE_P(Families, EcnTest,
                         ::testing::Values(IpAddress::LoopbackV4(),
                                           IpAddress::V6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}), IpAddress::AnyV6()));

TEST(Ecn, TheSocketsDscpStays) {
  auto receiver = UdpSocket::Bind({.bind = {IpAddress::LoopbackV4(), 0}});
  auto sender = UdpSocket::Bind({.bind = {IpAddress::LoopbackV4(), 0}, .socket = {.dscp = 46}});
  ASSERT_TRUE(receiver.ok() && sender.ok());
  SendBatch out;
  const ByteSpan room = out.Reserve(receiver->local_address(), 1);
  room[0] = 'x';
  out.SetEcn(Ecn::kEct0);
  out.Commit(1);
  ASSERT_EQ(out.Flush(*sender), SendBatch::FlushResult::kEmptied);
  pollfd wanted{.fd = receiver->fd(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(poll(&wanted, 1, 10'000), 1);
  char byte;
  iovec vector{&byte, 1};
  alignas(cmsghdr) std::array<uint8_t, 256> control;
  msghdr header{};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  ASSERT_EQ(recvmsg(receiver->fd(), &header, 0), 1);
  int traffic_class = -1;
  for (cmsghdr* at = CMSG_FIRSTHDR(&header); at != nullptr; at = CMSG_NXTHDR(&header, at)) {
    if (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_TOS) traffic_class = *CMSG_DATA(at);
  }
  EXPECT_EQ(traffic_class, 46 << 2 | 2);
}

}  // namespace
}  // namespace culvert::io
