#include <chrono>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "proto/manifest/manifest.h"
#include "tests/unit/cli/fake_daemon.h"

namespace culvert::cli {
namespace {

int64_t Ago(int64_t seconds) {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count() -
         seconds;
}

class GetTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"a", "b", "kcp-in"}) {
      v1::Listener listener;
      listener.mutable_metadata()->set_name(name);
      listener.mutable_metadata()->mutable_create_time()->set_seconds(Ago(3 * 86400 + 100));
      listener.mutable_metadata()->set_generation(4);
      listener.mutable_spec()->set_transport(v1::TRANSPORT_KCP);
      listener.mutable_spec()->set_bind("0.0.0.0:0");
      listener.mutable_spec()->mutable_kcp()->set_header(v1::PACKET_HEADER_SRTP);
      listener.mutable_status()->set_state(v1::STATE_ACTIVE);
      listener.mutable_status()->add_bound_addresses("0.0.0.0:4000");
      listener.mutable_status()->mutable_counters()->set_active(12);
      listener.mutable_status()->mutable_counters()->set_rx_bytes(1181116006);
      daemon_.listeners.push_back(listener);
    }
    v1::Forward forward;
    forward.mutable_metadata()->set_name("pg");
    forward.mutable_spec()->set_listener("kcp-in");
    forward.mutable_spec()->set_destination("db:5432");
    forward.mutable_status()->set_state(v1::STATE_PENDING);
    daemon_.forwards.push_back(forward);
    v1::Session session;
    session.set_name("sessions/k3f9q2");
    session.set_transport(v1::TRANSPORT_KCP);
    session.set_listener("kcp-in");
    session.set_remote_address("203.0.113.7:52110");
    session.set_state(v1::STATE_ACTIVE);
    session.mutable_open_time()->set_seconds(Ago(41 * 60 + 5));
    session.mutable_path()->mutable_smoothed_rtt()->set_nanos(112'000'000);
    session.mutable_path()->set_waste_ratio(1.02);
    session.mutable_path()->set_limited_by(v1::PathStats::LIMITED_BY_CONGESTION);
    session.mutable_path()->mutable_time_in_limit()->mutable_application()->set_seconds(10);
    session.mutable_path()->mutable_time_in_limit()->mutable_peer_window()->set_seconds(28);
    session.mutable_path()->mutable_time_in_limit()->mutable_congestion()->set_nanos(1000);
    session.mutable_path()->mutable_time_in_limit()->mutable_pacing()->set_seconds(2);
    session.mutable_counters()->set_tx_segments(1000);
    session.mutable_counters()->set_lost_packets(4);
    daemon_.sessions.push_back(session);
  }
  FakeDaemon daemon_;
};

TEST_F(GetTest, ListsOverAllPages) {
  const Answer answer = daemon_.Run({"get", "listeners"});
  EXPECT_EQ(answer.out,
            "NAME    TRANSPORT  BIND          STATE   SESSIONS  RX      TX  AGE\n"
            "a       KCP        0.0.0.0:4000  ACTIVE  12        1.1GiB  0B  3d\n"
            "b       KCP        0.0.0.0:4000  ACTIVE  12        1.1GiB  0B  3d\n"
            "kcp-in  KCP        0.0.0.0:4000  ACTIVE  12        1.1GiB  0B  3d\n");
  EXPECT_EQ(answer.code, 0);
}

TEST_F(GetTest, ShowsOneSeveralAndWide) {
  EXPECT_EQ(daemon_.Run({"get", "lsn", "a", "--no-headers"}).out, "a  KCP  0.0.0.0:4000  ACTIVE  12  1.1GiB  0B  3d\n");
  EXPECT_EQ(daemon_.Run({"get", "lsn/a", "fwd/pg"}).out,
            "NAME        TRANSPORT  BIND          STATE   SESSIONS  RX      TX  AGE\n"
            "listener/a  KCP        0.0.0.0:4000  ACTIVE  12        1.1GiB  0B  3d\n"
            "\n"
            "NAME        LISTENER  DIALER    DESTINATION  STATE    STREAMS  RX  TX  AGE\n"
            "forward/pg  kcp-in    <direct>  db:5432      PENDING  0        0B  0B  -\n");
  EXPECT_EQ(daemon_.Run({"get", "ses", "-o", "wide"}).out,
            "NAME    TRANSPORT  OWNER       REMOTE             STATE   RTT    RX  TX  FORWARD  CWND  IN-FLIGHT  LOSS  "
            "RETRANSMIT  WASTE  "
            "LIMITED-BY  STREAMS  MIGRATIONS  WORKER  TLS     PEER    TIME-IN-LIMIT                                    AGE\n"
            "k3f9q2  KCP        lsn/kcp-in  203.0.113.7:52110  ACTIVE  112ms  0B  0B  <none>   0B    0B         0.4%  "
            "0.0%        1.02   "
            "CONGESTION  -        -           0       <none>  <none>  APPLICATION:25.0%,PACING:5.0%,PEER_WINDOW:70.0%  41m\n");
}

TEST_F(GetTest, ShowsWhatOnlyQuicHas) {
  daemon_.sessions[0].set_transport(v1::TRANSPORT_QUIC);
  daemon_.sessions[0].set_open_streams(3);
  daemon_.sessions[0].set_max_streams(32);
  daemon_.sessions[0].mutable_path()->set_migrations(2);
  const std::string sessions = daemon_.Run({"get", "ses", "-o", "wide"}).out;
  EXPECT_NE(sessions.find("CONGESTION  3/32     2           0"), std::string::npos) << sessions;
  EXPECT_NE(daemon_.Run({"get", "ses", "-o", "json"}).out.find("\"openStreams\": 3"), std::string::npos);
  v1::Listener& listener = daemon_.listeners[0];
  listener.mutable_spec()->set_transport(v1::TRANSPORT_QUIC);
  listener.mutable_spec()->clear_kcp();
  listener.mutable_spec()->mutable_quic()->mutable_outer()->set_header(v1::PACKET_HEADER_UTP);
  listener.mutable_status()->mutable_tls()->set_spki_pin("sha256/pin");
  const std::string listeners = daemon_.Run({"get", "lsn/a", "-o", "wide", "--no-headers"}).out;
  EXPECT_NE(listeners.find("0.0.0.0:4000  UTP  yes  no  no  0  sha256/pin  <none>"), std::string::npos) << listeners;
}

TEST_F(GetTest, PrintsNames) {
  EXPECT_EQ(daemon_.Run({"get", "all", "-o", "name"}).out, "listener/a\nlistener/b\nlistener/kcp-in\nforward/pg\n");
  EXPECT_EQ(daemon_.Run({"get", "ses", "-o", "name"}).out, "session/k3f9q2\n");
}

TEST_F(GetTest, PrintsYamlThatCanBeApplied) {
  const Answer answer = daemon_.Run({"get", "all", "-o", "yaml"});
  EXPECT_NE(answer.out.find("state: ACTIVE"), std::string::npos);
  const auto parsed = manifest::Parse(answer.out, "f", "");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->size(), 4u);
}

TEST_F(GetTest, PrintsJsonThatCanBeApplied) {
  const Answer one = daemon_.Run({"get", "lsn/a", "-o", "json"});
  const auto json = nlohmann::json::parse(one.out);
  EXPECT_EQ(json["kind"], "Listener");
  EXPECT_EQ(json["metadata"]["name"], "a");
  EXPECT_EQ(json["metadata"]["generation"], "4");
  EXPECT_EQ(json["status"]["boundAddresses"][0], "0.0.0.0:4000");
  ASSERT_TRUE(manifest::Parse(one.out, "f", "").ok()) << one.out;
  const Answer all = daemon_.Run({"get", "all", "-o", "json"});
  EXPECT_EQ(nlohmann::json::parse(all.out)["items"].size(), 4u);
  const auto parsed = manifest::Parse(all.out, "f", "");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->size(), 4u);
  EXPECT_EQ(nlohmann::json::parse(daemon_.Run({"get", "dialers", "-o", "json"}).out)["items"].size(), 0u);
}

TEST_F(GetTest, ShowsWhatIsThereWhenSomethingIsMissing) {
  const Answer answer = daemon_.Run({"get", "lsn", "a", "nope", "--no-headers"});
  EXPECT_EQ(answer.out, "a  KCP  0.0.0.0:4000  ACTIVE  12  1.1GiB  0B  3d\n");
  EXPECT_EQ(answer.err, "error: listener/nope does not exist (RESOURCE_NOT_FOUND)\n");
  EXPECT_EQ(answer.code, 3);
}

TEST_F(GetTest, SaysThatThereIsNothing) {
  const Answer answer = daemon_.Run({"get", "dialers"});
  EXPECT_EQ(answer.out, "");
  EXPECT_EQ(answer.err, "no dialers\n");
  EXPECT_EQ(answer.code, 0);
  EXPECT_EQ(daemon_.Run({"get", "dialers", "-q"}).err, "");
}

TEST_F(GetTest, EscapesWhatTheDaemonSays) {
  daemon_.sessions[0].set_remote_address("\x1b]0;owned\x07");
  EXPECT_EQ(daemon_.Run({"get", "ses"}).out.find('\x1b'), std::string::npos);
}

TEST_F(GetTest, ColorsOnlyStates) {
  EXPECT_NE(daemon_.Run({"get", "lsn", "a", "--color", "always"}).out.find("  \x1b[32mACTIVE\x1b[0m  "),
            std::string::npos);
  EXPECT_EQ(daemon_.Run({"get", "lsn", "a"}).out.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace culvert::cli
