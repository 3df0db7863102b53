// TunDevice: one end of a layer-3 cable, as a TUN device with checksum and segmentation offloads in a network namespace.
// Needs root (CAP_NET_ADMIN, and CAP_SYS_ADMIN to enter the namespace).
// Thread: Create switches the calling thread's namespace for a moment; use it before starting others.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/bytes.h"
#include "tests/testing/unique_fd.h"
#include "tests/testing/wire_packets.h"

namespace culvert::testing {

struct TunOptions {
  std::string netns;  // name as in `ip netns`; empty: where we are
  std::string device = "wire0";
  uint32_t mtu_bytes = 1500;
  std::vector<std::string> addresses;  // "10.77.0.1/24", "fd77::1/64"
};

class TunDevice {
 public:
  // Creates the device, gives it its addresses and brings it up. It goes away with this object.
  // Errors: PERMISSION_DENIED, NOT_FOUND (namespace), INTERNAL; the message names the step.
  static absl::StatusOr<TunDevice> Create(const TunOptions& options);

  int fd() const { return fd_.get(); }
  // True when the kernel hands us UDP super-packets too; without it cuts them itself before we see them.
  bool has_udp_segmentation() const { return has_udp_segmentation_; }

  // The next super-packet into `buffer` (at least kMaxSuperPacketBytes); empty when there is none now.
  ByteSpan Read(OffloadHeader& header, ByteSpan buffer);
  // One wire packet with complete checksums. False when the kernel refused it.
  bool Write(ByteView packet);

 private:
  TunDevice(UniqueFd fd, bool has_udp_segmentation) : fd_(std::move(fd)), has_udp_segmentation_(has_udp_segmentation) {}

  UniqueFd fd_;
  bool has_udp_segmentation_;
};

}  // namespace culvert::testing
