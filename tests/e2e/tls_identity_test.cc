// Who talks to whom: every way of trusting and not trusting, between two culvertds. A peer that is not accepted gets no byte
// through, and both sides say why.
#include <gtest/gtest.h>

#include <ctime>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "tests/e2e/tls_files.h"
#include "tests/e2e/tunnel_pair.h"

namespace culvert::testing {
namespace {

using std::chrono::seconds;

// The first text that stands under `key`; empty: none.
std::string TextOf(const std::string& json, const std::string& key) {
  const auto found = FindAll(json, key);
  return found.empty() || !found.front().is_string() ? "" : found.front().get<std::string>();
}

class TlsIdentity : public ::testing::Test {
 protected:
  void Start(const std::string& near_tls, const std::string& far_tls, bool has_seed = true, bool is_insecure = false) {
    auto pair = TunnelPair::Start(
        {.has_seed = has_seed, .near_tls = near_tls, .far_tls = far_tls, .near_is_insecure = is_insecure});
    ASSERT_TRUE(pair.ok()) << pair.status();
    pair_ = *std::move(pair);
  }
  RunResult Probe() { return pair_->near().Ctl({"dial", TunnelPair::kDialer, "--timeout", "10s"}); }

  void ExpectAccepted() {
    EXPECT_EQ(RunExchange(pair_->client(), {.up_bytes = 100'000, .down_bytes = 100'000}), absl::OkStatus()) << pair_->Logs();
    const RunResult probe = Probe();
    EXPECT_EQ(probe.exit_code, 0) << probe.out << pair_->Logs();
    EXPECT_TRUE(absl::StrContains(probe.out, "TLSv1.3")) << probe.out;
  }
  // `reason` is what the near side says.
  void ExpectRefused(const std::string& reason) {
    const RunResult probe = Probe();
    EXPECT_EQ(probe.exit_code, 1) << probe.out << pair_->Logs();
    EXPECT_TRUE(absl::StrContains(probe.out, reason)) << probe.out << pair_->Logs();
    const absl::Status status = RunExchange(pair_->client(), {.up_bytes = 1000, .down_bytes = 1000});
    EXPECT_FALSE(status.ok()) << "bytes passed a peer that is not trusted";
    EXPECT_TRUE(Eventually([&] { return TextOf(pair_->near().GetJson("dialers"), "lastErrorReason") == reason; }))
        << pair_->near().GetJson("dialers");
    EXPECT_EQ(pair_->application().accepted(), 0u) << "something was dialled for a peer that is not trusted";
    EXPECT_TRUE(Eventually([&] { return SumOf(pair_->far().GetJson("listeners"), "handshakesFailed") >= 1; }))
        << pair_->far().GetJson("listeners");
  }

  TlsFiles files_;
  std::unique_ptr<TunnelPair> pair_;
};

TEST_F(TlsIdentity, ATrustedServerIsAccepted) {
  Start(files_.Dialer(), files_.Listener());
  ExpectAccepted();
}

TEST_F(TlsIdentity, TlsNeedsNoSeedButTellsWhenAnyoneMayConnect) {
  const auto secure = [](Daemon& daemon, const std::string& collection) {
    std::string found;
    for (const nlohmann::json& conditions : FindAll(daemon.GetJson(collection), "conditions")) {
      for (const nlohmann::json& condition : conditions) {
        if (condition["type"] == "Secure") found += condition["status"].get<std::string>() + " " + condition["reason"].get<std::string>();
      }
    }
    return found;
  };
  Start(files_.Dialer("server_name: far.example"), files_.Listener(), /*has_seed=*/false);
  ExpectAccepted();
  EXPECT_EQ(secure(pair_->near(), "dialers"), "STATUS_TRUE Tls");
  EXPECT_EQ(secure(pair_->far(), "listeners"), "STATUS_FALSE AnyoneMayConnect");
  const RunResult again = pair_->far().Apply(pair_->far_manifest());
  EXPECT_TRUE(absl::StrContains(again.err, "ANYONE_MAY_CONNECT")) << again.err << again.out;

  Start(files_.Dialer("server_name: far.example, " + files_.Shows("near")),
        files_.Listener("require_peer_certificate: true, " + files_.Trusts("ca.crt")), /*has_seed=*/false);
  ExpectAccepted();
  EXPECT_EQ(secure(pair_->far(), "listeners"), "STATUS_TRUE Tls");
}

TEST_F(TlsIdentity, SessionsShowWhatWasAgreedOn) {
  Start(files_.Dialer("server_name: far.example, " + files_.Shows("near")),
        files_.Listener("require_peer_certificate: true, " + files_.Trusts("ca.crt")));
  auto stream = TcpStream::Connect(pair_->entrance());
  ASSERT_TRUE(stream.ok());
  ASSERT_EQ(stream->Write(absl::StrFormat("%shello", kEchoMode)), absl::OkStatus());
  ASSERT_TRUE(stream->ReadText(5).ok());
  for (Daemon* daemon : {&pair_->near(), &pair_->far()}) {
    const std::string json = daemon->GetJson("sessions");
    EXPECT_EQ(TextOf(json, "version"), "TLSv1.3") << json;
    EXPECT_TRUE(TextOf(json, "cipher").starts_with("TLS_")) << json;
    EXPECT_EQ(TextOf(json, "alpn"), "h2") << json;
    EXPECT_EQ(TextOf(json, "serverName"), "far.example") << json;
    EXPECT_EQ(TextOf(json, "peerName"), daemon == &pair_->near() ? "far.example" : "near.example") << json;
  }
  const std::string wide = pair_->near().Ctl({"get", "sessions", "-o", "wide"}).out;
  EXPECT_TRUE(absl::StrContains(wide, "TLSv1.3/h2")) << wide;
  const std::string listeners = pair_->far().GetJson("listeners");
  EXPECT_EQ(TextOf(listeners, "certificateSubject"), "far.example") << listeners;
  EXPECT_EQ(TextOf(listeners, "spkiPin"), files_.far().pin) << listeners;
  EXPECT_FALSE(TextOf(listeners, "certificateNotAfter").empty()) << listeners;
}

TEST_F(TlsIdentity, AnUnknownAuthorityIsRefused) {
  const Certificate other = MakeCa("another CA");
  files_.Replace("other.crt", other.certificate_pem);
  Start("{" + files_.Trusts("other.crt") + "}", files_.Listener());
  ExpectRefused("PEER_IDENTITY_REJECTED");
}

TEST_F(TlsIdentity, TheSystemsRootsDoNotKnowUs) {
  Start("{}", files_.Listener());
  ExpectRefused("PEER_IDENTITY_REJECTED");
}

TEST_F(TlsIdentity, AnotherNameIsRefused) {
  Start(files_.Dialer("server_name: elsewhere.example"), files_.Listener());
  ExpectRefused("PEER_IDENTITY_REJECTED");
}

TEST_F(TlsIdentity, AnExpiredCertificateIsAppliedWithAWarningAndRefusedByThePeer) {
  const int64_t now = std::time(nullptr);
  files_.Write("far", MakeLeaf(files_.ca(), {"127.0.0.1"}, now - 7200, now - 3600));
  Start(files_.Dialer(), files_.Listener());
  ExpectRefused("PEER_IDENTITY_REJECTED");
  const std::string json = pair_->far().GetJson("listeners");
  EXPECT_TRUE(absl::StrContains(json, "\"Expired\"")) << json;
  const RunResult again = pair_->far().Apply(pair_->far_manifest());
  EXPECT_TRUE(absl::StrContains(again.err, "CERTIFICATE_EXPIRED")) << again.err << again.out;
}

TEST_F(TlsIdentity, AClientWithoutACertificateIsRefused) {
  Start(files_.Dialer(), files_.Listener("require_peer_certificate: true, " + files_.Trusts("ca.crt")));
  ExpectRefused("TLS_ALERT");
}

TEST_F(TlsIdentity, OnlyAllowedNamesComeIn) {
  const std::string listens = "require_peer_certificate: true, " + files_.Trusts("ca.crt") + ", allowed_peer_names: ";
  Start(files_.Dialer(files_.Shows("near")), files_.Listener(listens + "[near.example]"));
  ExpectAccepted();
  Start(files_.Dialer(files_.Shows("near")), files_.Listener(listens + "[someone.example]"));
  ExpectRefused("TLS_ALERT");
}

TEST_F(TlsIdentity, APinIsEnoughAndAWrongOneRefuses) {
  Start(absl::StrFormat("{pinned_spki: [\"%s\"]}", files_.far().pin), files_.Listener());
  ExpectAccepted();
  Start(absl::StrFormat("{pinned_spki: [\"%s\"]}", files_.near().pin), files_.Listener());
  ExpectRefused("PEER_IDENTITY_REJECTED");
}

TEST_F(TlsIdentity, OnlyInsecureSwitchesVerificationOff) {
  files_.Write("far", MakeSelfSigned({"anything.example"}));
  Start("{}", files_.Listener(), /*has_seed=*/true, /*is_insecure=*/true);
  ExpectAccepted();
  const std::string dialers = pair_->near().GetJson("dialers");
  EXPECT_TRUE(absl::StrContains(dialers, "PeerNotVerified")) << dialers;
  const std::string status = pair_->near().Ctl({"status"}).out;
  EXPECT_TRUE(absl::StrContains(status, "not verified")) << status;
  // A pin is checked all the same.
  Start(absl::StrFormat("{pinned_spki: [\"%s\"]}", files_.near().pin), files_.Listener(), true, /*is_insecure=*/true);
  ExpectRefused("PEER_IDENTITY_REJECTED");
}

TEST_F(TlsIdentity, NoCommonProtocolIsRefused) {
  Start(files_.Dialer("alpn: [one]"), files_.Listener("alpn: [other]"));
  ExpectRefused("TLS_ALERT");
}

TEST_F(TlsIdentity, XtlsIsTlsAndSaysSo) {
  Start(files_.Dialer("mode: XTLS"), files_.Listener("mode: XTLS"));
  ExpectAccepted();
  const std::string json = pair_->near().GetJson("dialers");
  EXPECT_TRUE(absl::StrContains(json, "XtlsDirectCopy")) << json;
  const RunResult again = pair_->near().Apply(pair_->near_manifest());
  EXPECT_TRUE(absl::StrContains(again.err, "XTLS_WITHOUT_DIRECT_COPY")) << again.err;
}

TEST_F(TlsIdentity, APlainPeerGetsNothingThrough) {
  // The listener expects TLS; the dialer sends what the application says.
  Start("", files_.Listener());
  const absl::Status status = RunExchange(pair_->client(), {.up_bytes = 1000, .down_bytes = 1000});
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(pair_->application().accepted(), 0u);
  EXPECT_TRUE(Eventually([&] { return SumOf(pair_->far().GetJson("listeners"), "handshakesFailed") == 1; }));
}

// The same over QUIC, which has TLS whether a tls block is there or not. 127.0.0.1 as target says no name, so v2ray's is asked for.
class QuicTlsIdentity : public TlsIdentity {
 protected:
  void StartQuic(const std::string& near_tls, const std::string& far_tls) {
    auto pair = TunnelPair::Start({.has_seed = false, .quic = QuicText{}, .near_tls = near_tls, .far_tls = far_tls});
    ASSERT_TRUE(pair.ok()) << pair.status();
    pair_ = *std::move(pair);
  }
  void ExpectRejected() {
    const RunResult probe = Probe();
    EXPECT_EQ(probe.exit_code, 1) << probe.out << pair_->Logs();
    EXPECT_TRUE(absl::StrContains(probe.out, "PEER_IDENTITY_REJECTED")) << probe.out << pair_->Logs();
    ExpectNothingPasses();
  }
  void ExpectNothingPasses() {
    const absl::Status status = RunExchange(pair_->client(), {.up_bytes = 1000, .down_bytes = 1000});
    EXPECT_FALSE(status.ok()) << "bytes passed a peer that is not trusted";
    EXPECT_EQ(pair_->application().accepted(), 0u) << "something was dialled for a peer that is not trusted";
  }
};

TEST_F(QuicTlsIdentity, ATrustedServerIsAccepted) {
  StartQuic(files_.Dialer("server_name: far.example"), files_.Listener());
  ExpectAccepted();
}

TEST_F(QuicTlsIdentity, AnAddressIsAskedForByV2raysName) {
  StartQuic(files_.Dialer(), files_.Listener());
  ExpectRejected();
  files_.Write("far", MakeLeaf(files_.ca(), {"quic.internal.v2ray.com"}));
  StartQuic(files_.Dialer(), files_.Listener());
  ExpectAccepted();
}

TEST_F(QuicTlsIdentity, WhoIsNotTrustedIsRejected) {
  const Certificate other = MakeCa("another CA");
  files_.Replace("other.crt", other.certificate_pem);
  StartQuic("{server_name: far.example, " + files_.Trusts("other.crt") + "}", files_.Listener());
  ExpectRejected();
  StartQuic(files_.Dialer("server_name: elsewhere.example"), files_.Listener());
  ExpectRejected();
  StartQuic("{server_name: far.example}", files_.Listener());  // the system's roots
  ExpectRejected();
  const int64_t now = std::time(nullptr);
  files_.Write("far", MakeLeaf(files_.ca(), {"far.example"}, now - 7200, now - 3600));
  StartQuic(files_.Dialer("server_name: far.example"), files_.Listener());
  ExpectRejected();
  files_.Write("far", MakeSelfSigned({"far.example"}));
  StartQuic(files_.Dialer("server_name: far.example"), files_.Listener());
  ExpectRejected();
}

TEST_F(QuicTlsIdentity, TheCertificateOfOurOwnMakingIsKnownByItsPin) {
  StartQuic("", "");
  ExpectAccepted();  // insecure: true
  EXPECT_TRUE(absl::StrContains(pair_->near().GetJson("dialers"), "PeerNotVerified"));
  const std::string pin = TextOf(pair_->far().GetJson("listeners"), "spkiPin");
  const auto pinned = [&](const std::string& to) {
    return absl::StrFormat("apiVersion: culvert/v1\nkind: Dialer\nmetadata: {name: %s}\nspec: {transport: QUIC, targets: [\"%s\"], "
                           "tls: {pinned_spki: [\"%s\"]}}\n",
                           TunnelPair::kDialer, pair_->wire().ToString(), to);
  };
  ASSERT_EQ(pair_->near().Apply(pinned(pin)).exit_code, 0);
  ExpectAccepted();
  const unsigned before = pair_->application().accepted();
  ASSERT_EQ(pair_->near().Apply(pinned(files_.far().pin)).exit_code, 0);
  EXPECT_FALSE(RunExchange(pair_->client(), {.up_bytes = 1000, .down_bytes = 1000}).ok());
  EXPECT_EQ(pair_->application().accepted(), before);
}

TEST_F(QuicTlsIdentity, OnlyWhoShowsACertificateComesIn) {
  const std::string wants = "require_peer_certificate: true, " + files_.Trusts("ca.crt");
  StartQuic(files_.Dialer("server_name: far.example, " + files_.Shows("near")), files_.Listener(wants));
  ExpectAccepted();
  StartQuic(files_.Dialer("server_name: far.example"), files_.Listener(wants));
  ExpectNothingPasses();
  StartQuic(files_.Dialer("server_name: far.example, " + files_.Shows("near")),
            files_.Listener(wants + ", allowed_peer_names: [someone.example]"));
  ExpectNothingPasses();
}

TEST_F(QuicTlsIdentity, NoCommonProtocolIsRefused) {
  StartQuic(files_.Dialer("server_name: far.example, alpn: [one]"), files_.Listener("alpn: [other]"));
  EXPECT_EQ(Probe().exit_code, 1);
  ExpectNothingPasses();
}

TEST_F(TlsIdentity, ASilentPeerIsGivenUpOn) {
  // The near side does not speak TLS and its application says nothing, so no handshake ever comes.
  Start("", files_.Listener());
  auto stream = TcpStream::Connect(pair_->entrance());
  ASSERT_TRUE(stream.ok());
  EXPECT_TRUE(Eventually([&] { return SumOf(pair_->far().GetJson("listeners"), "active") >= 1; }));
  stream->SetLimit(seconds(40));
  EXPECT_FALSE(stream->ReadToEnd().ok()) << "a reset is wanted, not an end";
  EXPECT_EQ(SumOf(pair_->far().GetJson("listeners"), "handshakesFailed"), 1u);
}

}  // namespace
}  // namespace culvert::testing
