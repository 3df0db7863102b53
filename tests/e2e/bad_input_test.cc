// Manifests with a fault: one clear error that names file, line and field, the right exit code, and nothing changed, also
// not by the good documents beside the bad one.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <functional>

#include "absl/strings/str_format.h"
#include "tests/e2e/tunnel_pair.h"
#include "tests/testing/free_port.h"
#include "tests/testing/sockaddr.h"

namespace culvert::testing {
namespace {

constexpr int kUsage = 2;
constexpr int kConflict = 6;

struct Fault {
  std::string name;
  std::string manifest;
  std::string at;                 // the last line that holds this text is the one to be named; empty: any line
  std::vector<std::string> said;  // all of these stand on standard error
  int exit_code = kUsage;
};

// "manifest.yaml:LINE:" of the last line that holds `text`.
std::string Place(const std::string& manifest, const std::string& text) {
  const size_t found = manifest.rfind(text);
  if (text.empty() || found == std::string::npos) return "manifest.yaml:";
  const auto line = 1 + std::count(manifest.begin(), manifest.begin() + static_cast<std::ptrdiff_t>(found), '\n');
  return absl::StrFormat("manifest.yaml:%d:", line);
}

void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.name; }

std::string Any() { return absl::StrFormat("127.0.0.1:%u", FreePort()); }

// A good listener comes first in every case: it must not be created.
std::string Good() { return TcpListener("good", Any()) + "  max_sessions: 10\n"; }

std::vector<Fault> Faults() {
  const KcpText seeded{.seed_file = "seed"};
  const std::string tcp =
      "---\napiVersion: culvert/v1\nkind: Listener\nmetadata: {name: bad}\nspec:\n  transport: TCP\n";
  return {
      {"NotYaml", Good() + "---\napiVersion: culvert/v1\nkind: [Listener\n", "", {}},
      {"TabIndent", Good() + "---\nkind: Listener\nspec:\n\ttransport: TCP\n", "\ttransport", {}},
      {"UnknownKey", Good() + tcp + "  bimd: \"127.0.0.1:0\"\n", "bimd", {"spec.bimd", "bind"}},
      {"UnknownKeyDeep",
       Good() + KcpListener("bad", Any(), {.seed_file = "seed", .more = "mtu: 1200"}),
       "mtu:",
       {"spec.kcp.mtu", "mtu_bytes"}},
      {"KeyTwice",
       Good() + tcp + "  bind: \"127.0.0.1:0\"\n  bind: \"127.0.0.1:1\"\n",
       "bind: \"127.0.0.1:1\"",
       {"bind"}},
      {"WrongType", Good() + tcp + "  bind: [1, 2]\n", "[1, 2]", {"spec.bind"}},
      {"NumberWanted", Good() + tcp + "  bind: \"127.0.0.1:0\"\n  max_sessions: many\n", "many", {"spec.max_sessions"}},
      {"NumberTooLarge",
       Good() + tcp + "  bind: \"127.0.0.1:0\"\n  max_sessions: 99999999999\n",
       "99999999999",
       {"spec.max_sessions"}},
      {"UnknownKind",
       Good() + "---\napiVersion: culvert/v1\nkind: Lisener\nmetadata: {name: bad}\n",
       "Lisener",
       {"Lisener", "Listener"}},
      {"UnknownVersion",
       Good() + "---\napiVersion: culvert/v9\nkind: Listener\nmetadata: {name: bad}\n",
       "v9",
       {"culvert/v9"}},
      {"UnknownEnum",
       Good() + "---\napiVersion: culvert/v1\nkind: Listener\nmetadata: {name: bad}\nspec: {transport: UDB, bind: "
                "\"127.0.0.1:0\"}\n",
       "UDB",
       {"spec.transport", "UDB"}},
      {"NoName",
       Good() + "---\napiVersion: culvert/v1\nkind: Listener\nspec: {transport: TCP, bind: \"127.0.0.1:0\"}\n",
       "",
       {"metadata: required"}},
      {"BadName", Good() + TcpListener("Bad_Name", Any()), "Bad_Name", {"metadata.name", "Bad_Name"}},
      {"NoBind", Good() + tcp, "", {"spec.bind"}},
      {"BadBind", Good() + TcpListener("bad", "localhost"), "localhost", {"spec.bind", "localhost"}},
      {"PortTooLarge", Good() + TcpListener("bad", "127.0.0.1:70000"), "70000", {"spec.bind"}},
      {"NoTargets",
       Good() +
           "---\napiVersion: culvert/v1\nkind: Dialer\nmetadata: {name: bad}\nspec:\n  transport: TCP\n  targets: []\n",
       "targets: []",
       {"spec.targets"}},
      {"BadTarget", Good() + KcpDialer("bad", "far.example", seeded), "far.example", {"spec.targets", "far.example"}},
      {"MtuTooSmall",
       Good() + KcpListener("bad", Any(), {.seed_file = "seed", .more = "mtu_bytes: 100"}),
       "mtu_bytes",
       {"spec.kcp.mtu_bytes", "100"}},
      {"TickTooLong",
       Good() + KcpListener("bad", Any(), {.seed_file = "seed", .more = "tick_interval: 1s"}),
       "tick_interval",
       {"spec.kcp.tick_interval"}},
      {"NoSeedNotInsecure",
       Good() +
           "---\napiVersion: culvert/v1\nkind: Listener\nmetadata: {name: bad}\nspec:\n  transport: KCP\n  bind: \"" +
           Any() + "\"\n",
       "",
       {"insecure"}},
      {"KcpOnTcp", Good() + tcp + "  bind: \"127.0.0.1:0\"\n  kcp: {header: SRTP}\n", "kcp:", {"spec.kcp"}},
      {"MissingSeedFile",
       Good() + KcpListener("bad", Any(), {.seed_file = "no-such-seed"}),
       "no-such-seed",
       {"spec.kcp.seed_file", "no-such-seed"},
       kConflict},
      {"SeedAndSeedFile",
       Good() + KcpListener("bad", Any(), {.seed_file = "seed", .more = "seed: x"}),
       "seed: x",
       {"seed"}},
      {"TlsWithoutACertificate",
       Good() + KcpListener("bad", Any(), {.seed_file = "seed", .tls = "{}"}),
       "tls:",
       {"spec.tls.certificate_file", "must be set"}},
      {"UnknownTlsMode",
       Good() + KcpDialer("bad", "127.0.0.1:1", {.seed_file = "seed", .tls = "{mode: NONE}"}),
       "mode: NONE",
       {"spec.tls.mode", "NONE"}},
      {"MissingTlsFile",
       Good() + KcpDialer("bad", "127.0.0.1:1", {.seed_file = "seed", .tls = "{trust_file: no-such-ca}"}),
       "no-such-ca",
       {"spec.tls.trust_file", "no-such-ca"},
       kConflict},
      {"DanglingListener", Good() + ForwardDirect("bad", "nowhere", Any()), "nowhere", {"spec.listener", "nowhere"}},
      {"DanglingDialer", Good() + ForwardToDialer("bad", "good", "nowhere"), "nowhere", {"spec.dialer", "nowhere"}},
      {"ForwardToNothing",
       Good() + "---\napiVersion: culvert/v1\nkind: Forward\nmetadata: {name: bad}\nspec: {listener: good}\n",
       "",
       {"destination"}},
      {"DestinationWithDialer",
       Good() + KcpDialer("d", "127.0.0.1:1", seeded) + ForwardToDialer("bad", "good", "d") +
           "  destination: \"127.0.0.1:1\"\n",
       "destination",
       {"spec.destination"}},
      {"ListenerUsedTwice",
       Good() + ForwardDirect("bad", TunnelPair::kListener, Any()),
       "local-app",
       {"spec.listener", TunnelPair::kListener}},
      {"NameClash", Good() + TcpListener("good", Any()), "good}", {"good"}},
      {"ImmutableChange", Good() + TcpListener(TunnelPair::kListener, Any()), "bind:", {"spec.bind"}},
  };
}

// A listener and a dialer of transport QUIC; `more` are further lines of the spec.
std::string QuicListener(const std::string& more) {
  return "---\napiVersion: culvert/v1\nkind: Listener\nmetadata: {name: bad}\nspec:\n  transport: QUIC\n  bind: \"" + Any() + "\"\n" + more;
}
std::string QuicDialer(const std::string& more) {
  return "---\napiVersion: culvert/v1\nkind: Dialer\nmetadata: {name: bad}\nspec:\n  transport: QUIC\n  targets: [\"127.0.0.1:1\"]\n" + more;
}

std::vector<Fault> QuicFaults() {
  const auto quic = [](const std::string& settings) { return Good() + QuicListener("  quic: {" + settings + "}\n"); };
  const std::string streams = "max_streams_per_session";
  return {
      {"UnknownSecurity", quic("outer: {security: aes-128-cgm}"), "quic:", {"spec.quic.outer.security", "aes-128-cgm", "AES_128_GCM"}},
      {"KeyWithoutSecurity", quic("outer: {key: abcdefgh}"), "quic:", {"spec.quic.outer.key", "needs security"}},
      {"KeyFileWithoutSecurity", quic("outer: {key_file: seed, header: SRTP}"), "quic:", {"spec.quic.outer.key_file", "needs security"}},
      {"KeyAndKeyFile",
       quic("outer: {security: AES_128_GCM, key: abcdefgh, key_file: seed}"),
       "quic:",
       {"spec.quic.outer.key_file", "excludes key"}},
      {"MissingKeyFile",
       quic("outer: {security: AES_128_GCM, key_file: no-such-key}"),
       "quic:",
       {"spec.quic.outer.key_file", "no-such-key"},
       kConflict},
      {"UnknownHeader", quic("outer: {header: DTLSS}"), "quic:", {"spec.quic.outer.header", "DTLSS"}},
      {"TooManyStreams", quic(streams + ": 65536"), "quic:", {"spec.quic." + streams, "65536 is not in [1, 65535]"}},
      {"PayloadTooSmall", quic("max_udp_payload_bytes: 1199"), "quic:", {"spec.quic.max_udp_payload_bytes", "1199 is not in [1200, 1472]"}},
      {"PayloadTooLarge", quic("max_udp_payload_bytes: 1473"), "quic:", {"spec.quic.max_udp_payload_bytes", "1473 is not in [1200, 1472]"}},
      {"PayloadTooLargeForTheWrapper",
       quic("outer: {header: UTP}, max_udp_payload_bytes: 1453"),
       "quic:",
       {"spec.quic.max_udp_payload_bytes", "1453 is not in [1200, 1452]"}},
      {"IdleTooShort", quic("idle_timeout: 4s"), "quic:", {"spec.quic.idle_timeout", "4s is not in [5s, 600s]"}},
      {"KeepaliveTooShort", quic("keepalive_interval: 500ms"), "quic:", {"spec.quic.keepalive_interval", "500ms is not in [1s, 300s]"}},
      {"KeepaliveNotBelowIdle",
       quic("keepalive_interval: 30s"),
       "quic:",
       {"spec.quic.keepalive_interval", "30s is not below idle_timeout, 30s"}},
      {"FixedRate", quic("congestion_control: FIXED_RATE"), "quic:", {"spec.quic.congestion_control", "FIXED_RATE belongs to transport KCP"}},
      {"QuicOnTcp",
       Good() + "---\napiVersion: culvert/v1\nkind: Listener\nmetadata: {name: bad}\nspec:\n  transport: TCP\n  bind: "
                "\"127.0.0.1:0\"\n  quic: {}\n",
       "quic:",
       {"spec.quic", "belongs to transport QUIC"}},
      {"KcpOnQuic", Good() + QuicListener("  kcp: {header: SRTP}\n"), "kcp:", {"spec.kcp", "belongs to transport KCP"}},
      {"QuicWithoutTrust", Good() + QuicDialer(""), "", {"spec.tls", "must say whom to trust", "insecure: true"}},
      {"QuicCertificateMissing",
       Good() + QuicListener("  tls: {certificate_file: no-such.crt, private_key_file: no-such.key}\n"),
       "tls:",
       {"spec.tls.certificate_file", "no-such.crt"},
       kConflict},
      {"QuicCertificateIsNone",
       Good() + QuicListener("  tls: {certificate_file: seed, private_key_file: seed}\n"),
       "tls:",
       {"spec.tls.certificate_file", "no certificate"}},
      {"MinAboveMaxSessions",
       Good() + QuicDialer("  insecure: true\n  max_sessions: 2\n  min_sessions: 3\n"),
       "min_sessions",
       {"spec.min_sessions", "3 is above max_sessions, 2"}},
      {"BackoffUpsideDown",
       Good() + QuicDialer("  insecure: true\n  backoff_min: 2s\n  backoff_max: 1s\n"),
       "backoff_max",
       {"spec.backoff_max", "1s is below backoff_min, 2s"}},
  };
}

class BadInput : public ::testing::TestWithParam<Fault> {
 protected:
  static void SetUpTestSuite() {
    auto pair = TunnelPair::Start();
    ASSERT_TRUE(pair.ok()) << pair.status();
    pair_ = pair->release();
  }
  static void TearDownTestSuite() { delete pair_; }
  void SetUp() override { ASSERT_NE(pair_, nullptr); }

  // Applies and expects the fault to be told and to have no effect.
  static void Expect(const Fault& fault) {
    const std::string before = pair_->near().Ctl({"export"}).out;
    auto stream = TcpStream::Connect(pair_->entrance());
    ASSERT_TRUE(stream.ok() && stream->Write(kEchoMode).ok());
    ASSERT_EQ(stream->Transfer(100, 1, 100, 1), absl::OkStatus());
    const RunResult result = pair_->near().Apply(fault.manifest);
    EXPECT_EQ(result.exit_code, fault.exit_code) << result.out << result.err;
    EXPECT_EQ(result.out, "") << "a refused apply prints nothing as done";
    EXPECT_TRUE(result.err.starts_with("error: ")) << result.err;
    EXPECT_LE(std::count(result.err.begin(), result.err.end(), '\n'), 3) << "one error, one hint: " << result.err;
    std::vector<std::string> said = fault.said;
    said.push_back(Place(fault.manifest, fault.at));
    for (const std::string& text : said) {
      EXPECT_NE(result.err.find(text), std::string::npos) << "no '" << text << "' in: " << result.err << "\n"
                                                          << fault.manifest;
    }
    EXPECT_EQ(pair_->near().Ctl({"export"}).out, before);
    EXPECT_EQ(stream->Transfer(100, 2, 100, 2), absl::OkStatus()) << "a live session was disturbed";
  }
  static TunnelPair* pair_;
};
TunnelPair* BadInput::pair_ = nullptr;

TEST_P(BadInput, IsRefusedAsAWhole) { Expect(GetParam()); }

std::string FaultName(const ::testing::TestParamInfo<Fault>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Manifest, BadInput, ::testing::ValuesIn(Faults()), FaultName);
INSTANTIATE_TEST_SUITE_P(Quic, BadInput, ::testing::ValuesIn(QuicFaults()), FaultName);

TEST_F(BadInput, PortInUse) {
  for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
    const SocketAddress address{IpAddress::LoopbackV4(), FreePort()};
    const RawAddress raw = ToRaw(address);
    const UniqueFd taken(socket(AF_INET, type | SOCK_CLOEXEC, 0));
    ASSERT_EQ(bind(taken.get(), raw.get(), raw.size), 0);
    if (type == SOCK_STREAM) {
      ASSERT_EQ(listen(taken.get(), 1), 0);
    }
    const std::string bad = type == SOCK_STREAM ? TcpListener("bad", address.ToString())
                                                : KcpListener("bad", address.ToString(), {.seed_file = "seed"});
    Expect({"", Good() + bad, "bind:", {"spec.bind", address.ToString(), "in use"}, kConflict});
  }
}

TEST_F(BadInput, PortInUseByAnotherDaemon) {
  // Listeners share their port between workers (SO_REUSEPORT); another daemon of the same user must not slip in.
  for (const bool kcp : {false, true}) {
    const std::string address = kcp ? pair_->wire().ToString() : Any();
    const std::string listener = kcp ? KcpListener("bad", address, {.seed_file = "seed"}) : TcpListener("bad", address);
    std::unique_ptr<Daemon> other;
    if (!kcp) {
      auto started = StartWith(listener);
      ASSERT_TRUE(started.ok()) << started.status();
      other = *std::move(started);
    }
    Expect({"", Good() + listener, "bind:", {"spec.bind", address, "in use"}, kConflict});
  }
}

TEST_F(BadInput, TwoListenersOnOnePort) {
  const std::string address = Any();
  Expect({"", Good() + TcpListener("first", address) + TcpListener("second", address), "", {"spec.bind", address}});
}

TEST_F(BadInput, UnreadableSeedFile) {
  if (geteuid() == 0) {
    // Root reads everything; a folder is unreadable as a file for everyone.
    Expect({"",
            Good() + KcpListener("bad", Any(), {.seed_file = "run"}),
            "seed_file",
            {"spec.kcp.seed_file", "run"},
            kConflict});
    return;
  }
  (void)pair_->near().directory().Write("locked", "x\n", 0000);
  Expect({"",
          Good() + KcpListener("bad", Any(), {.seed_file = "locked"}),
          "seed_file",
          {"spec.kcp.seed_file", "locked"},
          kConflict});
}

TEST_F(BadInput, MissingManifest) {
  const RunResult result = pair_->near().Ctl({"apply", "-f", "no-such-file.yaml"});
  EXPECT_TRUE(result.exit_code == 2 || result.exit_code == 3) << result.exit_code;
  EXPECT_NE(result.err.find("no-such-file.yaml"), std::string::npos) << result.err;
}

TEST_F(BadInput, SeveralFaultsAreToldTogether) {
  const RunResult result = pair_->near().Apply(TcpListener("Bad_Name", "nowhere") +
                                               KcpListener("x", "1.2.3.4:99999", {.seed_file = "seed"}));
  EXPECT_EQ(result.exit_code, kUsage);
  EXPECT_GE(std::count(result.err.begin(), result.err.end(), '\n'), 3) << result.err;
}

}  // namespace
}  // namespace culvert::testing
