#include "server/source_filter.h"

#include <algorithm>

namespace culvert::server {
namespace {

bool IsBroadcast(const IpAddress& ip) {
  return ip.is_v4() && std::all_of(ip.bytes().begin(), ip.bytes().begin() + 4, [](uint8_t byte) { return byte == 0xff; });
}

}  // namespace

bool SourceFilter::Admits(TimePoint now, const SocketAddress& source) {
  if (source.ip.family() == IpAddress::Family::kNone || IsBroadcast(source.ip)) return false;
  if (source.port == local_.port &&
      (source.ip == local_.ip || (local_.ip.is_unspecified() && source.ip.is_loopback()))) {
    return false;  // ourselves
  }
  for (size_t i = 0; i < kThrottledPorts.size(); ++i) {
    if (source.port != kThrottledPorts[i]) continue;
    Throttle& throttle = throttles_[i];
    if (now - throttle.window_began >= std::chrono::seconds(1)) throttle = {now, 0};
    return ++throttle.count <= kThrottledPerSecond;
  }
  return true;
}

}  // namespace culvert::server
