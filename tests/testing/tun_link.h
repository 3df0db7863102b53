// The two ways the link emulator carries packets; both run until `stop_fd` becomes readable.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "core/base/address.h"
#include "tests/testing/link_flags.h"
#include "tests/testing/tun_device.h"

namespace culvert::testing {

struct LinkReport {
  LinkCounters up;
  LinkCounters down;
  uint64_t refused = 0;    // packets that came out but could not be handed over
  uint64_t malformed = 0;  // packets that could not be cut
};

// Carries packets between two TUN devices. left to right is "up".
LinkReport RunTunLink(TunDevice& left, TunDevice& right, const LinkPair& links, int stop_fd);

}  // namespace culvert::testing
