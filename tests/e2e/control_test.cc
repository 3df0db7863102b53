// culvertctl against a running tunnel: what it prints, where, and how it exits.
#include <gtest/gtest.h>

#include "absl/strings/str_format.h"
#include "tests/e2e/tunnel_pair.h"
#include "tests/testing/free_port.h"

namespace culvert::testing {
namespace {

// One tunnel for all tests of this file; they only look, or put back what they change.
class Control : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto pair = TunnelPair::Start();
    ASSERT_TRUE(pair.ok()) << pair.status();
    pair_ = pair->release();
    ASSERT_EQ(RunExchange(pair_->client(), {.up_bytes = 200'000, .down_bytes = 200'000}), absl::OkStatus());
  }
  static void TearDownTestSuite() { delete pair_; }
  void SetUp() override { ASSERT_NE(pair_, nullptr); }

  // Runs culvertctl at the near side and expects success with nothing on standard error.
  std::string Ok(const std::vector<std::string>& arguments) {
    const RunResult result = pair_->near().Ctl(arguments);
    EXPECT_EQ(result.exit_code, 0) << arguments.front() << ": " << result.err;
    EXPECT_EQ(result.err, "") << arguments.front();
    return result.out;
  }
  static TunnelPair* pair_;
};
TunnelPair* Control::pair_ = nullptr;

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }
size_t CountLines(const std::string& text) { return static_cast<size_t>(std::count(text.begin(), text.end(), '\n')); }

TEST_F(Control, GetPrintsTables) {
  const std::string listeners = Ok({"get", "listeners"});
  for (const char* column : {"NAME", "TRANSPORT", "BIND", "STATE", "SESSIONS", "RX", "TX", "AGE"}) {
    EXPECT_NE(FirstLine(listeners).find(column), std::string::npos) << column << " in " << listeners;
  }
  EXPECT_NE(listeners.find("ACTIVE"), std::string::npos) << listeners;
  EXPECT_NE(listeners.find(pair_->entrance().ToString()), std::string::npos) << listeners;
  EXPECT_EQ(CountLines(listeners), 2u);
  EXPECT_EQ(CountLines(Ok({"get", "listeners", "--no-headers"})), 1u);
  EXPECT_NE(Ok({"get", "dialers"}).find(pair_->wire().ToString()), std::string::npos);
  EXPECT_NE(Ok({"get", "forwards"}).find(TunnelPair::kForward), std::string::npos);
  const std::string all = Ok({"get", "all"});
  for (const char* name : {TunnelPair::kListener, TunnelPair::kDialer, TunnelPair::kForward}) {
    EXPECT_NE(all.find(name), std::string::npos) << all;
  }
}

TEST_F(Control, GetKnowsShortNamesAndFormats) {
  EXPECT_EQ(Ok({"get", "lsn", "-o", "name"}), absl::StrFormat("listener/%s\n", TunnelPair::kListener));
  EXPECT_EQ(Ok({"get", "dl", "-o", "name"}), absl::StrFormat("dialer/%s\n", TunnelPair::kDialer));
  EXPECT_EQ(Ok({"get", std::string("fwd/") + TunnelPair::kForward, "-o", "name"}),
            absl::StrFormat("forward/%s\n", TunnelPair::kForward));
  EXPECT_GT(FirstLine(Ok({"get", "listeners", "-o", "wide"})).size(), FirstLine(Ok({"get", "listeners"})).size());
  const std::string json = Ok({"get", "listener", TunnelPair::kListener, "-o", "json"});
  EXPECT_EQ(FindAll(json, "bind").at(0), pair_->entrance().ToString()) << json;
  EXPECT_EQ(FindAll(json, "boundAddresses").at(0).at(0), pair_->entrance().ToString()) << json;
  const std::string yaml = Ok({"get", "listener", TunnelPair::kListener, "-o", "yaml"});
  EXPECT_NE(yaml.find("kind: Listener"), std::string::npos) << yaml;
}

TEST_F(Control, CountersTellTheTruth) {
  const std::string forward = Ok({"get", "forward", TunnelPair::kForward, "-o", "json"});
  const uint64_t rx = SumOf(forward, "rxBytes"), tx = SumOf(forward, "txBytes");
  EXPECT_GE(rx, 200'000u) << forward;
  EXPECT_GE(tx, 200'000u) << forward;
  EXPECT_LT(rx, 1'000'000u) << forward;
}

TEST_F(Control, MissingObjectsExitWithThree) {
  for (const char* what : {"listener/nosuch", "dialer/nosuch", "forward/nosuch", "session/nosuch"}) {
    const RunResult result = pair_->near().Ctl({"get", what});
    EXPECT_EQ(result.exit_code, 3) << what << ": " << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.err.find("error: "), std::string::npos);
    EXPECT_NE(result.err.find("nosuch"), std::string::npos) << result.err;
  }
  EXPECT_EQ(pair_->near().Ctl({"delete", "listener/nosuch"}).exit_code, 3);
  EXPECT_EQ(pair_->near().Ctl({"get", "lisners"}).exit_code, 2);
  EXPECT_EQ(pair_->near().Ctl({"get", "listeners", "-o", "xml"}).exit_code, 2);
}

TEST_F(Control, ApplyIsIdempotentAndDryRunChangesNothing) {
  EXPECT_EQ(pair_->near().Apply(pair_->near_manifest()).out,
            absl::StrFormat("listener/%s unchanged\ndialer/%s unchanged\nforward/%s unchanged\n", TunnelPair::kListener,
                            TunnelPair::kDialer, TunnelPair::kForward));
  const std::string before = Ok({"export"});
  const std::string extra =
      pair_->near().directory().Write("extra.yaml", TcpListener("extra", absl::StrFormat("127.0.0.1:%u", FreePort())));
  const RunResult dry = pair_->near().Ctl({"apply", "-f", extra, "--dry-run"});
  EXPECT_EQ(dry.exit_code, 0) << dry.err;
  EXPECT_NE(dry.out.find("listener/extra"), std::string::npos) << dry.out;
  EXPECT_EQ(Ok({"export"}), before);
  EXPECT_EQ(pair_->near().Ctl({"apply", "-f", extra}).out, "listener/extra created\n");
  EXPECT_EQ(pair_->near().Ctl({"delete", "listener/extra"}).exit_code, 0);
  EXPECT_EQ(Ok({"export"}), before);
}

TEST_F(Control, ExportCanBeAppliedElsewhere) {
  const std::string exported = Ok({"export"});
  for (const char* text : {"apiVersion: culvert/v1", "kind: Listener", "kind: Dialer", "kind: Forward", "seed_file"}) {
    EXPECT_NE(exported.find(text), std::string::npos) << text << " in " << exported;
  }
  auto other = Daemon::Start();
  ASSERT_TRUE(other.ok()) << other.status();
  (void)(*other)->directory().Write("seed", "x\n", 0600);
  // Same objects on the same addresses cannot both be bound: only the dialer is tried.
  std::string only_dialer = exported.substr(exported.find("kind: Dialer"));
  only_dialer = "apiVersion: culvert/v1\n" + only_dialer.substr(0, only_dialer.find("---"));
  const RunResult applied = (*other)->Apply(only_dialer);
  EXPECT_EQ(applied.exit_code, 0) << applied.err << only_dialer;
}

TEST_F(Control, ApplyReadsStandardInputAndFolders) {
  const std::string listener = TcpListener("from-stdin", absl::StrFormat("127.0.0.1:%u", FreePort()));
  EXPECT_EQ(pair_->near().Ctl({"apply", "-f", "-"}, listener).out, "listener/from-stdin created\n");
  EXPECT_EQ(pair_->near().Ctl({"delete", "listener/from-stdin"}).exit_code, 0);
  TempDir folder;
  folder.Write("b.yaml", TcpListener("one", absl::StrFormat("127.0.0.1:%u", FreePort())));
  folder.Write("a.json", R"({"apiVersion":"culvert/v1","kind":"Listener","metadata":{"name":"two"},)"
                         R"("spec":{"transport":"TCP","bind":"127.0.0.1:0"}})");
  const RunResult applied = pair_->near().Ctl({"apply", "-f", folder.path()});
  EXPECT_EQ(applied.exit_code, 0) << applied.err;
  EXPECT_EQ(applied.out, "listener/two created\nlistener/one created\n");
  // Port 0 became a real one, and the status says which.
  const auto bound = FindAll(Ok({"get", "listener", "two", "-o", "json"}), "boundAddresses");
  ASSERT_FALSE(bound.empty());
  EXPECT_NE(bound.at(0).at(0).get<std::string>(), "127.0.0.1:0");
  EXPECT_EQ(pair_->near().Ctl({"delete", "listener/one", "listener/two", "--yes"}).exit_code, 0);
}

TEST_F(Control, StatusAndTopShowTheDaemon) {
  const std::string status = Ok({"status"});
  for (const char* text : {"DAEMON", "LISTENERS", "DIALERS"}) EXPECT_NE(status.find(text), std::string::npos) << status;
  auto stream = TcpStream::Connect(pair_->entrance());
  ASSERT_TRUE(stream.ok() && stream->Write(kEchoMode).ok());
  ASSERT_EQ(stream->Transfer(1000, 1, 1000, 1), absl::OkStatus());
  const std::string top = Ok({"top", "-n", "2"});
  EXPECT_NE(top.find("SESSION"), std::string::npos) << top;
  EXPECT_NE(top.find("RTT"), std::string::npos) << top;
  EXPECT_NE(top.find(pair_->wire().ToString()), std::string::npos) << top;
}

TEST_F(Control, DialProbesATarget) {
  const RunResult by_name = pair_->near().Ctl({"dial", TunnelPair::kDialer});
  EXPECT_EQ(by_name.exit_code, 0) << by_name.out << by_name.err;
  EXPECT_NE(by_name.out.find("rtt"), std::string::npos) << by_name.out;
  // Nobody there: an answer, and exit code 1.
  const std::string dialer = KcpDialer("nowhere", absl::StrFormat("127.0.0.1:%u", FreePort()), {.seed_file = "seed"});
  ASSERT_EQ(pair_->near().Apply(dialer).exit_code, 0);
  const RunResult nobody = pair_->near().Ctl({"dial", "nowhere", "--timeout", "1s"});
  EXPECT_EQ(nobody.exit_code, 1) << nobody.out << nobody.err;
  EXPECT_EQ(pair_->near().Ctl({"delete", "dialer/nowhere"}).exit_code, 0);
}

TEST_F(Control, RelativePathsAreRelativeToTheirFile) {
  TempDir elsewhere;
  elsewhere.Write("my-seed", "text\n", 0600);
  const std::string file = elsewhere.Write("m.yaml", KcpDialer("relative", "127.0.0.1:1", {.seed_file = "my-seed"}));
  const RunResult applied = pair_->near().Ctl({"apply", "-f", file});
  EXPECT_EQ(applied.exit_code, 0) << applied.err;
  EXPECT_EQ(pair_->near().Ctl({"delete", "dialer/relative"}).exit_code, 0);
}

}  // namespace
}  // namespace culvert::testing
