#include "cli/changes/mutation.h"

#include <sstream>

#include "gtest/gtest.h"
#include "tests/unit/cli/fake_daemon.h"

namespace culvert::cli {
namespace {

struct Case {
  const char* what;
  bool terminal, is_protected, no_input, yes, many;
  const char* answer;
  int code;  // -1: it may go on
};

TEST(Mutation, AsksWhereItMustAndOnlyThere) {
  FakeDaemon daemon;
  const Case cases[] = {
      {"one", true, false, false, false, false, "", -1},
      {"one without a terminal", false, false, true, false, false, "", -1},
      {"many: no", true, false, false, false, true, "n\n", 1},
      {"many: no answer", true, false, false, false, true, "", 1},
      {"many: yes", true, false, false, false, true, "yes\n", -1},
      {"many with --yes", true, false, false, true, true, "", -1},
      {"many with --no-input", true, false, true, false, true, "y\n", 2},
      {"many with both", true, false, true, true, true, "", -1},
      {"many without a terminal", false, false, false, false, true, "", -1},
      {"many without a terminal, --no-input", false, false, true, false, true, "", 2},
      {"protected: no", true, true, false, false, false, "\n", 1},
      {"protected: yes", true, true, false, false, false, "Y\n", -1},
      {"protected without a terminal", false, true, false, false, false, "", 2},
      {"protected without a terminal, --yes", false, true, false, true, false, "", -1},
      {"protected with --no-input", true, true, true, false, false, "y\n", 2},
  };
  for (const Case& one : cases) {
    Globals globals;
    globals.address = "unix:" + daemon.socket();
    globals.context_name = "prod";
    globals.is_protected = one.is_protected;
    globals.no_input = one.no_input;
    globals.yes = one.yes;
    const Environment environment;
    Client client(globals, environment);
    std::ostringstream out, err;
    std::istringstream in(one.answer);
    Streams streams{out, err, in, one.terminal, false};
    Context context{globals, streams, client, environment};
    const Outcome outcome = BeginMutation(context, {"delete these", {"dialer/a\x1b"}, one.many ? size_t{2} : size_t{1}, true});
    EXPECT_EQ(outcome ? static_cast<int>(outcome->code) : -1, one.code) << one.what;
    EXPECT_EQ(out.str(), "");
    const std::string where = "context: prod (unix:" + daemon.socket() + ")\n";
    EXPECT_EQ(err.str().find(where), one.terminal ? 0u : std::string::npos) << one.what;
    const bool was_asked = err.str().find("? [y/N]") != std::string::npos;
    EXPECT_EQ(was_asked, one.terminal && !one.no_input && !one.yes && (one.many || one.is_protected)) << one.what;
    if (was_asked) {
      EXPECT_NE(err.str().find("  dialer/a\\x1b\n"), std::string::npos);
      EXPECT_EQ(err.str().find("context prod is protected: delete these? [y/N]") != std::string::npos, one.is_protected) << err.str();
    }
  }
}

TEST(Mutation, DryRunsAskNothing) {
  FakeDaemon daemon;
  Globals globals;
  globals.address = "unix:" + daemon.socket();
  globals.is_protected = true;
  globals.dry_run = DryRun::kServer;
  const Environment environment;
  Client client(globals, environment);
  std::ostringstream out, err;
  std::istringstream in;
  Streams streams{out, err, in};
  Context context{globals, streams, client, environment};
  EXPECT_FALSE(BeginMutation(context, {"delete these", {}, 5, true}));
  EXPECT_EQ(err.str(), "");
}

}  // namespace
}  // namespace culvert::cli
