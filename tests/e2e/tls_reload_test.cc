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
  // As Kubernetes mounts secrets: the files are links into ..data, which is itself a link that is moved as one.
  TempDir volume;
  const auto put = [&](const std::string& folder, const Certificate& certificate) {
    CULVERT_CHECK(mkdir(volume.File(folder).c_str(), 0700) == 0);
    volume.Write(folder + "/tls.crt", certificate.chain_pem);
    volume.Write(folder + "/tls.key", certificate.private_key_pem, 0600);
    CULVERT_CHECK(symlink(folder.c_str(), volume.File("..data_tmp").c_str()) == 0);
    CULVERT_CHECK(rename(volume.File("..data_tmp").c_str(), volume.File("..data").c_str()) == 0);
  };
  put("..1", files_.far());
  for (const char* name : {"tls.crt", "tls.key"}) {
    CULVERT_CHECK(symlink(absl::StrFormat("..data/%s", name).c_str(), volume.File(name).c_str()) == 0);
  }
  Start(absl::StrFormat("{certificate_file: \"%s\", private_key_file: \"%s\"}", volume.File("tls.crt"), volume.File("tls.key")));
  ASSERT_TRUE(ShowsPin(files_.far().pin));
  const Certificate renewed = MakeLeaf(files_.ca(), {"127.0.0.1"});
  put("..2", renewed);
  EXPECT_TRUE(Eventually([&] { return ShowsPin(renewed.pin); }, kReloadLimit)) << pair_->Logs();
  EXPECT_EQ(Probe().exit_code, 0);
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
