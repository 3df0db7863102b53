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
            "DAEMON     edge-0  9.9.9  up 1m3s  pid 12\n"
            "WORKERS    1   (UDP offload: send on, receive off)\n"
            "LISTENERS  1 active\n"
            "DIALERS    1 degraded   (edge: 1 of 2 targets failing)\n"
            "FORWARDS   none\n"
            "SESSIONS   12   rx 0B  tx 0B\n"
            "BUFFERS    least receive 416KiB, send -\n"
            "WARNING    receive 425984 of 7340032 bytes: set net.core.rmem_max=7340032 (SMALL_BUFFERS)\n");
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
