// The smaller verbs: close, export, status, version.
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "proto/manifest/manifest.h"
#include "tests/unit/cli/fake_daemon.h"

namespace culvert::cli {
namespace {

TEST(Close, EndsSessions) {
  FakeDaemon daemon;
  EXPECT_EQ(daemon.Run({"close", "ses/k3f9q2", "--graceful", "--reason", "maintenance"}).out,
            "session/k3f9q2 closing\n");
  EXPECT_EQ(daemon.last_close.name(), "k3f9q2");
  EXPECT_TRUE(daemon.last_close.graceful());
  EXPECT_EQ(daemon.last_close.reason(), "maintenance");
  EXPECT_EQ(daemon.Run({"close", "k3f9q2"}).out, "session/k3f9q2 closed\n");
  EXPECT_EQ(daemon.Run({"close", "ses", "a", "b"}).out, "session/a closed\nsession/b closed\n");
  EXPECT_EQ(daemon.Run({"close", "ses/missing"}).code, 3);
  EXPECT_EQ(daemon.Run({"close", "lsn/a"}).code, 2);
  EXPECT_EQ(daemon.Run({"close"}).code, 2);
  EXPECT_EQ(daemon.Run({"close", "sessions"}).code, 2);
}

TEST(Close, EndsStreamsAndFlows) {
  FakeDaemon daemon;
  EXPECT_EQ(daemon.Run({"close", "str/k3f9q2/4", "--graceful", "--reason", "maintenance"}).out,
            "stream/k3f9q2/4 closing\n");
  EXPECT_EQ(daemon.last_close_stream.name(), "sessions/k3f9q2/streams/4");
  EXPECT_TRUE(daemon.last_close_stream.graceful());
  EXPECT_EQ(daemon.last_close_stream.reason(), "maintenance");
  EXPECT_EQ(daemon.Run({"close", "sessions/k3f9q2/streams/5"}).out, "stream/k3f9q2/5 closed\n");
  EXPECT_EQ(daemon.last_close_stream.name(), "sessions/k3f9q2/streams/5");
  EXPECT_FALSE(daemon.last_close_stream.graceful());
  EXPECT_EQ(daemon.Run({"close", "udp/12", "--reason", "test"}).out, "udpflow/12 closed\n");
  EXPECT_EQ(daemon.last_close_flow.name(), "udpFlows/12");
  EXPECT_EQ(daemon.last_close_flow.reason(), "test");
  const Answer some = daemon.Run({"close", "str/a/404", "udp/404", "udp/13"});
  EXPECT_EQ(some.out, "udpflow/13 closed\n");
  EXPECT_EQ(some.code, 3);
  EXPECT_EQ(some.err,
            "error: udpflow/404 does not exist (RESOURCE_NOT_FOUND)\n"
            "error: stream/a/404 does not exist (RESOURCE_NOT_FOUND)\n");
}

TEST(Close, ClosesWhatMatches) {
  FakeDaemon daemon;
  daemon.sessions.resize(3);
  EXPECT_EQ(daemon.Run({"close", "ses", "--filter", "dialer=far", "--graceful", "--reason", "test"}).out, "3 sessions closing\n");
  ASSERT_EQ(daemon.closes.size(), 2u);  // counted first
  EXPECT_TRUE(daemon.closes[0].validate_only());
  EXPECT_FALSE(daemon.closes[1].validate_only());
  EXPECT_EQ(daemon.closes[1].filter(), "dialer=far");
  EXPECT_EQ(daemon.closes[1].reason(), "test");
  for (const char* name : {"sessions/a/streams/1", "sessions/a/streams/404", "sessions/a/streams/2"})
    daemon.streams.emplace_back().set_name(name);
  // One of them ended by itself before its turn came.
  EXPECT_EQ(daemon.Run({"close", "streams", "--filter", "forward=pg"}).out, "2 streams closed\n");
  EXPECT_EQ(daemon.last_filter, "forward=pg");
  daemon.flows.emplace_back().set_name("udpFlows/12");
  EXPECT_EQ(daemon.Run({"close", "udp,str", "--filter", "forward=pg", "--dry-run"}).out,
            "1 udpflow would be closed\n3 streams would be closed\n");
}

TEST(Close, AsksOnATerminalBeforeManyGo) {
  FakeDaemon daemon;
  daemon.sessions.resize(3);
  const Answer no = daemon.Run({"close", "ses", "--filter", "a=b"}, "n\n", true);
  EXPECT_EQ(no.code, 1);
  EXPECT_NE(no.err.find("close 3 sessions? [y/N] "), std::string::npos) << no.err;
  ASSERT_EQ(daemon.closes.size(), 1u);
  EXPECT_TRUE(daemon.closes[0].validate_only());
  EXPECT_EQ(daemon.Run({"close", "ses", "--filter", "a=b", "--no-input"}).code, 2);
  EXPECT_EQ(daemon.Run({"close", "ses/a", "ses/b"}, "", true).code, 1);
  EXPECT_EQ(daemon.Run({"close", "ses", "--filter", "a=b", "-y"}, "", true).out, "3 sessions closed\n");
}

TEST(Close, SaysWhatIsWrong) {
  FakeDaemon daemon;
  const std::pair<std::vector<std::string>, std::string> rows[] = {
      {{"close", "str"}, "error: a name is wanted: stream/NAME\nnext: culvertctl get streams\n"},
      {{"close", "udp"}, "error: a name is wanted: udpflow/NAME\nnext: culvertctl get udpflows\n"},
      {{"close", "ev/1"}, "error: only sessions, streams and UDP flows are closed\n"},
      {{"close", "dl/a"}, "error: only sessions, streams and UDP flows are closed\nnext: culvertctl delete dialer/a\n"},
      {{"close", "ses/a", "udp/1", "--graceful"},
       "error: --graceful: a flow of datagrams has nothing to deliver; it is for sessions and streams\n"},
  };
  for (const auto& [words, error] : rows) {
    const Answer answer = daemon.Run(words);
    EXPECT_EQ(answer.err, error);
    EXPECT_EQ(answer.code, 2) << error;
  }
  EXPECT_EQ(daemon.last_close.name(), "");  // nothing was asked for
}

TEST(Export, PrintsWhatApplyReads) {
  FakeDaemon daemon;
  v1::Listener& listener = daemon.listeners.emplace_back();
  listener.mutable_metadata()->set_name("a");
  listener.mutable_metadata()->set_uid("u");
  listener.mutable_spec()->set_transport(v1::TRANSPORT_TCP);
  listener.mutable_spec()->set_bind("127.0.0.1:1");
  daemon.forwards.emplace_back().mutable_metadata()->set_name("f");
  const Answer answer = daemon.Run({"export"});
  EXPECT_EQ(answer.out.find("uid"), std::string::npos);
  EXPECT_EQ(answer.out.find("apiVersion: culvert/v1\nkind: Listener\nmetadata:\n  name: a\n"), 0u);
  EXPECT_EQ(daemon.Run({"export", "-o", "name"}).out, "listener/a\nforward/f\n");
  EXPECT_EQ(nlohmann::json::parse(daemon.Run({"export", "-o", "json"}).out)["items"].size(), 2u);
  EXPECT_EQ(daemon.Run({"export", "-o", "jsonpath={.items[*].metadata.name}"}).out, "a f\n");
  EXPECT_EQ(daemon.Run({"export", "-o", "custom-columns=KIND:.kind,NAME:.metadata.name"}).out, "KIND      NAME\nListener  a\nForward   f\n");
  EXPECT_EQ(daemon.Run({"export", "--manager", "x"}).code, 2);
}

TEST(Status, IsAHandfulOfLines) {
  FakeDaemon daemon;
  daemon.daemon.mutable_uptime()->set_seconds(63);
  daemon.daemon.add_workers();
  daemon.daemon.set_udp_gso(true);
  daemon.daemon.set_sessions(12);
  v1::Warning* warning = daemon.daemon.add_warnings();
  warning->set_reason("SMALL_BUFFERS");
  warning->set_message("receive 425984 of 7340032 bytes: set net.core.rmem_max=7340032");
  v1::Listener& listener = daemon.listeners.emplace_back();
  listener.mutable_status()->set_state(v1::STATE_ACTIVE);
  listener.mutable_status()->mutable_socket()->set_receive_buffer_bytes(425984);
  v1::Dialer& dialer = daemon.dialers.emplace_back();
  dialer.mutable_metadata()->set_name("edge");
  dialer.mutable_status()->set_state(v1::STATE_DEGRADED);
  dialer.mutable_status()->add_targets();
  dialer.mutable_status()->add_targets()->set_last_error_reason("NO_ANSWER");
  const Answer answer = daemon.Run({"status"});
  EXPECT_EQ(answer.out,
            "DAEMON        edge-0  9.9.9  up 1m3s  pid 12\n"
            "WORKERS       1   (UDP offload: send on, receive off)\n"
            "CONFIG        no folders\n"
            "STATE         what the API makes ends with this run\n"
            "LISTENERS     1 active\n"
            "DIALERS       1 degraded   (edge: 1 of 2 targets failing)\n"
            "FORWARDS      none\n"
            "SESSIONS      12   rx 0B  tx 0B\n"
            "BUFFERS       least receive 416KiB, send -\n"
            "CERTIFICATES  none in use\n"
            "WARNING       receive 425984 of 7340032 bytes: set net.core.rmem_max=7340032 (SMALL_BUFFERS)\n");
  EXPECT_EQ(answer.code, 0);
  EXPECT_EQ(nlohmann::json::parse(daemon.Run({"status", "-o", "json"}).out)["hostname"], "edge-0");
}

TEST(Version, ShowsBoth) {
  FakeDaemon daemon;
  const Answer answer = daemon.Run({"version"});
  EXPECT_NE(answer.out.find("  server 9.9.9  api v1  features kcp\n"), std::string::npos) << answer.out;
  EXPECT_EQ(answer.code, 0);
  const auto json = nlohmann::json::parse(daemon.Run({"version", "-o", "json"}).out);
  EXPECT_EQ(json["server"]["version"], "9.9.9");
}

}  // namespace
}  // namespace culvert::cli
