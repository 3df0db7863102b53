// Changes of addresses, made in a network namespace of the test's own so that the machine's stay as they are.
#include "core/io/route_watch.h"

#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <thread>

#include "core/io/source_address.h"

namespace culvert::io {
namespace {

// Gives loopback `address`/8 and sets it up. False: not permitted.
bool ConfigureLoopback(uint32_t address) {
  const FileDescriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  sockaddr_in value{};
  value.sin_family = AF_INET;
  value.sin_addr.s_addr = htonl(address);
  std::memcpy(&request.ifr_addr, &value, sizeof value);
  if (ioctl(socket.get(), SIOCSIFADDR, &request) != 0) return false;
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  return ioctl(socket.get(), SIOCSIFFLAGS, &request) == 0;
}

bool IsReadable(int fd) {
  pollfd wanted{.fd = fd, .events = POLLIN, .revents = 0};
  return poll(&wanted, 1, 10'000) == 1;
}

// On a thread of its own, whose namespace goes with it.
template <typename Body>
void InOwnNetwork(Body body) {
  bool permitted = false;
  std::thread([&] {
    permitted = unshare(CLONE_NEWNET) == 0;
    if (permitted) body();
  }).join();
  if (!permitted) GTEST_SKIP() << "a network namespace of our own is not permitted here";
}

TEST(RouteWatch, HearsOfANewAddress) {
  InOwnNetwork([] {
    auto watch = RouteWatch::Open();
    ASSERT_TRUE(watch.ok()) << watch.status();
    EXPECT_FALSE(watch->TakeChanges());
    ASSERT_TRUE(ConfigureLoopback(0x7f000001));
    ASSERT_TRUE(IsReadable(watch->fd()));
    EXPECT_TRUE(watch->TakeChanges());
    // The kernel may still be telling of the same change.
    while (watch->TakeChanges()) continue;
    ASSERT_TRUE(ConfigureLoopback(0x7f000009));
    ASSERT_TRUE(IsReadable(watch->fd()));
    EXPECT_TRUE(watch->TakeChanges());
  });
}

TEST(SourceAddress, IsWhatRoutingChooses) {
  const SocketAddress peer{IpAddress::V4({127, 0, 0, 77}), 9};
  const auto source = SourceAddressTo(peer, {});
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_TRUE(source->is_loopback());
}

TEST(SourceAddress, FollowsAChange) {
  InOwnNetwork([] {
    const SocketAddress peer{IpAddress::V4({10, 0, 0, 77}), 9};
    EXPECT_EQ(SourceAddressTo(peer, {}).status().code(), absl::StatusCode::kUnavailable);
    ASSERT_TRUE(ConfigureLoopback(0x0a000001));
    EXPECT_EQ(*SourceAddressTo(peer, {}), IpAddress::V4({10, 0, 0, 1}));
    ASSERT_TRUE(ConfigureLoopback(0));  // takes the first away
    ASSERT_TRUE(ConfigureLoopback(0x0a000002));
    EXPECT_EQ(*SourceAddressTo(peer, {}), IpAddress::V4({10, 0, 0, 2}));
  });
}

}  // namespace
}  // namespace culvert::io
