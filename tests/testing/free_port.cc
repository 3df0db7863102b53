#include "tests/testing/free_port.h"

#include <unistd.h>

#include <atomic>

#include "core/base/check.h"
#include "tests/testing/sockaddr.h"
#include "tests/testing/unique_fd.h"

namespace culvert::testing {
namespace {

// Below net.ipv4.ip_local_port_range's default of 32768..60999: no outgoing connection takes one by accident.
constexpr uint32_t kLow = 10'000;
constexpr uint32_t kCount = 22'000;

bool IsFree(int type, uint16_t port) {
  for (const IpAddress& ip : {IpAddress::AnyV4(), IpAddress::AnyV6()}) {
    const RawAddress raw = ToRaw({ip, port});
    const UniqueFd fd(socket(raw.storage.ss_family, type | SOCK_CLOEXEC, 0));
    if (!fd.is_open()) continue;  // no IPv6 here
    const int on = 1;
    if (raw.storage.ss_family == AF_INET6) (void)setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd.get(), raw.get(), raw.size) != 0) return false;
  }
  return true;
}

}  // namespace

uint16_t FreePort() {
  // Test programs that run at the same time start at different places.
  static std::atomic<uint32_t> next{static_cast<uint32_t>(getpid()) * 1009};
  for (uint32_t tries = 0; tries < kCount; ++tries) {
    const auto port = static_cast<uint16_t>(kLow + next++ % kCount);
    if (IsFree(SOCK_STREAM, port) && IsFree(SOCK_DGRAM, port)) return port;
  }
  CULVERT_CHECK(!"no free port");
  return 0;
}

}  // namespace culvert::testing
