#include "gtest/gtest.h"
#include "tests/unit/cli/fake_daemon.h"

namespace culvert::cli {
namespace {

v1::ProbeDialerResponse Step(uint32_t attempt, v1::ProbeDialerResponse::Phase phase, int milliseconds,
                             const std::string& reason = "") {
  v1::ProbeDialerResponse step;
  step.set_attempt(attempt);
  step.set_target("edge-a.example:443");
  step.set_phase(phase);
  step.set_address("198.51.100.4:443");
  step.mutable_elapsed()->set_nanos(milliseconds * 1'000'000);
  if (phase == v1::ProbeDialerResponse::PHASE_READY && reason.empty())
    step.mutable_path()->mutable_smoothed_rtt()->set_nanos(38'100'000);
  step.set_error_reason(reason);
  if (!reason.empty()) step.set_error_message("nothing came back");
  return step;
}

std::vector<v1::ProbeDialerResponse> Good(uint32_t attempt, int handshake) {
  using R = v1::ProbeDialerResponse;
  return {Step(attempt, R::PHASE_RESOLVE, 3), Step(attempt, R::PHASE_SOCKET, 3),
          Step(attempt, R::PHASE_HANDSHAKE, handshake), Step(attempt, R::PHASE_READY, handshake + 1)};
}

void Append(std::vector<v1::ProbeDialerResponse>& to, const std::vector<v1::ProbeDialerResponse>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

TEST(Dial, ShowsAttemptsAndWhatTheyComeTo) {
  FakeDaemon daemon;
  Append(daemon.probe_steps, Good(1, 41));
  daemon.probe_steps.push_back(Step(2, v1::ProbeDialerResponse::PHASE_RESOLVE, 1));
  daemon.probe_steps.push_back(Step(2, v1::ProbeDialerResponse::PHASE_HANDSHAKE, 500, "NO_ANSWER"));
  Append(daemon.probe_steps, Good(3, 39));
  const Answer answer = daemon.Run({"dial", "dl/edge", "--count", "3", "--timeout", "2s"});
  EXPECT_EQ(answer.out,
            "1  resolve 3ms  socket 3ms  handshake 41ms  ready 42ms  rtt 38.1ms  198.51.100.4:443  edge-a.example:443\n"
            "2  resolve 1ms  handshake failed after 500ms: NO_ANSWER: nothing came back  198.51.100.4:443  "
            "edge-a.example:443\n"
            "3  resolve 3ms  socket 3ms  handshake 39ms  ready 40ms  rtt 38.1ms  198.51.100.4:443  edge-a.example:443\n"
            "3 attempts, 2 ok, handshake min/avg/max 39/40/41 ms\n");
  EXPECT_EQ(answer.code, 0);
  EXPECT_EQ(daemon.last_probe.name(), "edge");
  EXPECT_EQ(daemon.last_probe.count(), 3u);
  EXPECT_EQ(daemon.last_probe.timeout().seconds(), 2);
}

TEST(Dial, ShowsWhatTlsAgreedOn) {
  FakeDaemon daemon;
  Append(daemon.probe_steps, Good(1, 41));
  v1::TlsSession& tls = *daemon.probe_steps.back().mutable_tls();
  tls.set_version("TLSv1.3");
  tls.set_cipher("TLS_AES_128_GCM_SHA256");
  tls.set_alpn("h2");
  tls.set_peer_name("far.example\x1b[31m");
  tls.set_resumed(true);
  EXPECT_EQ(daemon.Run({"dial", "edge"}).out,
            "1  resolve 3ms  socket 3ms  handshake 41ms  ready 42ms  rtt 38.1ms  TLSv1.3 TLS_AES_128_GCM_SHA256 h2 peer "
            "far.example\\x1b[31m resumed  198.51.100.4:443  edge-a.example:443\n"
            "1 attempt, 1 ok, handshake min/avg/max 41/41/41 ms\n");
}

TEST(Dial, IsFalseWhenNothingWentWell) {
  FakeDaemon daemon;
  daemon.probe_steps.push_back(Step(1, v1::ProbeDialerResponse::PHASE_RESOLVE, 1, "RESOLVE_FAILED"));
  const Answer answer = daemon.Run({"dial", "edge"});
  EXPECT_NE(answer.out.find("1 attempt, 0 ok\n"), std::string::npos) << answer.out;
  EXPECT_EQ(answer.err, "");
  EXPECT_EQ(answer.code, 1);
}

TEST(Dial, DescribesATarget) {
  FakeDaemon daemon;
  Append(daemon.probe_steps, Good(1, 41));
  const Answer answer = daemon.Run({"dial", "site-b.example:4000", "--transport", "KCP", "--set", "kcp.seed_file=/seed",
                                    "--set", "kcp.header=SRTP", "--insecure"});
  EXPECT_EQ(answer.code, 0) << answer.err;
  const v1::DialerSpec& spec = daemon.last_probe.spec();
  EXPECT_EQ(spec.transport(), v1::TRANSPORT_KCP);
  EXPECT_EQ(spec.targets(0), "site-b.example:4000");
  EXPECT_EQ(spec.kcp().seed_file(), "/seed");
  EXPECT_EQ(spec.kcp().header(), v1::PACKET_HEADER_SRTP);
  EXPECT_TRUE(spec.insecure());
}

TEST(Dial, DescribesAQuicTarget) {
  FakeDaemon daemon;
  Append(daemon.probe_steps, Good(1, 41));
  const Answer answer =
      daemon.Run({"dial", "site-b.example:4433", "--transport", "QUIC", "--set", "quic.outer.security=AES_128_GCM", "--set",
                  "quic.outer.key_file=/key", "--set", "quic.migration=false", "--set", "tls.pinned_spki=sha256/A,sha256/B"});
  EXPECT_EQ(answer.code, 0) << answer.err;
  const v1::DialerSpec& spec = daemon.last_probe.spec();
  EXPECT_EQ(spec.transport(), v1::TRANSPORT_QUIC);
  EXPECT_EQ(spec.quic().outer().security(), v1::OUTER_SECURITY_AES_128_GCM);
  EXPECT_EQ(spec.quic().outer().key_file(), "/key");
  EXPECT_TRUE(spec.quic().has_migration());
  EXPECT_FALSE(spec.quic().migration());
  EXPECT_EQ(spec.tls().pinned_spki_size(), 2);
}

TEST(Dial, DescribesAUdpTarget) {
  FakeDaemon daemon;
  Append(daemon.probe_steps, Good(1, 41));
  EXPECT_EQ(daemon.Run({"dial", "dns.internal:53", "--transport", "UDP"}).code, 0);
  EXPECT_EQ(daemon.last_probe.spec().transport(), v1::TRANSPORT_UDP);
  EXPECT_NE(daemon.Run({"dial", "--help"}).out.find("KCP, QUIC, TCP or UDP"), std::string::npos);
}

TEST(Dial, SaysWhatIsWrong) {
  FakeDaemon daemon;
  const std::pair<std::vector<std::string>, std::string> rows[] = {
      {{"dial"}, "error: a dialer or HOST:PORT is wanted\n"},
      {{"dial", "h:1"}, "error: --transport is wanted: KCP, QUIC, TCP or UDP\n"},
      {{"dial", "h:1", "--transport", "DNS"}, "error: --transport: \"DNS\" is not one of TCP, UDP, KCP, QUIC\n"},
      {{"dial", "h:1", "--transport", "KCP", "--set", "kcp.mtu=1"},
       "error: --set kcp.mtu: unknown field (did you mean mtu_bytes?)\n"},
      {{"dial", "h:1", "--transport", "KCP", "--set", "x"}, "error: --set: PATH=VALUE is wanted\n"},
      {{"dial", "edge", "--transport", "KCP"},
       "error: --transport, --set and --insecure describe a HOST:PORT; a dialer has its own settings\n"},
      {{"dial", "lsn/x"}, "error: only a dialer can dial: dl/NAME\n"},
      {{"dial", "edge", "--count", "0"}, "error: --count: 1 to 100\n"},
      {{"dial", "edge", "--timeout", "5"},
       "error: --timeout: \"5\" is not a duration: write a number with a unit, e.g. 50ms, 10s, 2m, 1h\n"},
  };
  for (const auto& [words, error] : rows) {
    const Answer answer = daemon.Run(words);
    EXPECT_EQ(answer.code, 2);
    EXPECT_EQ(answer.err.substr(0, answer.err.find('\n') + 1), error);
  }
  EXPECT_EQ(daemon.Run({"dial", "missing"}).code, 3);
}

}  // namespace
}  // namespace culvert::cli
