// A daemon as it may well be, for outputs that are compared to the letter: an edge with long and short names, IPv6, letters that are
// wide, something that fails.
#pragma once

#include "tests/unit/cli/fake_daemon.h"

namespace culvert::cli {

inline constexpr int64_t kGoldenNow = 1'800'000'000;  // 2027-01-15T08:00:00Z

void FillGoldenWorld(FakeDaemon& daemon);

}  // namespace culvert::cli
