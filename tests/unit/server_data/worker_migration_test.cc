// A dialer whose address is taken from its machine and replaced by another: its sessions move there by themselves. Two network
// namespaces, joined by a pair of interfaces.
#include <gtest/gtest.h>

#include <optional>

#include "tests/testing/netns.h"
#include "tests/testing/process.h"
#include "tests/unit/server_data/worker_fixture.h"

namespace culvert::server {
namespace {

using culvert::testing::Netns;
using culvert::testing::NetnsVisit;
using culvert::testing::RunProgram;
using std::chrono::seconds;

const IpAddress kFar = IpAddress::V4({10, 9, 0, 9});
const IpAddress kNew = IpAddress::V4({10, 9, 0, 2});

// One machine of the two.
class Side final : public WorkerFixture {
 public:
  explicit Side(const std::string& label) : netns_(Netns::Create(label)) {}
  ~Side() override { TearDown(); }
  void TestBody() override {}

  const absl::StatusOr<Netns>& netns() const { return netns_; }
  // Threads that begin meanwhile and sockets that are made meanwhile are this machine's.
  NetnsVisit Visit() { return *NetnsVisit::Enter(netns_->name()); }
  bool Ip(const std::vector<std::string>& arguments) {
    std::vector<std::string> command = {"ip", "-n", netns_->name()};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return RunProgram(command, seconds(10)).exit_code == 0;
  }

  using Stream = WorkerFixture::Stream;
  using Server = WorkerFixture::Server;
  using WorkerFixture::AddDirectForward;
  using WorkerFixture::AddForward;
  using WorkerFixture::AddQuicDialer;
  using WorkerFixture::AddQuicListener;
  using WorkerFixture::AddTcpListener;
  using WorkerFixture::Apply;
  static void EchoAll(Stream& stream) { Echo(stream); }
  using WorkerFixture::Eventually;
  using WorkerFixture::local_;
  using WorkerFixture::Sessions;
  using WorkerFixture::StartWorkers;

 private:
  absl::StatusOr<Netns> netns_;
};

TEST(WorkerMigrationTest, SessionsFollowTheirMachineToANewAddress) {
  if (const std::string why = culvert::testing::WhyNoNetns(); !why.empty()) GTEST_SKIP() << why;
  Side near("near");
  Side far("far");
  ASSERT_TRUE(near.netns().ok() && far.netns().ok());
  ASSERT_TRUE(near.Ip({"link", "add", "to-far", "type", "veth", "peer", "name", "to-near", "netns", far.netns()->name()}));
  ASSERT_TRUE(near.Ip({"addr", "add", "10.9.0.1/24", "dev", "to-far"}) && near.Ip({"link", "set", "to-far", "up"}));
  ASSERT_TRUE(far.Ip({"addr", "add", "10.9.0.9/24", "dev", "to-near"}) && far.Ip({"link", "set", "to-near", "up"}));

  std::unique_ptr<Side::Server> destination;
  SocketAddress listener;
  {
    const NetnsVisit visit = far.Visit();
    destination = *Side::Server::Start({IpAddress::LoopbackV4(), 0}, &Side::EchoAll);
    far.StartWorkers(1);
    far.local_ = kFar;
    listener = far.AddQuicListener("quic");
    far.AddDirectForward("out", "quic", destination->address());
    far.Apply();
  }
  SocketAddress in;
  std::optional<Side::Stream> client;
  {
    const NetnsVisit visit = near.Visit();
    near.StartWorkers(1);
    in = near.AddTcpListener("in");
    near.AddQuicDialer("far", listener);
    near.AddForward("near", "in", "far");
    near.Apply();
    client.emplace(*Side::Stream::Connect(in));
  }
  ASSERT_TRUE(client->Transfer(100'000, 1, 100'000, 1).ok());

  ASSERT_TRUE(near.Ip({"addr", "del", "10.9.0.1/24", "dev", "to-far"}));
  ASSERT_TRUE(near.Ip({"addr", "add", "10.9.0.2/24", "dev", "to-far"}));
  const absl::Status transferred = client->Transfer(100'000, 2, 100'000, 2);
  EXPECT_TRUE(transferred.ok()) << transferred;
  EXPECT_TRUE(Side::Eventually([&] {
    for (const SessionSnapshot& session : near.Sessions()) {
      if (session.dialer == "far" && session.stats.path_migrations == 1) return true;
    }
    return false;
  })) << "it did not move by itself";
  EXPECT_TRUE(Side::Eventually([&] {
    for (const SessionSnapshot& session : far.Sessions()) {
      if (session.listener == "quic" && session.remote.ip == kNew) return true;
    }
    return false;
  }));
}

}  // namespace
}  // namespace culvert::server
