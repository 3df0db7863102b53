// culvertctl from afar: contexts with TLS, against a real culvertd that lets in whom its policy names.
#include <gmock/gmock.h>

#include "tests/e2e/tls_files.h"
#include "tests/e2e/tunnel_pair.h"

namespace culvert::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr Duration kLimit = std::chrono::seconds(30);
constexpr char kPolicy[] =
    "rules:\n"
    "- {principals: [\"dns:near.example\"], role: ROLE_OPERATOR}\n"
    "- {principals: [\"uid:0\"], role: ROLE_ADMIN}\n";

class FromAfar : public ::testing::Test {
 protected:
  void SetUp() override {
    files_.Replace("policy.yaml", kPolicy);
    auto daemon = Daemon::Start(
        {.flags = {"--control-tcp", "127.0.0.1:0", "--control-cert", files_.Path("far.crt"), "--control-key", files_.Path("far.key"),
                   "--control-trust", files_.Path("ca.crt"), "--access-policy", files_.Path("policy.yaml")}});
    ASSERT_TRUE(daemon.ok()) << daemon.status();
    daemon_ = *std::move(daemon);
    ASSERT_TRUE(daemon_->process().WaitForOutput("daemon: serving", kLimit)) << daemon_->Log();
    const std::string log = daemon_->Log(), head = "control_tcp=";
    const size_t at = log.find(head);
    ASSERT_NE(at, std::string::npos) << log;
    address_ = log.substr(at + head.size(), log.find_first_of(" \n", at) - at - head.size());
    const RunResult made = Ctl({"config", "set-context", "far", "--address", address_, "--ca-file", files_.Path("ca.crt"),
                                "--certificate-file", files_.Path("near.crt"), "--key-file", files_.Path("near.key")});
    ASSERT_EQ(made.exit_code, 0) << made.err;
  }
  RunResult Ctl(std::vector<std::string> arguments) const {
    ProcessOptions options;
    arguments.insert(arguments.begin(), CulvertctlBinary());
    options.arguments = std::move(arguments);
    options.environment = {{"XDG_CONFIG_HOME", home_.path()}, {"CULVERTCTL_ADDRESS", ""}, {"CULVERTCTL_CONTEXT", ""}};
    return RunProgram(options, kLimit);
  }

  TlsFiles files_;
  TempDir home_;
  std::unique_ptr<Daemon> daemon_;
  std::string address_;
};

TEST_F(FromAfar, AContextIsAllThatIsNeeded) {
  const std::string manifest = daemon_->directory().Write("one.yaml", TcpListener("one", "127.0.0.1:0"));
  EXPECT_EQ(Ctl({"--context", "far", "apply", "-f", manifest}).out, "listener/one created\n");
  ASSERT_EQ(Ctl({"config", "use-context", "far"}).exit_code, 0);
  EXPECT_EQ(Ctl({"get", "listeners", "-o", "name"}).out, "listener/one\n");
  EXPECT_EQ(Ctl({"auth", "whoami"}).out, "PRINCIPAL  dns:near.example,cn:near.example  ROLE operator  CHANNEL tls\n");
  EXPECT_EQ(Ctl({"auth", "can-i", "delete", "listeners"}).exit_code, 0);
  EXPECT_THAT(Ctl({"call", "DaemonService/GetDaemon"}).out, HasSubstr("\"listeners\": 1"));
  // A stream lives as long as its reader wants it, pings or not.
  EXPECT_EQ(Ctl({"top", "-n", "2"}).exit_code, 0);
}

TEST_F(FromAfar, OneLineSaysWhyNot) {
  files_.Write("stranger", MakeLeaf(MakeCa("other CA"), {"near.example"}));
  files_.Write("nobody", MakeLeaf(files_.ca(), {"nobody.example"}));
  const auto as = [&](const std::string& who, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"get", "lsn", "--address", address_, "--ca-file", files_.Path("ca.crt")};
    if (!who.empty()) {
      for (const std::string& word :
           {std::string("--certificate-file"), files_.Path(who + ".crt"), std::string("--key-file"), files_.Path(who + ".key")}) {
        arguments.push_back(word);
      }
    }
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Ctl(arguments);
  };
  const RunResult without = as("");
  EXPECT_THAT(without.err, StartsWith("error: no TLS with culvertd at " + address_ + ": it wants a certificate from us\n"));
  EXPECT_EQ(without.exit_code, 4);
  const RunResult stranger = as("stranger");
  EXPECT_THAT(stranger.err, HasSubstr("it does not accept our certificate " + files_.Path("stranger.crt")));
  EXPECT_EQ(stranger.exit_code, 4);
  const RunResult nobody = as("nobody");  // is let into TLS, and no further
  EXPECT_EQ(nobody.exit_code, 4) << nobody.err;
  EXPECT_EQ(as("near", {"--tls-server-name", "far.example"}).exit_code, 0);
  EXPECT_THAT(as("near", {"--tls-server-name", "other.example"}).err,
              HasSubstr("its certificate is for far.example, 127.0.0.1, not for other.example\nnext: if that is the daemon you mean: "
                        "--tls-server-name far.example\n"));
}

TEST_F(FromAfar, ADaemonThatWentIsUnreachable) {
  ASSERT_TRUE(daemon_->Stop().has_value());
  const RunResult gone = Ctl({"--context", "far", "get", "lsn"});
  EXPECT_EQ(gone.err,
            "error: cannot reach culvertd at " + address_ + ": Connection refused\nnext: is culvertd running there, with --control-tcp?\n");
  EXPECT_EQ(gone.exit_code, 5);
}

}  // namespace
}  // namespace culvert::testing
