// Site: a profile set up on this machine. The near and the far end in network namespaces of their own (on loopback in one),
// the link between them, and counters of what was sent on it.
// Thread: create and use it from one; it must outlive the subjects that run on it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/address.h"
#include "tests/bench/compare/profile.h"
#include "tests/testing/netns.h"
#include "tests/testing/process.h"

namespace culvert::bench {

enum class Direction { kUp, kDown };  // near to far, far to near

class Site {
 public:
  // Errors: INTERNAL naming the step. Without root only loopback can be set up, outside any namespace.
  static absl::StatusOr<std::unique_ptr<Site>> Create(const Profile& profile);
  ~Site();

  const Profile& profile() const { return profile_; }
  const std::string& near_netns() const;  // empty: ours
  const std::string& far_netns() const;
  IpAddress near_ip() const { return near_ip_; }
  IpAddress far_ip() const { return far_ip_; }

  // The congestion control of TCP connections made from now on, at both ends. Errors: the kernel does not have it. Without
  // namespaces nothing is changed: the machine's own setting is not ours.
  absl::Status SetTcpCongestionControl(const std::string& name);

  // IP bytes handed to the link so far, headers of every wire packet included, before the link's own queue drops any.
  // nullopt on loopback, where the applications' own legs would be counted too, and when the counters cannot be read.
  std::optional<uint64_t> SentIpBytes(Direction direction) const;

 private:
  explicit Site(const Profile& profile) : profile_(profile) {}
  absl::Status SetUpVeth();
  absl::Status SetUpEmulated();

  Profile profile_;
  std::optional<testing::Netns> near_, far_;  // far absent: both in near
  IpAddress near_ip_ = IpAddress::LoopbackV4();
  IpAddress far_ip_ = IpAddress::LoopbackV4();
  std::optional<testing::Process> link_;
};

}  // namespace culvert::bench
