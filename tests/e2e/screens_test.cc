// What culvertctl draws on a terminal, at 80 and at 200 columns: tests/e2e/screens looks at it as a terminal would show it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "tests/e2e/tunnel_pair.h"
#include "tests/testing/daemon.h"

namespace culvert::testing {
namespace {

constexpr const char* kPython = "/usr/bin/python3";  // Debian's own, which has the modules
constexpr Duration kScriptLimit = std::chrono::seconds(280);

bool IsSet(const char* name, std::string_view value) {
  const char* found = std::getenv(name);
  return found != nullptr && found == value;
}

class Screens : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    static const RunResult tried = RunProgram({kPython, "-E", "-c", "import pexpect, pyte"}, std::chrono::seconds(60));
    if (tried.exit_code == 0) return;
    const std::string why = "python3-pexpect or python3-pyte is missing (run deploy/setup): " + tried.err;
    ASSERT_FALSE(IsSet("CI", "true") || IsSet("CULVERT_REQUIRE_INTEROP", "1")) << why;
    GTEST_SKIP() << "SKIPPED: NO TERMINAL TO LOOK AT HERE, so nothing was proved. " << why;
  }
};

TEST_P(Screens, AreAsTheyShouldBe) {
  auto pair = TunnelPair::Start();
  ASSERT_TRUE(pair.ok()) << pair.status();
  const RunResult result = RunProgram({kPython, "-E", "-B", SCREENS_SCRIPT, "--culvertctl", CulvertctlBinary(), "--address",
                                       (*pair)->near().address(), "--entrance", (*pair)->entrance().ToString(), GetParam()},
                                      kScriptLimit);
  EXPECT_EQ(result.exit_code, 0) << result.err << "\n" << (*pair)->Logs();
}

INSTANTIATE_TEST_SUITE_P(Of, Screens, ::testing::Values("Top", "Watching", "Questions"),
                         [](const auto& one) { return std::string(one.param); });

}  // namespace
}  // namespace culvert::testing
