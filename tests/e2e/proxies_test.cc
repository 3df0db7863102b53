// SOCKS5 and HTTP CONNECT in front of a tunnel, with curl and dig; what may be named; connect, events, streams and flows on the command line.
#include <gtest/gtest.h>

#include <map>
#include <thread>

#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "tests/e2e/tunnel_pair.h"
#include "tests/testing/daemon.h"
#include "tests/testing/free_port.h"
#include "tests/testing/socks_udp_client.h"
#include "tests/testing/tcp_server.h"
#include "tests/testing/tools.h"
#include "tests/testing/udp_peer.h"

namespace culvert::testing {
namespace {

using std::chrono::seconds;

constexpr std::string_view kBody = "a page behind the tunnel\n";

// A web server of one page.
void ServePage(TcpStream& stream) {
  std::string head;
  while (head.find("\r\n\r\n") == std::string::npos) {
    const auto more = stream.ReadText(1);
    if (!more.ok()) return;
    head += *more;
  }
  static_cast<void>(stream.Write(absl::StrFormat("HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", kBody.size(), std::string(kBody))));
}

class Proxies : public ::testing::TestWithParam<const char*> {
 protected:
  // Near: SOCKS5 and HTTP CONNECT, each with and without users, through a tunnel of the parameter's transport. Far: what it allows.
  void Start(const std::string& allowed) {
    auto server = TcpServer::Start({IpAddress::LoopbackV4(), 0}, ServePage);
    ASSERT_TRUE(server.ok());
    server_ = *std::move(server);
    const uint16_t wire = FreePort();
    const std::string transport = GetParam();
    const std::string kcp = transport == "KCP" ? ", kcp: {seed_file: seed}" : "";
    auto far = StartWith(absl::StrFormat(
        "apiVersion: culvert/v1\nkind: Listener\nmetadata: {name: wire}\nspec: {transport: %s, bind: \"127.0.0.1:%d\", stream_header: CULVERT%s}\n---\n"
        "apiVersion: culvert/v1\nkind: Forward\nmetadata: {name: out}\nspec: {listener: wire, allowed_destinations: [%s]}\n",
        transport, wire, kcp, allowed));
    ASSERT_TRUE(far.ok()) << far.status();
    far_ = *std::move(far);
    std::string manifest = absl::StrFormat(
        "apiVersion: culvert/v1\nkind: Dialer\nmetadata: {name: far}\n"
        "spec: {transport: %s, targets: [\"127.0.0.1:%d\"], stream_header: CULVERT%s%s}\n",
        transport, wire, kcp, transport == "QUIC" ? ", insecure: true" : "");
    for (const char* protocol : {"SOCKS5", "HTTP_CONNECT"}) {
      for (const bool has_users : {false, true}) {
        const uint16_t port = FreePort();
        ports_[{protocol, has_users}] = port;
        const std::string name = absl::StrFormat("%s-%s", std::string(protocol) == "SOCKS5" ? "socks" : "http", has_users ? "users" : "open");
        manifest += absl::StrFormat(
            "---\napiVersion: culvert/v1\nkind: Listener\nmetadata: {name: %s}\nspec: {transport: TCP, bind: \"127.0.0.1:%d\", protocol: %s%s}\n"
            "---\napiVersion: culvert/v1\nkind: Forward\nmetadata: {name: %s}\nspec: {listener: %s, dialer: far}\n",
            name, port, protocol, has_users ? ", users_file: users" : "", name, name);
      }
    }
    auto near = Daemon::Start();
    ASSERT_TRUE(near.ok()) << near.status();
    near_ = *std::move(near);
    near_->directory().Write("seed", TunnelPair::kSeed, 0600);
    near_->directory().Write("users", "# who may\nalice:open sesame\n", 0600);
    const RunResult applied = near_->Apply(manifest);
    ASSERT_EQ(applied.exit_code, 0) << applied.err;
  }
  std::string Page() const { return absl::StrFormat("http://127.0.0.1:%d/", server_->port()); }
  SocketAddress Socks(bool has_users = false) const { return {IpAddress::LoopbackV4(), ports_.at({"SOCKS5", has_users})}; }
  RunResult Curl(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"curl", "--silent", "--show-error", "--max-time", "10", "--noproxy", ""});
    return RunProgram(arguments, seconds(20));
  }
  std::string Proxy(const char* protocol, bool has_users, const std::string& user = "") const {
    const char* scheme = std::string(protocol) == "SOCKS5" ? "socks5h" : "http";
    return absl::StrFormat("%s://%s127.0.0.1:%d", scheme, user.empty() ? "" : user + "@", ports_.at({protocol, has_users}));
  }

  std::unique_ptr<TcpServer> server_;
  std::unique_ptr<Daemon> far_, near_;
  std::map<std::pair<std::string, bool>, uint16_t> ports_;
};

TEST_P(Proxies, Curl) {
  if (FindProgram("curl").empty()) GTEST_FAIL() << "curl is missing: run deploy/setup";
  Start("\"127.0.0.0/8:*\"");
  if (HasFatalFailure()) return;
  for (const char* protocol : {"SOCKS5", "HTTP_CONNECT"}) {
    SCOPED_TRACE(protocol);
    const RunResult open = Curl({"--proxytunnel", "--proxy", Proxy(protocol, false), Page()});
    EXPECT_EQ(open.out, kBody) << open.err;
    const RunResult user = Curl({"--proxytunnel", "--proxy", Proxy(protocol, true, "alice:open%20sesame"), Page()});
    EXPECT_EQ(user.out, kBody) << user.err;
    for (const char* wrong : {"", "alice:wrong", "bob:open%20sesame"}) {
      const RunResult refused = Curl({"--proxytunnel", "--proxy", Proxy(protocol, true, wrong), Page()});
      EXPECT_NE(refused.exit_code, 0) << wrong;
      EXPECT_EQ(refused.out, "");
    }
  }
  const auto status = nlohmann::json::parse(near_->GetJson("forward/socks-users"))["status"];
  EXPECT_EQ(status["refusedStreams"]["UNAUTHENTICATED"], "3");
  EXPECT_EQ(near_->Log().find("open sesame"), std::string::npos) << "a password in the log";
}

TEST_P(Proxies, WhatMayNotBeNamed) {
  Start("\"localhost:*\", \"*.example.com:443\", \"*:80\"");
  if (HasFatalFailure()) return;
  // Metadata, loopback by any spelling and by a name, what the list does not have.
  for (const std::string& target : {std::string("http://169.254.169.254/"), Page(), absl::StrFormat("http://localhost:%d/", server_->port()),
                                   std::string("http://[::1]/"), std::string("http://0x7f.1/"), std::string("http://0.0.0.0/"),
                                   std::string("https://10.0.0.1:8443/")}) {
    for (const char* protocol : {"SOCKS5", "HTTP_CONNECT"}) {
      const RunResult refused = Curl({"--proxytunnel", "--proxy", Proxy(protocol, false), target});
      EXPECT_NE(refused.exit_code, 0) << target;
      EXPECT_EQ(refused.out, "") << target;
    }
  }
  EXPECT_EQ(server_->accepted(), 0u);
  const RunResult events = near_->Ctl({"events", "--types", "Warning"});
  EXPECT_NE(events.out.find("StreamRefused"), std::string::npos) << events.out;
  EXPECT_NE(events.out.find("DESTINATION_DENIED"), std::string::npos) << events.out;
  const auto status = nlohmann::json::parse(far_->GetJson("forward/out"))["status"];
  EXPECT_TRUE(status["refusedStreams"].contains("DESTINATION_DENIED"));
}

// A real DNS client and server on either side of UDP ASSOCIATE.
TEST_P(Proxies, DigThroughUdpAssociate) {
  if (FindProgram("dig").empty() || FindProgram("dnsmasq").empty()) GTEST_FAIL() << "dig or dnsmasq is missing: run deploy/setup";
  Start("\"127.0.0.0/8:*\"");
  if (HasFatalFailure()) return;
  const uint16_t dns = FreePort();
  ProcessOptions options;
  options.arguments = {FindProgram("dnsmasq"), "--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--bind-interfaces",
                       "--listen-address=127.0.0.1", absl::StrFormat("--port=%d", dns), "--address=/db.culvert.test/10.11.12.13",
                       "--txt-record=long.culvert.test," + std::string(200, 'x') + "," + std::string(200, 'y'), "--log-facility=-", "--pid-file="};
  auto server = Process::Start(options);
  ASSERT_TRUE(server.ok()) << server.status();
  ASSERT_TRUE(server->WaitForOutput("started", seconds(10))) << server->Stderr();
  auto shim = SocksUdpClient::Start(Socks(true), {"127.0.0.1", dns}, "alice:open sesame");
  ASSERT_TRUE(shim.ok()) << shim.status();
  const auto dig = [&](const std::string& name, const std::string& type) {
    return RunProgram({"dig", "+short", "+tries=5", "+time=2", absl::StrFormat("-p%d", (*shim)->address().port), "@127.0.0.1", name, type}, seconds(20));
  };
  const RunResult answer = dig("db.culvert.test", "A");
  EXPECT_EQ(answer.out, "10.11.12.13\n") << answer.out << answer.err;
  const RunResult text = dig("long.culvert.test", "TXT");
  EXPECT_NE(text.out.find(std::string(200, 'y')), std::string::npos) << text.out;
  // It shows as a flow, and goes when it is closed.
  const auto flows = nlohmann::json::parse(near_->GetJson("udpflows"))["items"];
  ASSERT_EQ(flows.size(), 1u);
  EXPECT_EQ(flows[0]["destination"], absl::StrFormat("127.0.0.1:%d", dns));
  const RunResult names = near_->Ctl({"get", "udpflows", "-o", "name"});
  const RunResult closed = near_->Ctl({"close", names.out.substr(0, names.out.find('\n'))});
  EXPECT_EQ(closed.exit_code, 0) << closed.err;
  EXPECT_EQ(nlohmann::json::parse(near_->GetJson("udpflows"))["items"].size(), 0u);
}

TEST_P(Proxies, ConnectLikeNc) {
  Start("\"127.0.0.0/8:*\"");
  if (HasFatalFailure()) return;
  const std::string target = absl::StrFormat("127.0.0.1:%d", server_->port());
  const RunResult page = near_->Ctl({"connect", "dl/far", target}, "GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(page.exit_code, 0) << page.err;
  EXPECT_NE(page.out.find(kBody), std::string::npos) << page.out;
  const RunResult refused = near_->Ctl({"connect", "dl/far", "10.9.8.7:80"});
  EXPECT_EQ(refused.exit_code, 6);
  EXPECT_NE(refused.err.find("DESTINATION_DENIED"), std::string::npos) << refused.err;
  const RunResult nobody = near_->Ctl({"connect", "dl/nobody", target});
  EXPECT_EQ(nobody.exit_code, 3) << nobody.err;
  UdpPeer echo;
  std::thread answer([&] {
    if (const auto received = echo.Receive(seconds(10))) echo.SendTo(received->from, AsBytes("pong"));
  });
  const RunResult datagram = near_->Ctl({"connect", "dl/far", echo.address().ToString(), "--udp", "--timeout", "2s"}, "ping");
  answer.join();
  EXPECT_EQ(datagram.out, "pong") << datagram.err;
}

TEST_P(Proxies, AStreamIsListedAndClosed) {
  Start("\"127.0.0.0/8:*\"");
  if (HasFatalFailure()) return;
  auto silent = TcpServer::Start({IpAddress::LoopbackV4(), 0}, [](TcpStream& stream) { static_cast<void>(stream.ReadToEnd()); });
  ASSERT_TRUE(silent.ok());
  ProcessOptions options;
  options.arguments = {"curl", "--silent", "--max-time", "30", "--noproxy", "", "--proxy", Proxy("SOCKS5", false),
                       absl::StrFormat("http://127.0.0.1:%d/", (*silent)->port())};
  auto curl = Process::Start(options);
  ASSERT_TRUE(curl.ok());
  ASSERT_TRUE((*silent)->WaitForAccepted(1, seconds(10)));
  const auto streams = nlohmann::json::parse(near_->GetJson("streams"))["items"];
  ASSERT_EQ(streams.size(), 1u);
  EXPECT_EQ(streams[0]["destination"], absl::StrFormat("127.0.0.1:%d", (*silent)->port()));
  EXPECT_EQ(streams[0]["forward"], "socks-open");
  const RunResult names = near_->Ctl({"get", "streams", "-o", "name"});
  const RunResult closed = near_->Ctl({"close", names.out.substr(0, names.out.find('\n'))});
  EXPECT_EQ(closed.exit_code, 0) << closed.err;
  ASSERT_TRUE(curl->Wait(seconds(5)));
  EXPECT_TRUE((*silent)->WaitForActive(0, seconds(5)));
}

INSTANTIATE_TEST_SUITE_P(Transports, Proxies, ::testing::Values("KCP", "QUIC"));

}  // namespace
}  // namespace culvert::testing
