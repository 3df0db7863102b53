// What is compared: a pair of tunnel ends, started anew for every measurement.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/address.h"
#include "tests/testing/daemon.h"
#include "tests/testing/v2ray.h"

namespace culvert::bench {

// Where the two ends run. Without namespaces: both here, over loopback.
struct Place {
  std::string near_netns;
  std::string far_netns;
  IpAddress far_ip = IpAddress::LoopbackV4();  // where the far end listens for mKCP
};

struct Subject {
  std::string name;
  std::optional<testing::V2rayKcp> v2ray;  // absent: culvert with its defaults
};
// culvert and v2ray 4.34 in the three settings of the issue: default, tuned, best. v2ray only when it is there.
std::vector<Subject> Subjects();

// Both ends of one tunnel. What connects to `entrance` (at the near side) comes out at `destination` (at the far side).
class RunningSubject {
 public:
  static absl::StatusOr<std::unique_ptr<RunningSubject>> Start(const Subject& subject, bool has_seed,
                                                               const Place& place, const SocketAddress& destination);
  SocketAddress entrance() const { return entrance_; }
  // Both ends together.
  testing::ProcessUsage Usage() const;

 private:
  absl::Status StartCulvert(bool has_seed, const Place& place, const SocketAddress& wire,
                            const SocketAddress& destination);
  absl::Status StartV2ray(testing::V2rayKcp kcp, bool has_seed, const Place& place, const SocketAddress& wire,
                          const SocketAddress& destination);

  SocketAddress entrance_;
  std::unique_ptr<testing::Daemon> near_, far_;
  std::unique_ptr<testing::V2ray> v2ray_near_, v2ray_far_;
};

}  // namespace culvert::bench
