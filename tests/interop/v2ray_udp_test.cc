// The same UDP traffic through culvertd's SOCKS5 listener and through v2ray's: to a client both are alike, except where v2ray cuts off,
// ignores, or takes an open file.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "absl/strings/str_format.h"
#include "tests/interop/require_v2ray.h"
#include "tests/testing/daemon.h"
#include "tests/testing/free_port.h"
#include "tests/testing/socks_udp_client.h"
#include "tests/testing/udp_peer.h"

namespace culvert::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::vector<uint8_t> Pattern(size_t size) {
  std::vector<uint8_t> bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(i * 31 + size);
  return bytes;
}

// Answers every datagram with itself, and remembers who asked.
class Echo {
 public:
  Echo() : thread_([this] { Run(); }) {}
  ~Echo() {
    stop_ = true;
    thread_.join();
  }
  HostPort address() const { return {"127.0.0.1", peer_.address().port}; }
  std::set<uint16_t> TakePorts() {
    const std::lock_guard lock(mutex_);
    return std::exchange(ports_, {});
  }

 private:
  void Run() {
    while (!stop_) {
      const auto received = peer_.Receive(milliseconds(50));
      if (!received) continue;
      {
        const std::lock_guard lock(mutex_);
        ports_.insert(received->from.port);
      }
      peer_.SendTo(received->from, received->bytes);
    }
  }
  UdpPeer peer_;
  std::mutex mutex_;
  std::set<uint16_t> ports_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

size_t OpenFiles(pid_t pid) {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(absl::StrFormat("/proc/%d/fd", pid))) count += entry.exists() ? 1 : 0;
  return count;
}

class UdpBesideV2ray : public ::testing::Test {
 protected:
  void SetUp() override {
    CULVERT_SKIP_WITHOUT_V2RAY();
    const SocketAddress v2ray_listen{IpAddress::LoopbackV4(), FreePort()};
    auto v2ray = V2ray::Start({.clients = {}, .servers = {}, .proxies = {{v2ray_listen}}});
    ASSERT_TRUE(v2ray.ok()) << v2ray.status();
    v2ray_ = *std::move(v2ray);
    auto daemon = Daemon::Start();
    ASSERT_TRUE(daemon.ok()) << daemon.status();
    daemon_ = *std::move(daemon);
    const SocketAddress listen{IpAddress::LoopbackV4(), FreePort()};
    const RunResult applied = daemon_->Apply(absl::StrFormat(
        "apiVersion: culvert/v1\nkind: Listener\nmetadata: {name: socks}\nspec: {transport: TCP, bind: \"%s\", protocol: SOCKS5}\n---\n"
        "apiVersion: culvert/v1\nkind: Forward\nmetadata: {name: out}\nspec: {listener: socks, allowed_destinations: [\"127.0.0.0/8:*\"]}\n",
        listen.ToString()));
    ASSERT_EQ(applied.exit_code, 0) << applied.err;
    Open(listen, ours_);
    Open(v2ray_listen, theirs_);
  }
  static void Open(const SocketAddress& proxy, std::unique_ptr<SocksUdpAssociation>& to) {
    auto opened = SocksUdpAssociation::Open(proxy);
    ASSERT_TRUE(opened.ok()) << opened.status();
    to = *std::move(opened);
  }
  // What comes back of a datagram to the echo. Empty: nothing.
  static std::optional<SocksUdpAssociation::Received> RoundTrip(SocksUdpAssociation& way, const HostPort& to, size_t size, Duration limit) {
    if (!way.SendTo(to, Pattern(size))) return std::nullopt;
    return way.Receive(limit);
  }

  std::unique_ptr<V2ray> v2ray_;
  std::unique_ptr<Daemon> daemon_;
  std::unique_ptr<SocksUdpAssociation> ours_, theirs_;
  Echo echo_;
};

TEST_F(UdpBesideV2ray, AClientSeesTheSame) {
  for (const size_t size : {1, 2, 3, 100, 512, 1200, 1472, 1900}) {
    SCOPED_TRACE(size);
    const auto ours = RoundTrip(*ours_, echo_.address(), size, seconds(5));
    const auto theirs = RoundTrip(*theirs_, echo_.address(), size, seconds(5));
    ASSERT_TRUE(ours && theirs);
    EXPECT_EQ(ours->bytes, Pattern(size));
    EXPECT_EQ(ours->bytes, theirs->bytes);
    EXPECT_EQ(ours->header, theirs->header) << "the source in front";
  }
}

// v2ray's buffer has 2,048 bytes: what is longer arrives cut off or not at all.
TEST_F(UdpBesideV2ray, LongOnesAreWholeWithUs) {
  for (const size_t size : {2048, 3000, 9000, 40000, 65000}) {
    SCOPED_TRACE(size);
    const auto ours = RoundTrip(*ours_, echo_.address(), size, seconds(5));
    ASSERT_TRUE(ours);
    EXPECT_EQ(ours->bytes, Pattern(size));
  }
  const auto theirs = RoundTrip(*theirs_, echo_.address(), 3000, milliseconds(500));
  std::printf("  3,000 bytes through v2ray: %s\n", theirs ? absl::StrFormat("%u came", theirs->bytes.size()).c_str() : "nothing came");
}

TEST_F(UdpBesideV2ray, NothingIsAlsoADatagram) {
  const auto ours = RoundTrip(*ours_, echo_.address(), 0, seconds(5));
  ASSERT_TRUE(ours);
  EXPECT_TRUE(ours->bytes.empty());
}

TEST_F(UdpBesideV2ray, OnePortForAllDestinations) {
  Echo other;
  ASSERT_TRUE(RoundTrip(*ours_, echo_.address(), 10, seconds(5)));
  ASSERT_TRUE(RoundTrip(*ours_, other.address(), 10, seconds(5)));
  EXPECT_EQ(echo_.TakePorts(), other.TakePorts());
}

TEST_F(UdpBesideV2ray, ManyDestinationsOfOneClient) {
  constexpr int kDestinations = 900;  // under max_flows_per_client, so that none is evicted
  const uint16_t port = FreePort();
  const auto send_all = [&](SocksUdpAssociation& way) {
    for (int i = 0; i < kDestinations; ++i) {
      ASSERT_TRUE(way.SendTo({absl::StrFormat("127.1.%d.%d", i / 250, 1 + i % 250), port}, Pattern(20)));
      // So that no buffer on the way overflows.
      if (i % 50 != 49) continue;
      ASSERT_TRUE(RoundTrip(way, echo_.address(), 5, seconds(5)));
    }
  };
  const size_t theirs_before = OpenFiles(v2ray_->process().pid());
  send_all(*theirs_);
  const size_t theirs = OpenFiles(v2ray_->process().pid()) - theirs_before;
  const size_t ours_before = OpenFiles(daemon_->process().pid());
  send_all(*ours_);
  const size_t ours = OpenFiles(daemon_->process().pid()) - ours_before;
  std::printf("  %d destinations: %u more open files with us, %u with v2ray\n", kDestinations, static_cast<unsigned>(ours), static_cast<unsigned>(theirs));
  EXPECT_LE(ours, 8u);
}

}  // namespace
}  // namespace culvert::testing
