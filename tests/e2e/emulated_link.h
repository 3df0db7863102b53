// A test over an emulated wire: two network namespaces with 100 ms round trip, 2 % loss each way and 50 Mbit/s between them. The near one
// is 10.77.0.1 and fd77::1, the far one 10.77.0.2 and fd77::2.
// Where namespaces cannot be had the test is skipped and says so, or fails with CULVERT_REQUIRE_ROOT_TESTS=1.
#pragma once

#include <gtest/gtest.h>

#include <optional>

#include "tests/testing/netns.h"
#include "tests/testing/process.h"

namespace culvert::testing {

class OverEmulatedLink : public ::testing::Test {
 protected:
  // Derived fixtures go on only if IsReady().
  void SetUp() override;
  [[nodiscard]] bool IsReady() const { return link_.has_value() && !HasFatalFailure(); }

  std::optional<Netns> near_ns_, far_ns_;
  std::optional<Process> link_;
};

}  // namespace culvert::testing
