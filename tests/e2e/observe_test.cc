// The port of --observe, asked by curl as a probe or a scraper asks it.
#include <gtest/gtest.h>

#include <ctime>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/e2e/tunnel_pair.h"
#include "tests/testing/free_port.h"
#include "tests/testing/tcp_stream.h"

namespace culvert::testing {
namespace {

using std::chrono::seconds;

struct Answer {
  std::string code;
  std::string body;
};

Answer Fetch(uint16_t port, const std::string& path, const std::vector<std::string>& more = {}) {
  std::vector<std::string> command = {"curl", "--silent", "--max-time", "10", "--write-out", "\n%{http_code}", absl::StrCat("http://127.0.0.1:", port, path)};
  command.insert(command.end(), more.begin(), more.end());
  const RunResult result = RunProgram(command, seconds(20));
  const size_t line = result.out.rfind('\n');
  return line == std::string::npos ? Answer{"", result.err} : Answer{result.out.substr(line + 1), result.out.substr(0, line)};
}

// The value of a series, or "".
std::string Value(const std::string& metrics, const std::string& series) {
  for (const auto& line : absl::StrSplit(metrics, '\n')) {
    if (absl::StartsWith(line, series + " ")) return std::string(line.substr(series.size() + 1));
  }
  return "";
}

class Observe : public ::testing::Test {
 protected:
  std::vector<std::string> Flags(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"--observe", absl::StrCat("127.0.0.1:", port_)});
    return more;
  }
  const uint16_t port_ = FreePort();
};

TEST_F(Observe, AnswersProbes) {
  auto daemon = Daemon::Start({.flags = Flags()});
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  for (const char* path : {"/startupz", "/livez", "/readyz"}) {
    const Answer answer = Fetch(port_, path);
    EXPECT_EQ(answer.code, "200") << path << ": " << answer.body;
    EXPECT_EQ(answer.body, "ok\n");
  }
  EXPECT_EQ(Fetch(port_, "/").code, "404");
  EXPECT_EQ(Fetch(port_, "/metrics", {"--request", "POST", "--data", "x"}).code, "404");
  EXPECT_EQ(Fetch(port_, "/../../etc/passwd", {"--path-as-is"}).code, "404");
}

TEST_F(Observe, OpensNoPortUnlessItIsToldTo) {
  for (const bool is_told : {false, true}) {
    auto daemon = Daemon::Start({.flags = is_told ? Flags() : std::vector<std::string>()});
    ASSERT_TRUE(daemon.ok()) << daemon.status();
    const RunResult sockets = RunProgram({"ss", "--listening", "--tcp", "--numeric", "--processes"}, seconds(10));
    ASSERT_EQ(sockets.exit_code, 0) << sockets.err;
    EXPECT_EQ(sockets.out.find(absl::StrCat("pid=", (*daemon)->process().pid(), ",")) != std::string::npos, is_told) << sockets.out;
  }
}

TEST_F(Observe, MetricsCountWhatWentThrough) {
  TunnelOptions options;
  options.near.flags = Flags();
  auto pair = TunnelPair::Start(std::move(options));
  ASSERT_TRUE(pair.ok()) << pair.status();
  ASSERT_EQ(RunExchange((*pair)->client(), {.up_bytes = 100'000, .down_bytes = 200'000}), absl::OkStatus());
  std::string metrics;
  // Each answer is a second old at most.
  EXPECT_TRUE(Eventually([&] {
    metrics = Fetch(port_, "/metrics").body;
    return Value(metrics, R"(culvertd_streams_closed_total{forward="app"})") == "1";
  })) << metrics;
  EXPECT_EQ(Value(metrics, R"(culvertd_listeners{state="active",transport="tcp"})"), "1");
  EXPECT_EQ(Value(metrics, R"(culvertd_sessions_opened_total{owner="site-b",role="dialer",transport="kcp"})"), "1");
  EXPECT_EQ(Value(metrics, R"(culvertd_drain_phase{phase="serving"})"), "1");
  EXPECT_NE(Value(metrics, "process_open_fds"), "");
  EXPECT_GE(std::stod(absl::StrCat("0", Value(metrics, R"(culvertd_received_bytes_total{owner="site-b",role="dialer",transport="kcp"})"))), 200'000);
  EXPECT_EQ(metrics.find("127.0.0.1"), std::string::npos) << "an address";
}

TEST_F(Observe, MetricsTellWhenACertificateEnds) {
  auto daemon = Daemon::Start({.flags = Flags()});
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  ASSERT_EQ((*daemon)->Apply(QuicListener("wire", "127.0.0.1:0", {})).exit_code, 0);
  const std::string series = R"(culvertd_certificate_expiry_timestamp_seconds{owner="wire",role="listener"})";
  std::string value;
  EXPECT_TRUE(Eventually([&] { return !(value = Value(Fetch(port_, "/metrics").body, series)).empty(); }));
  EXPECT_GT(std::stod(value), static_cast<double>(time(nullptr)));
}

TEST_F(Observe, APortThatAnotherHasStopsTheStart) {
  auto squatter = TcpServer::Start({IpAddress::LoopbackV4(), 0}, EchoHandler());
  ASSERT_TRUE(squatter.ok());
  auto daemon = Daemon::Start({.flags = {"--observe", (*squatter)->address().ToString()}});
  ASSERT_FALSE(daemon.ok());
  EXPECT_NE(daemon.status().message().find("--observe: cannot listen on"), std::string::npos) << daemon.status();
}

TEST_F(Observe, IsReadyOnceTheDialerThatItNeedsHasReachedItsFarSide) {
  const uint16_t wire = FreePort();
  auto daemon = Daemon::Start({.flags = Flags({"--ready-requires", "dialer/far"})});
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  const Answer before = Fetch(port_, "/readyz");
  EXPECT_EQ(before.code, "503");
  EXPECT_EQ(before.body, "dialer/far has no session\n");
  EXPECT_EQ(Fetch(port_, "/livez").code, "200");
  auto app = TcpServer::Start({IpAddress::LoopbackV4(), 0}, EchoHandler());
  ASSERT_TRUE(app.ok());
  auto other = StartWith(QuicListener("wire", absl::StrCat("127.0.0.1:", wire), {}) + ForwardDirect("in", "wire", (*app)->address().ToString()));
  ASSERT_TRUE(other.ok()) << other.status();
  const RunResult applied = (*daemon)->Apply(QuicDialer("far", absl::StrCat("127.0.0.1:", wire), {}, "min_sessions: 1"));
  ASSERT_EQ(applied.exit_code, 0) << applied.err;
  EXPECT_TRUE(Eventually([&] { return Fetch(port_, "/readyz").code == "200"; })) << (*daemon)->Log();
}

TEST_F(Observe, WhoDrainsStaysReadyUnlessItIsToldOtherwise) {
  for (const bool unready : {false, true}) {
    auto daemon = Daemon::Start({.flags = Flags(unready ? std::vector<std::string>{"--unready-on-drain"} : std::vector<std::string>())});
    ASSERT_TRUE(daemon.ok()) << daemon.status();
    ASSERT_EQ((*daemon)->Ctl({"call", "DaemonService/StartDrain", "-d", "{}"}).exit_code, 0);
    const std::string wanted = unready ? "503" : "200";
    EXPECT_TRUE(Eventually([&] { return Fetch(port_, "/readyz").code == wanted; }));
    EXPECT_EQ(Fetch(port_, "/livez").code, "200");
  }
}

}  // namespace
}  // namespace culvert::testing
