#include "tests/e2e/emulated_link.h"

#include <cstdlib>
#include <string>

#include "tests/testing/daemon.h"

namespace culvert::testing {

void OverEmulatedLink::SetUp() {
  const std::string why_not = WhyNoNetns();
  if (!why_not.empty()) {
    const char* required = std::getenv("CULVERT_REQUIRE_ROOT_TESTS");
    if (required != nullptr && std::string(required) == "1") FAIL() << why_not;
    GTEST_SKIP() << "SKIPPED: NO LOSSY LINK WAS TRIED, " << why_not << ". Run the tests as root.";
  }
  auto near = Netns::Create("near");
  auto far = Netns::Create("far");
  ASSERT_TRUE(near.ok() && far.ok()) << near.status() << far.status();
  near_ns_ = *std::move(near);
  far_ns_ = *std::move(far);
  ProcessOptions link;
  link.arguments = {
      LinkemBinary(),    "tun",          "--left",          near_ns_->name(), "--right",        far_ns_->name(),
      "--left-address",  "10.77.0.1/24", "--right-address", "10.77.0.2/24",   "--left-address", "fd77::1/64",
      "--right-address", "fd77::2/64",   "--rate",          "50mbit",         "--delay",        "50ms",
      "--loss",          "2%",           "--queue",         "625000",         "--seed",         "7"};
  auto started = Process::Start(link);
  ASSERT_TRUE(started.ok()) << started.status();
  ASSERT_TRUE(started->WaitForOutput("ready", std::chrono::seconds(10))) << started->Stderr();
  link_ = *std::move(started);
}

}  // namespace culvert::testing
