// What get, describe and events print, to the letter, on terminals of 80 and of 200 columns: files in golden/, NAME.COLUMNS.txt, to be
// looked at when they change. The other verbs are in golden_scenes_test.cc. After a change that is meant, write them anew with
//   CULVERT_UPDATE_GOLDEN=1 build/release/tests/unit/cli/cli_test --gtest_filter='*Golden*'
// and read the difference before it is committed.
#include "gtest/gtest.h"
#include "tests/unit/cli/golden_file.h"
#include "tests/unit/cli/golden_world.h"

namespace culvert::cli {
namespace {

struct Case {
  const char* name;
  std::vector<std::string> words;
};

const Case kCases[] = {
    {"get-all", {"get", "all"}},
    {"get-listeners-wide", {"get", "lsn", "-o", "wide"}},
    {"get-dialers-wide", {"get", "dl", "-o", "wide"}},
    {"get-sessions", {"get", "ses"}},
    {"get-sessions-wide", {"get", "ses", "-o", "wide"}},
    {"get-streams", {"get", "str"}},
    {"get-udpflows", {"get", "udp"}},
    {"get-events", {"get", "ev"}},
    {"get-forwards-columns", {"get", "fwd", "-o", "custom-columns=NAME:.metadata.name,VIA:.spec.dialer,TO:.spec.destination"}},
    {"get-listener-yaml", {"get", "lsn/quic-in", "-o", "yaml"}},
    {"get-forwards-json", {"get", "fwd", "-o", "json"}},
    {"describe-listener", {"describe", "lsn/quic-in"}},
    {"describe-dialer", {"describe", "dl/edge"}},
    {"describe-forward", {"describe", "fwd/pg"}},
    {"describe-session", {"describe", "ses/k3f9q2"}},
    {"describe-stream", {"describe", "str/k3f9q2/4"}},
    {"describe-udpflow", {"describe", "udp/12"}},
    {"events", {"events"}},
};

class Golden : public testing::TestWithParam<Case> {};

TEST_P(Golden, IsWhatItWas) {
  FakeDaemon daemon;
  FillGoldenWorld(daemon);
  for (const int columns : {80, 200}) {
    daemon.arrange = [columns](Streams& streams) {
      streams.out_is_terminal = true;
      streams.columns = columns;
      streams.now_seconds = [] { return kGoldenNow; };
    };
    daemon.environment.get = [](const std::string& name) -> std::optional<std::string> {
      return name == "NO_COLOR" ? std::optional<std::string>("1") : std::nullopt;
    };
    const Answer answer = daemon.Run(GetParam().words);
    EXPECT_EQ(answer.code, 0) << answer.err;
    EXPECT_EQ(answer.err, "");
    ExpectGolden(std::string(GetParam().name) + "." + std::to_string(columns) + ".txt", answer.out);
  }
}

std::string NameOfCase(const testing::TestParamInfo<Case>& one) {
  std::string name = one.param.name;
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
}

INSTANTIATE_TEST_SUITE_P(Of, Golden, testing::ValuesIn(kCases), NameOfCase);

}  // namespace
}  // namespace culvert::cli
