// culvertctl's verbs that change declared objects, against a running daemon: create, set, label, annotate, edit, diff, wait, and what
// happens when several do so at once.
#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/e2e/tunnel_pair.h"
#include "tests/testing/free_port.h"

namespace culvert::testing {
namespace {

constexpr Duration kLimit = std::chrono::seconds(30);

class Changes : public ::testing::Test {
 protected:
  void SetUp() override {
    auto daemon = Daemon::Start();
    ASSERT_TRUE(daemon.ok()) << daemon.status();
    daemon_ = *std::move(daemon);
  }
  RunResult Ctl(const std::vector<std::string>& arguments) const { return daemon_->Ctl(arguments); }
  std::string Ok(const std::vector<std::string>& arguments) const {
    const RunResult result = Ctl(arguments);
    EXPECT_EQ(result.exit_code, 0) << arguments.front() << ": " << result.err;
    return result.out;
  }
  std::string Get(const std::string& what) const { return Ok({"get", what, "-o", "yaml"}); }
  // culvertctl that goes on by itself.
  absl::StatusOr<Process> Begin(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {CulvertctlBinary(), "--address", daemon_->address()});
    return Process::Start({.arguments = std::move(arguments)});
  }
  // edit with a script of sh as the editor, the file being $1.
  RunResult Edit(const std::string& what, const std::string& script) const {
    const std::string editor = daemon_->directory().Write("editor", script);
    return RunProgram({.arguments = {CulvertctlBinary(), "--address", daemon_->address(), "edit", what},
                       .environment = {{"VISUAL", "sh " + editor}, {"TMPDIR", daemon_->directory().path()}}},
                      kLimit);
  }
  std::string MakeDialer() const {
    (void)daemon_->directory().Write("seed", "hunter2\n", 0600);
    return Ok({"create", "dialer", "edge", "--transport", "KCP", "--target", "127.0.0.1:9", "--set",
               "kcp.seed=@" + daemon_->directory().File("seed")});
  }

  std::unique_ptr<Daemon> daemon_;
};

TEST_F(Changes, CreateMakesATunnelOfFlags) {
  EXPECT_EQ(Ok({"create", "listener", "in", "--transport", "TCP", "--bind", "127.0.0.1:0", "--label", "tier=edge"}),
            "listener/in created\n");
  EXPECT_EQ(MakeDialer(), "dialer/edge created\n");
  EXPECT_EQ(Ok({"create", "forward", "pg", "--listener", "in", "--dialer", "edge"}), "forward/pg created\n");
  EXPECT_NE(Get("lsn/in").find("tier: edge"), std::string::npos);
  const RunResult again = Ctl({"create", "listener", "in", "--transport", "TCP", "--bind", "127.0.0.1:0"});
  EXPECT_EQ(again.exit_code, 6) << again.err;
  EXPECT_NE(again.err.find("next: culvertctl set listener/in"), std::string::npos) << again.err;
  const RunResult wrong = Ctl({"create", "listener", "other", "--transport", "TCP", "--bind", "nowhere"});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_NE(wrong.err.find("spec.bind"), std::string::npos) << wrong.err;
  EXPECT_EQ(Ctl({"get", "lsn/other"}).exit_code, 3);
}

TEST_F(Changes, SetChangesWhatItNamesAndKeepsSecrets) {
  MakeDialer();
  EXPECT_EQ(Ok({"set", "dl/edge", "max_sessions=16", "kcp.mtu_bytes=1200", "targets=a.example:1,b.example:2"}),
            "dialer/edge configured (targets, kcp.mtu_bytes, max_sessions)\n");
  EXPECT_EQ(Ok({"set", "dl/edge", "max_sessions=16"}), "dialer/edge unchanged\n");
  EXPECT_EQ(Ok({"set", "dl/edge", "max_sessions-", "targets[0]-"}), "dialer/edge configured (targets, max_sessions)\n");
  const std::string yaml = Get("dl/edge");
  EXPECT_EQ(yaml.find("max_sessions"), std::string::npos) << yaml;
  EXPECT_EQ(yaml.find("a.example"), std::string::npos) << yaml;
  EXPECT_NE(yaml.find("mtu_bytes: 1200"), std::string::npos) << yaml;
  // Without its seed the dialer would be refused, as nothing then says who is at the other end: it is there still.
  EXPECT_EQ(Ctl({"set", "dl/edge", "kcp.seed-"}).exit_code, 2);
  EXPECT_EQ(Ctl({"set", "dl/edge", "transport=TCP"}).exit_code, 2);
}

// The seed, which is not shown, is no reason to think that sessions are closed.
TEST_F(Changes, SetSaysBeforehandWhatItCloses) {
  MakeDialer();
  const auto warns = [&](const RunResult& result) { return result.err.find("dialer/edge: closes its sessions (none now)") != std::string::npos; };
  EXPECT_FALSE(warns(Ctl({"set", "dl/edge", "labels.tier=edge"})));
  EXPECT_FALSE(warns(Ctl({"set", "dl/edge", "max_sessions=16"})));
  EXPECT_TRUE(warns(Ctl({"set", "dl/edge", "kcp.mtu_bytes=1200", "--dry-run"})));
  EXPECT_EQ(Get("dl/edge").find("mtu_bytes: 1200"), std::string::npos);
  EXPECT_TRUE(warns(Ctl({"set", "dl/edge", "kcp.mtu_bytes=1200"})));
  EXPECT_TRUE(warns(Edit("dl/edge", "sed -i 's/mtu_bytes: 1200/mtu_bytes: 1300/' \"$1\"\n")));
  EXPECT_NE(Get("dl/edge").find("mtu_bytes: 1300"), std::string::npos);
}

TEST_F(Changes, LabelsChooseWhatIsDeleted) {
  for (const char* name : {"a", "b", "c"}) Ok({"create", "lsn", name, "--transport", "TCP", "--bind", "127.0.0.1:0"});
  EXPECT_EQ(Ok({"label", "lsn/a", "lsn/b", "tier=test", "example.com/team=db"}), "listener/a labeled\nlistener/b labeled\n");
  EXPECT_EQ(Ctl({"label", "lsn/a", "tier=core"}).exit_code, 6);
  EXPECT_EQ(Ok({"label", "lsn/a", "tier=core", "--overwrite"}), "listener/a labeled\n");
  EXPECT_EQ(Ok({"annotate", "listeners", "-l", "example.com/team=db,tier!=core", "note=x y"}), "listener/b annotated\n");
  EXPECT_EQ(Ok({"delete", "listeners", "-l", "tier,!absent", "--dry-run"}), "listener/a deleted (dry run)\nlistener/b deleted (dry run)\n");
  EXPECT_EQ(Ok({"delete", "listeners", "--filter", "metadata.annotations.note:\"x\"", "--wait"}), "listener/b deleted\n");
  EXPECT_EQ(Ok({"get", "lsn", "-o", "name"}), "listener/a\nlistener/c\n");
}

TEST_F(Changes, EditChangesWhatTheEditorChanged) {
  MakeDialer();
  const RunResult edited =
      Edit("dl/edge", "sed -i 's/kcp: {}/kcp: {mtu_bytes: 1200}/; s/^metadata:/metadata:\\n  labels: {tier: core}/' \"$1\"");
  EXPECT_EQ(edited.out, "dialer/edge configured (labels, kcp.mtu_bytes)\n") << edited.err;
  EXPECT_EQ(Ctl({"set", "dl/edge", "kcp.seed-"}).exit_code, 2);  // the seed is there still
  EXPECT_EQ(Edit("dl/edge", "true").err, "edit cancelled\n");
  const RunResult refused = Edit("dl/edge", "sed -i 's/mtu_bytes: 1200/mtu_bytes: 12/' \"$1\"");
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_NE(refused.err.find("next: your text is kept in " + daemon_->directory().path()), std::string::npos) << refused.err;
  // Somebody else is faster than the one who edits.
  const RunResult late = Edit("dl/edge", CulvertctlBinary() + " --address " + daemon_->address() +
                                             " set dl/edge max_sessions=9 >/dev/null\n"
                                             "sed -i 's/mtu_bytes: 1200/mtu_bytes: 1300/' \"$1\"");
  EXPECT_EQ(late.exit_code, 6) << late.err;
  EXPECT_NE(late.err.find("ETAG_MISMATCH"), std::string::npos) << late.err;
  const std::string yaml = Get("dl/edge");
  EXPECT_NE(yaml.find("max_sessions: 9"), std::string::npos) << yaml;
  EXPECT_NE(yaml.find("mtu_bytes: 1200"), std::string::npos) << yaml;
}

TEST_F(Changes, DiffSaysWhatApplyDoes) {
  const std::string folder = daemon_->directory().path();
  const std::string bind = absl::StrFormat("127.0.0.1:%u", FreePort());
  const std::string file = daemon_->directory().Write("t.yaml", TcpListener("in", bind) + TcpDialer("out", "127.0.0.1:9"));
  const RunResult before = Ctl({"diff", "-f", file, "--manager", "ci"});
  EXPECT_EQ(before.exit_code, 1) << before.err;
  EXPECT_EQ(before.out, "+ listener/in\n+ dialer/out\n");
  Ok({"apply", "-f", file, "--manager", "ci", "--wait"});
  const RunResult same = Ctl({"diff", "-f", file, "--manager", "ci"});
  EXPECT_EQ(same.exit_code, 0) << same.out << same.err;
  EXPECT_EQ(same.out, "");
  const std::string changed = daemon_->directory().Write("u.yaml", TcpListener("in", bind) + "  max_sessions: 16\n");
  const RunResult differs = Ctl({"diff", "-f", changed, "--manager", "ci", "--prune"});
  EXPECT_EQ(differs.exit_code, 1) << differs.err;
  EXPECT_NE(differs.out.find("listener/in  spec.max_sessions: <unset> -> 16"), std::string::npos) << differs.out;
  EXPECT_NE(differs.out.find("- dialer/out\n"), std::string::npos) << differs.out;
  EXPECT_EQ(Ok({"apply", "-f", changed, "--manager", "ci", "--prune"}), "listener/in configured\ndialer/out pruned\n");
  const RunResult foreign = Ctl({"diff", "-f", file});
  EXPECT_EQ(foreign.exit_code, 6) << foreign.out << foreign.err;
}

TEST_F(Changes, ExportGoesRoundThroughApply) {
  MakeDialer();
  Ok({"create", "lsn", "in", "--transport", "TCP", "--bind", "127.0.0.1:0", "--label", "a=b", "--annotation", "c=d: e"});
  Ok({"create", "fwd", "pg", "--listener", "in", "--dialer", "edge"});
  const std::string file = daemon_->directory().Write("backup.yaml", Ok({"export"}));
  EXPECT_EQ(Ok({"apply", "-f", file}), "listener/in unchanged\ndialer/edge unchanged\nforward/pg unchanged\n");
}

TEST_F(Changes, WaitSeesWhatIsMadeLater) {
  auto waiting = Begin({"wait", "lsn/late", "--for", "condition=Ready", "--timeout", "20s"});
  ASSERT_TRUE(waiting.ok());
  auto other = Begin({"wait", "lsn/late", "--for", ".spec.max_sessions=7", "--timeout", "20s"});
  ASSERT_TRUE(other.ok());
  Ok({"create", "lsn", "late", "--transport", "TCP", "--bind", "127.0.0.1:0"});
  const auto ended = waiting->Wait(kLimit);
  ASSERT_TRUE(ended.has_value());
  EXPECT_EQ(ended->code, 0) << waiting->Stderr();
  EXPECT_EQ(waiting->Stdout().find("listener/late condition Ready met after "), 0u) << waiting->Stdout();
  EXPECT_TRUE(other->IsRunning());
  Ok({"set", "lsn/late", "max_sessions=7"});
  ASSERT_TRUE(other->Wait(kLimit).has_value());
  EXPECT_EQ(other->Stdout().find("listener/late .spec.max_sessions=7 met after "), 0u) << other->Stdout() << other->Stderr();
  EXPECT_EQ(Ctl({"wait", "lsn/late", "--for=jsonpath={.status.conditions[?(@.type==\"Ready\")].reason}=Accepting"}).exit_code, 0);
  EXPECT_EQ(Ctl({"wait", "lsn/late", "--for=jsonpath={.status.boundAddresses[0]}"}).exit_code, 0);
  EXPECT_EQ(Ctl({"wait", "lsn/late", "--for=jsonpath={.status.boundAddresses[1]}", "--timeout", "0s"}).exit_code, 7);
  EXPECT_EQ(Ctl({"wait", "lsn/never", "--for=delete"}).exit_code, 0);
  EXPECT_EQ(Ctl({"wait", "lsn/never", "--timeout", "100ms"}).exit_code, 7);
}

TEST_F(Changes, WaitSeesADaemonThatIsStartedLater) {
  TempDir folder;
  const std::string socket = folder.File("control.sock");
  auto waiting = Process::Start({.arguments = {CulvertctlBinary(), "--address", "unix:" + socket, "wait", "daemon", "--timeout", "30s"}});
  ASSERT_TRUE(waiting.ok());
  DaemonOptions options;
  options.control_socket = socket;
  auto late = Daemon::Start(options);
  ASSERT_TRUE(late.ok()) << late.status();
  const auto ended = waiting->Wait(kLimit);
  ASSERT_TRUE(ended.has_value());
  EXPECT_EQ(ended->code, 0) << waiting->Stderr();
  EXPECT_EQ(waiting->Stdout().find("daemon ready after "), 0u) << waiting->Stdout();
}

// Two sets of different fields, again and again at the same time: each says truly whether it was done, and nothing that was done is lost.
TEST_F(Changes, SettersAtTheSameTimeLoseNothing) {
  Ok({"create", "lsn", "in", "--transport", "TCP", "--bind", "127.0.0.1:0"});
  constexpr int kRounds = 12;
  for (int round = 1; round <= kRounds; ++round) {
    auto one = Begin({"set", "lsn/in", absl::StrCat("labels.one=", round)});
    auto two = Begin({"set", "lsn/in", absl::StrCat("labels.two=", round)});
    ASSERT_TRUE(one.ok() && two.ok());
    for (Process* process : {&*one, &*two}) {
      const auto ended = process->Wait(kLimit);
      ASSERT_TRUE(ended.has_value());
      // One conflict is tried again, and two setters can give each other no more than one.
      EXPECT_EQ(ended->code, 0) << process->Stderr();
    }
    const std::string yaml = Get("lsn/in");
    EXPECT_NE(yaml.find(absl::StrCat("one: \"", round, "\"")), std::string::npos) << yaml;
    EXPECT_NE(yaml.find(absl::StrCat("two: \"", round, "\"")), std::string::npos) << yaml;
  }
}

}  // namespace
}  // namespace culvert::testing
