#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/cli/fake_daemon.h"

namespace culvert::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string Here(const std::string& name) { return (std::filesystem::current_path() / name).string(); }

TEST(Create, MakesAListenerOfFlags) {
  FakeDaemon daemon;
  const Answer answer = daemon.Run({"create",    "listener",       "quic-in", "--transport", "QUIC",         "--bind",
                                    "[::]:4433", "--tls-cert",     "tls.crt", "--tls-key",   "/etc/tls.key", "--header",
                                    "SRTP",      "--max-sessions", "100",     "--label",     "tier=edge",    "--annotation",
                                    "owner=a b", "--ttl",          "10m",     "--paused",    "--set",        "quic.idle_timeout=60s"});
  EXPECT_EQ(answer.out, "listener/quic-in created\n") << answer.err;
  EXPECT_EQ(answer.err, "");
  ASSERT_EQ(daemon.listeners.size(), 1u);
  const v1::Listener& listener = daemon.listeners[0];
  EXPECT_EQ(listener.metadata().name(), "quic-in");
  EXPECT_EQ(listener.metadata().labels().at("tier"), "edge");
  EXPECT_EQ(listener.metadata().annotations().at("owner"), "a b");
  EXPECT_EQ(listener.metadata().ttl().seconds(), 600);
  EXPECT_EQ(listener.spec().transport(), v1::TRANSPORT_QUIC);
  EXPECT_EQ(listener.spec().tls().certificate_file(), Here("tls.crt"));  // the daemon runs in another folder
  EXPECT_EQ(listener.spec().tls().private_key_file(), "/etc/tls.key");
  EXPECT_EQ(listener.spec().quic().outer().header(), v1::PACKET_HEADER_SRTP);
  EXPECT_EQ(listener.spec().quic().idle_timeout().seconds(), 60);
  EXPECT_TRUE(listener.spec().paused());
}

TEST(Create, MakesDialersAndForwards) {
  FakeDaemon daemon;
  EXPECT_EQ(daemon
                .Run({"create", "dl/edge", "--transport", "KCP", "--target", "a:1,b:2", "--target", "c:3", "--seed-file", "/seed",
                      "--header", "WIREGUARD", "--tls", "--set", "kcp.mtu_bytes=1350", "--set", "tls.server_name=x"})
                .out,
            "dialer/edge created\n");
  ASSERT_EQ(daemon.dialers.size(), 1u);
  EXPECT_THAT(daemon.dialers[0].spec().targets(), ElementsAre("a:1", "b:2", "c:3"));
  EXPECT_EQ(daemon.dialers[0].spec().kcp().header(), v1::PACKET_HEADER_WIREGUARD);
  EXPECT_EQ(daemon.dialers[0].spec().kcp().mtu_bytes(), 1350u);
  EXPECT_EQ(daemon.dialers[0].spec().tls().server_name(), "x");
  EXPECT_EQ(
      daemon.Run({"create", "forward", "pg", "--listener", "in", "--dialer", "edge", "--destination", "db:5432", "--allow", "*:443"}).out,
      "forward/pg created\n");
  ASSERT_EQ(daemon.forwards.size(), 1u);
  EXPECT_EQ(daemon.forwards[0].spec().destination(), "db:5432");
  EXPECT_THAT(daemon.forwards[0].spec().allowed_destinations(), ElementsAre("*:443"));
}

TEST(Create, SendsTheSameIdAgainWhenTheAnswerIsLost) {
  FakeDaemon daemon;
  daemon.on_change = [&daemon](const v1::Object&) {
    return daemon.changes == 1 ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "lost") : grpc::Status::OK;
  };
  EXPECT_EQ(daemon.Run({"create", "lsn", "a", "--transport", "TCP", "--bind", "127.0.0.1:1"}).code, 0);
  EXPECT_EQ(daemon.Run({"create", "lsn", "b", "--transport", "TCP", "--bind", "127.0.0.1:2"}).code, 0);
  ASSERT_EQ(daemon.request_ids.size(), 3u);
  EXPECT_EQ(daemon.request_ids[0], daemon.request_ids[1]);
  EXPECT_NE(daemon.request_ids[0], daemon.request_ids[2]);
  EXPECT_THAT(daemon.request_ids[0], testing::MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
  EXPECT_EQ(daemon.listeners.size(), 2u);
}

TEST(Create, SaysWhatToDoWithOneThatExists) {
  FakeDaemon daemon;
  daemon.listeners.emplace_back().mutable_metadata()->set_name("a");
  const Answer answer = daemon.Run({"create", "lsn", "a", "--transport", "TCP", "--bind", "127.0.0.1:1"});
  EXPECT_EQ(answer.code, 6);
  EXPECT_EQ(answer.err,
            "error: a exists already (RESOURCE_EXISTS)\n"
            "next: culvertctl set listener/a path=value    or    culvertctl edit listener/a\n");
}

TEST(Create, PrintsTheObjectWithoutADaemon) {
  FakeDaemon daemon;
  const Answer answer = daemon.Run({"--address", "unix:/nonexistent", "create", "dialer", "edge", "--transport", "KCP", "--target", "a:1",
                                    "--seed-file", "/seed", "-o", "yaml", "--dry-run=local"});
  EXPECT_EQ(answer.out,
            "apiVersion: culvert/v1\nkind: Dialer\nmetadata:\n  name: edge\nspec:\n  transport: KCP\n  targets:\n    - \"a:1\"\n  kcp:\n"
            "    seed_file: /seed\n")
      << answer.err;
  const Answer valid =
      daemon.Run({"--address", "unix:/nonexistent", "create", "dl/edge", "--transport", "TCP", "--target", "a:1", "--dry-run=local"});
  EXPECT_EQ(valid.out, "dialer/edge valid (dry run)\n");
  EXPECT_EQ(daemon.changes, 0);
  const Answer wrong = daemon.Run({"create", "dl/Edge", "--target", "a", "--dry-run=local"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_EQ(wrong.err,
            "error: metadata.name: \"Edge\" does not match [a-z]([a-z0-9-]{0,61}[a-z0-9])?\n"
            "error: spec.transport: required\n"
            "error: spec.targets[0]: \"a\" is not HOST:PORT, e.g. site-b.example:4000\n"
            "next: culvertctl explain dialer.spec\n");
}

TEST(Create, AsksTheDaemonInADryRun) {
  FakeDaemon daemon;
  EXPECT_EQ(daemon.Run({"create", "lsn", "a", "--transport", "TCP", "--bind", "127.0.0.1:1", "--dry-run"}).out,
            "listener/a created (dry run)\n");
  EXPECT_TRUE(daemon.last_validate_only);
  EXPECT_TRUE(daemon.listeners.empty());
  EXPECT_THAT(daemon.Run({"create", "lsn", "a", "--transport", "TCP", "--bind", "127.0.0.1:1", "-o", "json"}).out,
              HasSubstr("\"generation\": \"1\""));
}

TEST(Create, SaysWhatIsWrongBeforeAnythingIsAsked) {
  FakeDaemon daemon;
  const std::pair<std::vector<std::string>, std::string> rows[] = {
      {{"create"}, "error: a kind is wanted: listeners, dialers, forwards, sessions, streams, udpflows, events"},
      {{"create", "listener"}, "error: one name is wanted: create KIND NAME"},
      {{"create", "listener", "a", "b"}, "error: one name is wanted: create KIND NAME"},
      {{"create", "session", "a"}, "error: only listeners, dialers and forwards are created"},
      {{"create", "dialer", "a", "--bind", "x"}, "error: --bind is not for a dialer, only for listeners"},
      {{"create", "forward", "a", "--insecure"}, "error: --insecure is not for a forward, only for listeners and dialers"},
      {{"create", "dialer", "a", "--transport", "TPC"},
       "error: --transport: \"TPC\" is not one of TCP, UDP, KCP, QUIC (did you mean TCP?)"},
      {{"create", "dialer", "a", "--transport", "TCP", "--header", "SRTP"},
       "error: --header is for the datagrams of transport KCP or QUIC"},
      {{"create", "dialer", "a", "--dial-timeout", "5"},
       "error: --dial-timeout: \"5\" is not a duration: write a number with a unit, e.g. 50ms, 10s, 2m, 1h"},
      {{"create", "listener", "a", "--bind", "[::]:1", "--bind", "[::]:2"}, "error: --bind stands twice"},
      {{"create", "dialer", "a", "--set", "x"}, "error: --set: \"x\" is not path=value, nor path- to clear it"},
      {{"create", "dialer", "a", "--set", "kcp.mtu=1"}, "error: --set spec.kcp.mtu: unknown field (did you mean mtu_bytes?)"},
      {{"create", "dialer", "a", "--label", "x"}, "error: --label: \"x\" is not key=value"},
      {{"create", "dialer", "a", "--ttl", "soon"},
       "error: --ttl: \"soon\" is not a duration: write a number with a unit, e.g. 50ms, 10s, 2m, 1h"},
      {{"create", "dialer", "a", "--targt", "x"}, "error: unknown flag --targt (did you mean --target?)"},
      {{"create", "dialer", "a", "--filter", "x"}, "error: create takes no --filter"},
  };
  for (const auto& [words, error] : rows) {
    const Answer answer = daemon.Run(words);
    EXPECT_EQ(answer.err.substr(0, answer.err.find('\n')), error);
    EXPECT_EQ(answer.code, 2) << error;
    EXPECT_EQ(answer.out, "");
  }
  EXPECT_EQ(daemon.changes, 0);
  EXPECT_EQ(daemon.Run({"create", "dialer", "a", "--set", "kcp.seed=hunter2"}).err.find("hunter2"), std::string::npos);
}

}  // namespace
}  // namespace culvert::cli
