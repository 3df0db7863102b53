// Renewed files: new handshakes use them, sessions live on, and what is not valid is not used.
#include <gtest/gtest.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "core/base/check.h"
#include "tests/e2e/tls_files.h"
#include "tests/e2e/tunnel_pair.h"

namespace culvert::testing {
namespace {

// Files are looked at every three seconds.
constexpr Duration kReloadLimit = std::chrono::seconds(60);

// As Kubernetes mounts secrets: the files are links into ..data, which is itself a link that is moved as one.
class MountedSecret {
 public:
  MountedSecret() {
    for (const char* name : {"tls.crt", "tls.key"}) {
      CULVERT_CHECK(symlink(absl::StrFormat("..data/%s", name).c_str(), volume_.File(name).c_str()) == 0);
    }
  }
  const std::string& path() const { return volume_.path(); }
  std::string File(const std::string& name) const { return volume_.File(name); }
  void Put(const std::string& version, const Certificate& certificate) {
    CULVERT_CHECK(mkdir(volume_.File(version).c_str(), 0700) == 0);
    volume_.Write(version + "/tls.crt", certificate.chain_pem);
    volume_.Write(version + "/tls.key", certificate.private_key_pem, 0600);
    Point(version);
  }
  void Point(const std::string& target) {
    CULVERT_CHECK(symlink(target.c_str(), volume_.File("..data_tmp").c_str()) == 0);
    CULVERT_CHECK(rename(volume_.File("..data_tmp").c_str(), volume_.File("..data").c_str()) == 0);
  }

 private:
  TempDir volume_;
};

class TlsReload : public ::testing::Test {
 protected:
  void Start(const std::string& far_tls) {
    auto pair = TunnelPair::Start({.near_tls = files_.Dialer(), .far_tls = far_tls});
    ASSERT_TRUE(pair.ok()) << pair.status();
    pair_ = *std::move(pair);
  }
  bool ShowsPin(const std::string& pin) {
    return absl::StrContains(pair_->far().GetJson("listeners"), absl::StrFormat("\"%s\"", pin));
  }
  // One connection that echoes.
  TcpStream Open() {
    auto stream = TcpStream::Connect(pair_->entrance());
    CULVERT_CHECK(stream.ok());
    EXPECT_EQ(stream->Write(kEchoMode), absl::OkStatus());
    return *std::move(stream);
  }
  static void ExpectEcho(TcpStream& stream, const std::string& text) {
    EXPECT_EQ(stream.Write(text), absl::OkStatus());
    const auto answer = stream.ReadText(text.size());
    EXPECT_TRUE(answer.ok()) << answer.status();
    if (answer.ok()) {
      EXPECT_EQ(*answer, text);
    }
  }
  RunResult Probe() { return pair_->near().Ctl({"dial", TunnelPair::kDialer, "--timeout", "10s"}); }

  TlsFiles files_;
  std::unique_ptr<TunnelPair> pair_;
};

TEST_F(TlsReload, ARenewedCertificateIsShownToNewSessionsAndOldOnesGoOn) {
  Start(files_.Listener());
  TcpStream before = Open();
  ExpectEcho(before, "before");
  ASSERT_TRUE(ShowsPin(files_.far().pin));
  const Certificate renewed = MakeLeaf(files_.ca(), {"renewed.example", "127.0.0.1"});
  files_.Write("far", renewed);
  ASSERT_TRUE(Eventually([&] { return ShowsPin(renewed.pin); }, kReloadLimit)) << pair_->Logs();
  ExpectEcho(before, "the session of before goes on");
  const RunResult probe = Probe();
  EXPECT_EQ(probe.exit_code, 0) << probe.out;
  EXPECT_TRUE(absl::StrContains(probe.out, "renewed.example")) << probe.out;
  TcpStream after = Open();
  ExpectEcho(after, "after");
  ExpectEcho(before, "and on");
  // What was noticed is not a change any more.
  EXPECT_EQ(pair_->far().Apply(pair_->far_manifest()).out,
            absl::StrFormat("listener/%s unchanged\nforward/%s unchanged\n", TunnelPair::kWire, TunnelPair::kForward));
}

TEST_F(TlsReload, ALinkThatPointsElsewhereIsNoticed) {
  MountedSecret volume;
  volume.Put("..1", files_.far());
  Start(absl::StrFormat("{certificate_file: \"%s\", private_key_file: \"%s\"}", volume.File("tls.crt"), volume.File("tls.key")));
  ASSERT_TRUE(ShowsPin(files_.far().pin));
  const Certificate renewed = MakeLeaf(files_.ca(), {"127.0.0.1"});
  volume.Put("..2", renewed);
  EXPECT_TRUE(Eventually([&] { return ShowsPin(renewed.pin); }, kReloadLimit)) << pair_->Logs();
  EXPECT_EQ(Probe().exit_code, 0);
}

// The same for a caller who is no admin, who names files below a folder of credentials only.
TEST(CredentialsDir, AnOperatorUsesAMountedSecretAndNothingElse) {
  const TlsFiles files;
  MountedSecret volume;
  volume.Put("..1", files.far());
  const TempDir state;
  const std::string policy = state.Write("policy.yaml", absl::StrFormat("rules: [{role: OPERATOR, principals: ['uid:%u']}]", getuid()));
  const DaemonOptions options{.flags = {"--access-policy", policy, "--credentials-dir", volume.path()}, .state_dir = state.File("state")};
  auto daemon = Daemon::Start(options);
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  const auto listener = [](const std::string& name, const std::string& folder) {
    const std::string tls = absl::StrFormat("{certificate_file: \"%s/tls.crt\", private_key_file: \"%s/tls.key\"}", folder, folder);
    return KcpListener(name, "127.0.0.1:0", {.tls = tls});
  };
  const RunResult applied = (*daemon)->Apply(listener("mounted", volume.path()));
  ASSERT_EQ(applied.exit_code, 0) << applied.err;
  for (const std::string& folder : {files.Path(""), volume.path() + "/..data/.."}) {
    const RunResult refused = (*daemon)->Apply(listener("other", folder));
    EXPECT_NE(refused.exit_code, 0) << folder;
    EXPECT_TRUE(absl::StrContains(refused.err, "an admin may name other files")) << refused.err;
  }
  const auto shows = [&](const std::string& pin) {
    return absl::StrContains((*daemon)->GetJson("listeners"), absl::StrFormat("\"%s\"", pin));
  };
  EXPECT_TRUE(shows(files.far().pin));
  const Certificate renewed = MakeLeaf(files.ca(), {"127.0.0.1"});
  volume.Put("..2", renewed);
  EXPECT_TRUE(Eventually([&] { return shows(renewed.pin); }, kReloadLimit)) << (*daemon)->Log();
  // Also after a restart, where nobody asks for it.
  ASSERT_TRUE((*daemon)->Stop().has_value());
  daemon = Daemon::Start(options);
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  EXPECT_TRUE(shows(renewed.pin)) << (*daemon)->Log();
  // A folder outside with files that are good: where the link leads there now, they are not used.
  TempDir outside;
  const Certificate foreign = MakeLeaf(files.ca(), {"127.0.0.1"});
  outside.Write("tls.crt", foreign.chain_pem);
  outside.Write("tls.key", foreign.private_key_pem, 0600);
  volume.Point(outside.path());
  EXPECT_TRUE(Eventually([&] { return absl::StrContains((*daemon)->GetJson("listeners"), "leads out of"); }, kReloadLimit)) << (*daemon)->Log();
  EXPECT_TRUE(shows(renewed.pin));
  EXPECT_FALSE(shows(foreign.pin));
}

TEST_F(TlsReload, ABrokenSetIsNotUsedAndSaysSo) {
  Start(files_.Listener());
  TcpStream before = Open();
  files_.Replace("far.key", files_.near().private_key_pem);  // of another certificate
  ASSERT_TRUE(Eventually([&] { return absl::StrContains(pair_->far().GetJson("listeners"), "ReloadFailed"); }, kReloadLimit))
      << pair_->Logs();
  EXPECT_TRUE(absl::StrContains(pair_->far().GetJson("listeners"), "private_key_file"));
  EXPECT_TRUE(ShowsPin(files_.far().pin));
  EXPECT_EQ(Probe().exit_code, 0) << "the certificate of before is not in use any more";
  ExpectEcho(before, "still here");
  const RunResult applied = pair_->far().Apply(pair_->far_manifest());
  EXPECT_NE(applied.exit_code, 0) << "what is not valid was applied";
  EXPECT_TRUE(absl::StrContains(applied.err, "spec.tls.private_key_file")) << applied.err;
  // Said once, not at every look.
  ASSERT_EQ(unlink(files_.Path("far.key").c_str()), 0);
  ASSERT_TRUE(Eventually([&] { return absl::StrContains(pair_->far().GetJson("listeners"), "No such file"); }, kReloadLimit));
  files_.Write("far", files_.far());
  ASSERT_TRUE(Eventually([&] { return !absl::StrContains(pair_->far().GetJson("listeners"), "ReloadFailed"); }, kReloadLimit));
  const std::string log = pair_->far().Log();
  int lines = 0;
  for (size_t at = 0; (at = log.find("changed files of spec.tls are not used", at)) != std::string::npos; ++at) ++lines;
  EXPECT_EQ(lines, 2) << log;
}

}  // namespace
}  // namespace culvert::testing
