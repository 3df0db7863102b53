#include "core/frontdoor/http_connect.h"

#include <gtest/gtest.h>

#include <vector>

#include "absl/strings/escaping.h"
#include "core/frontdoor/basic_credentials.h"
#include "tests/unit/frontdoor/outcome.h"

namespace culvert::frontdoor {
namespace {

using namespace std::string_literals;
using State = Door::State;

const std::string kHead = "CONNECT db.example:443 HTTP/1.1\r\nHost: db.example:443\r\nUser-Agent: x\r\n\r\n";

std::unique_ptr<Door> Open() { return CreateHttpConnectDoor(nullptr); }

std::shared_ptr<const UserTable> Users() {
  SeededRandom random(1);
  return *UserTable::Parse("ann:secret\nbob:a:b", random);
}

std::unique_ptr<Door> Guarded() { return CreateHttpConnectDoor(Users()); }

Outcome Of(const MakeDoor& make, std::string_view bytes) {
  const Outcome whole = Feed(*make(), bytes, bytes.size());
  for (const size_t piece : {1, 2, 3, 7, 100}) EXPECT_EQ(Feed(*make(), bytes, piece), whole) << "in pieces of " << piece;
  return whole;
}

int StatusOf(std::string_view output) {
  return output.starts_with("HTTP/1.1 ") && output.size() > 12 ? std::stoi(std::string(output.substr(9, 3))) : 0;
}

std::string FieldOf(std::string_view output, std::string_view name) {
  const std::string start = "\r\n" + std::string(name) + ": ";
  const size_t at = output.find(start);
  if (at == std::string_view::npos) return "<none>";
  const std::string_view rest = output.substr(at + start.size());
  return std::string(rest.substr(0, rest.find("\r\n")));
}

// Every error is a whole response that ends where it says.
void ExpectGoodResponse(const std::string& output) {
  const size_t head_end = output.find("\r\n\r\n");
  ASSERT_NE(head_end, std::string::npos);
  const std::string body = output.substr(head_end + 4);
  EXPECT_EQ(FieldOf(output, "Content-Length"), std::to_string(body.size()));
  EXPECT_EQ(FieldOf(output, "Connection"), "close");
  EXPECT_EQ(FieldOf(output, "Content-Type"), "text/plain; charset=utf-8");
  EXPECT_TRUE(FieldOf(output, "Proxy-Status").starts_with("culvert; error=")) << output;
  EXPECT_EQ(body.find('\n'), body.size() - 1) << "one line: " << body;
}

TEST(HttpConnect, ReadsTheDestination) {
  const Outcome outcome = Of(Open, kHead);
  EXPECT_EQ(outcome.state, State::kRequested);
  EXPECT_EQ(outcome.request, (Request{.network = Network::kTcp, .destination = {"db.example", 443}}));
  EXPECT_EQ(outcome.output, "");
  EXPECT_EQ(outcome.taken, kHead.size());
}

TEST(HttpConnect, TakesWhatIsAllowed) {
  struct Case {
    std::string head;
    HostPort destination;
  };
  const std::vector<Case> cases = {
      {"CONNECT a:1 HTTP/1.0\r\n\r\n", {"a", 1}},
      {"CONNECT a:1 HTTP/1.1\n\n", {"a", 1}},
      {"CONNECT a:1 HTTP/1.1\nHost: b\r\n\n", {"a", 1}},
      {"CONNECT [2001:db8::1]:65535 HTTP/1.1\r\n\r\n", {"2001:db8::1", 65535}},
      {"CONNECT 10.0.0.1:80 HTTP/1.1\r\nhost:\r\n\r\n", {"10.0.0.1", 80}},
      {"CONNECT a:1 HTTP/1.1\r\nContent-Length: 0\r\n\r\n", {"a", 1}},
      {"CONNECT a:1 HTTP/1.1\r\nX:\tb \t c\t\r\n\r\n", {"a", 1}},
      {"CONNECT a:1 HTTP/1.1\r\nX: \xc3\xa9\xff\r\n\r\n", {"a", 1}},
      {"CONNECT a:1 HTTP/1.1\r\nProxy-Authorization: Basic eDp5\r\n\r\n", {"a", 1}},
      {"CONNECT a:1 HTTP/1.1\r\nProxy-Connection: keep-alive\r\nConnection: close, x\r\n\r\n", {"a", 1}},
      {"CONNECT " + std::string(255, 'h') + ":1 HTTP/1.1\r\n\r\n", {std::string(255, 'h'), 1}},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.head);
    const Outcome outcome = Of(Open, test.head + "\r\nGET");
    EXPECT_EQ(outcome.state, State::kRequested);
    EXPECT_EQ(outcome.request.destination, test.destination);
    EXPECT_EQ(outcome.taken, test.head.size()) << "what follows belongs to the application";
  }
}

TEST(HttpConnect, WaitsForEveryByte) {
  for (size_t size = 0; size < kHead.size(); ++size) {
    const Outcome outcome = Feed(*Open(), kHead.substr(0, size), kHead.size());
    EXPECT_EQ(outcome.state, State::kReading) << size;
    EXPECT_EQ(outcome.taken, size);
  }
}

TEST(HttpConnect, RefusesHostileHeads) {
  const std::string line = "CONNECT a:1 HTTP/1.1\r\n";
  std::string many_fields = line;
  for (int i = 0; i < 101; ++i) many_fields += "X: y\r\n";
  struct Case {
    std::string head;
    int status;
  };
  const std::vector<Case> cases = {
      // Request lines.
      {"\r\n" + kHead, 400},
      {" CONNECT a:1 HTTP/1.1\r\n\r\n", 400},
      {"CONNECT\r\n\r\n", 400},
      {"CONNECT a:1\r\n\r\n", 400},
      {"CONNECT  a:1 HTTP/1.1\r\n\r\n", 400},
      {"CONNECT a:1  HTTP/1.1\r\n\r\n", 400},
      {"CONNECT a:1 HTTP/1.1 \r\n\r\n", 400},
      {"CONNECT\ta:1\tHTTP/1.1\r\n\r\n", 400},
      {"CONNECT a:1 b:2 HTTP/1.1\r\n\r\n", 400},
      {"CONNECT a:1 HTTP/1.2\r\n\r\n", 400},
      {"CONNECT a:1 HTTP/2.0\r\n\r\n", 400},
      {"CONNECT a:1 http/1.1\r\n\r\n", 400},
      {"CONNECT a:1 HTTP/1.1x\r\n\r\n", 400},
      {"CONN\"ECT a:1 HTTP/1.1\r\n\r\n", 400},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
      {"\x16\x03\x01\x02\x00\x01\x00"s, 400},  // TLS
      {"\x05\x01\x00"s, 400},                  // SOCKS5
      // Targets.
      {"CONNECT  HTTP/1.1\r\n\r\n", 400},
      {"CONNECT a HTTP/1.1\r\n\r\n", 400},
      {"CONNECT a: HTTP/1.1\r\n\r\n", 400},
      {"CONNECT :1 HTTP/1.1\r\n\r\n", 400},
      {"CONNECT a:0 HTTP/1.1\r\n\r\n", 400},
      {"CONNECT a:65536 HTTP/1.1\r\n\r\n", 400},
      {"CONNECT a:+1 HTTP/1.1\r\n\r\n", 400},
      {"CONNECT a:-1 HTTP/1.1\r\n\r\n", 400},
      {"CONNECT a:1x HTTP/1.1\r\n\r\n", 400},
      {"CONNECT a:99999999999999999999 HTTP/1.1\r\n\r\n", 400},
      {"CONNECT ::1:80 HTTP/1.1\r\n\r\n", 400},
      {"CONNECT [::1] HTTP/1.1\r\n\r\n", 400},
      {"CONNECT [::1:80 HTTP/1.1\r\n\r\n", 400},
      {"CONNECT [db]:80 HTTP/1.1\r\n\r\n", 400},
      {"CONNECT [fe80::1%eth0]:80 HTTP/1.1\r\n\r\n", 400},
      {"CONNECT user@a:1 HTTP/1.1\r\n\r\n", 400},
      {"CONNECT http://a:1 HTTP/1.1\r\n\r\n", 400},
      {"CONNECT http://a:1/ HTTP/1.1\r\n\r\n", 400},
      {"CONNECT /a:1 HTTP/1.1\r\n\r\n", 400},
      {"CONNECT a%00:1 HTTP/1.1\r\n\r\n", 400},
      {"CONNECT a\xc3\xa9:1 HTTP/1.1\r\n\r\n", 400},
      {"CONNECT a\0b:1 HTTP/1.1\r\n\r\n"s, 400},
      {"CONNECT " + std::string(256, 'h') + ":1 HTTP/1.1\r\n\r\n", 400},
      // Fields.
      {line + " X: folded\r\n\r\n", 400},
      {line + "X: y\r\n folded\r\n\r\n", 400},
      {line + "X: y\r\n\tfolded\r\n\r\n", 400},
      {line + "X : y\r\n\r\n", 400},
      {line + "X\t: y\r\n\r\n", 400},
      {line + ": y\r\n\r\n", 400},
      {line + "X\r\n\r\n", 400},
      {line + "X(: y\r\n\r\n", 400},
      {line + "X\xc3\xa9: y\r\n\r\n", 400},
      {line + "X: \0\r\n\r\n"s, 400},
      {line + "X: \x1b[2J\r\n\r\n", 400},
      {line + "X: \x7f\r\n\r\n", 400},
      {line + "X: a\rb\r\n\r\n", 400},
      {line + "X: a\r\r\n\r\n", 400},
      {line + "\r\r\n", 400},
      {line + "Host: a\r\nhost: a\r\n\r\n", 400},
      {line + "Proxy-Authorization: Basic eDp5\r\nProxy-Authorization: Basic eDp5\r\n\r\n", 400},
      {line + "Content-Length: 1\r\n\r\n", 400},
      {line + "Content-Length: 00\r\n\r\n", 400},
      {line + "Content-Length: 0, 5\r\n\r\n", 400},
      {line + "Content-Length: 0\r\nContent-Length: 5\r\n\r\n", 400},
      {line + "CONTENT-LENGTH:\r\n\r\n", 400},
      {line + "Transfer-Encoding: chunked\r\n\r\n", 400},
      {line + "transfer-encoding:\r\n\r\n", 400},
      {line + "Transfer-Encoding : chunked\r\n\r\n", 400},
      // Other methods.
      {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 405},
      {"GET http://a/ HTTP/1.1\r\n\r\n", 405},
      {"OPTIONS * HTTP/1.1\r\n\r\n", 405},
      {"connect a:1 HTTP/1.1\r\n\r\n", 405},
      {"CONNECTS a:1 HTTP/1.1\r\n\r\n", 405},
      {"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 405},
      {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 405},
      {"GET / HTTP/1.1\r\nX : y\r\n\r\n", 400},
      // Sizes.
      {many_fields + "\r\n", 431},
      {line + "X: " + std::string(Door::kMaxBytes, 'x'), 431},
      {std::string(Door::kMaxBytes + 1, 'G'), 431},
  };
  ASSERT_GE(cases.size(), 40u);
  for (const Case& test : cases) {
    SCOPED_TRACE(testing::PrintToString(test.head.substr(0, 80)));
    const Outcome outcome = Of(Open, test.head);
    EXPECT_EQ(outcome.state, State::kRefused);
    EXPECT_EQ(StatusOf(outcome.output), test.status) << outcome.output;
    EXPECT_EQ(outcome.refusal, test.status == 405 ? Refusal::kNotSupported : Refusal::kMalformed);
    EXPECT_EQ(FieldOf(outcome.output, "Allow"), test.status == 405 ? "CONNECT" : "<none>");
    EXPECT_FALSE(outcome.message.empty());
    ExpectGoodResponse(outcome.output);
  }
}

TEST(HttpConnect, TheLargestHeadIsTaken) {
  const std::string start = "CONNECT a:1 HTTP/1.1\r\nX: ";
  const std::string end = "\r\n\r\n";
  const std::string head = start + std::string(Door::kMaxBytes - start.size() - end.size(), 'x') + end;
  EXPECT_EQ(Of(Open, head).state, State::kRequested);
  std::string fields = "CONNECT a:1 HTTP/1.1\r\n";
  for (int i = 0; i < 100; ++i) fields += "X: y\r\n";
  EXPECT_EQ(Of(Open, fields + "\r\n").state, State::kRequested);
}

std::string WithCredentials(std::string_view value) {
  return "CONNECT a:1 HTTP/1.1\r\nProxy-Authorization: " + std::string(value) + "\r\n\r\n";
}

TEST(HttpConnect, ChecksCredentials) {
  for (const std::string& value : {"Basic " + absl::Base64Escape("ann:secret"), "basic   " + absl::Base64Escape("bob:a:b"),
                                   "BASIC " + absl::Base64Escape("ann:secret") + "  "}) {
    EXPECT_EQ(Of(Guarded, WithCredentials(value)).state, State::kRequested) << value;
  }
  const std::string good = absl::Base64Escape("ann:secret");
  for (const std::string& value :
       {""s, "Basic"s, "Basic "s, good, "Bearer " + good, "Basic " + absl::Base64Escape("ann:Secret"),
        "Basic " + absl::Base64Escape("secret"), "Basic " + absl::Base64Escape(":secret"), "Basic " + absl::Base64Escape("ann:"),
        "Basic " + good.substr(0, good.size() - 1), "Basic " + good + "=", "Basic " + good + "====", "Basic ===="s,
        "Basic " + good.substr(0, 4) + " " + good.substr(4), "Basic\t" + good,
        "Basic " + absl::Base64Escape("ann:secret" + std::string(600, 'x')), "Basic " + std::string(4000, 'A')}) {
    SCOPED_TRACE(value);
    const Outcome outcome = Of(Guarded, WithCredentials(value));
    EXPECT_EQ(outcome.state, State::kRefused);
    EXPECT_EQ(outcome.refusal, Refusal::kUnauthenticated);
    EXPECT_EQ(StatusOf(outcome.output), 407);
    EXPECT_EQ(FieldOf(outcome.output, "Proxy-Authenticate"), "Basic realm=\"culvert\"");
    EXPECT_EQ(outcome.message, "wrong user name or password");
    ExpectGoodResponse(outcome.output);
  }
  const Outcome without = Of(Guarded, kHead);
  EXPECT_EQ(StatusOf(without.output), 407);
  EXPECT_EQ(without.message, "user name and password are required");
}

TEST(BasicCredentials, TakesOnlyCanonicalBase64) {
  const auto users = Users();
  EXPECT_TRUE(AdmitsBasic(*users, "Basic Ym9iOmE6Yg=="));   // bob:a:b
  EXPECT_FALSE(AdmitsBasic(*users, "Basic Ym9iOmE6Yh=="));  // the same with a spare bit set
  EXPECT_FALSE(AdmitsBasic(*users, "Basic Ym9iOmE6Yg"));
  EXPECT_FALSE(AdmitsBasic(*users, "Basic Ym9iOmE6Yg="));
  EXPECT_FALSE(AdmitsBasic(*users, "Basic Ym9iOmE6Y-=="));
  const std::string name(255, 'n');
  const std::string password(255, 'p');
  SeededRandom random(1);
  const auto longest = *UserTable::Parse(name + ":" + password, random);
  EXPECT_TRUE(AdmitsBasic(*longest, "Basic " + absl::Base64Escape(name + ":" + password)));
}

TEST(HttpConnect, EveryAnswerHasItsStatus) {
  struct Case {
    int status;
    std::string error;
  };
  const std::vector<Case> cases = {{200, ""},
                                   {403, "destination_ip_prohibited"},
                                   {502, "dns_error"},
                                   {502, "connection_refused"},
                                   {504, "connection_timeout"},
                                   {502, "destination_ip_unroutable"},
                                   {503, "destination_unavailable"},
                                   {500, "proxy_internal_error"},  // malformed, in the eyes of the far side
                                   {503, "connection_limit_reached"},
                                   {501, "proxy_configuration_error"},
                                   {500, "proxy_internal_error"},  // unauthenticated
                                   {502, "destination_unavailable"},
                                   {500, "proxy_configuration_error"},  // header mismatch
                                   {503, "proxy_internal_error"},
                                   {500, "proxy_internal_error"}};
  ASSERT_EQ(cases.size(), kRefusalCount);
  for (size_t i = 1; i < kRefusalCount; ++i) {
    const auto refusal = static_cast<Refusal>(i);
    SCOPED_TRACE(RefusalName(refusal));
    const auto door = Open();
    Feed(*door, kHead, kHead.size());
    door->Answer(refusal, "no \"way\" \\ out\r\nX: \u00fc", {});
    const std::string output = TakeOutput(*door);
    EXPECT_EQ(StatusOf(output), cases[i].status);
    EXPECT_EQ(HttpConnectStatus(refusal), cases[i].status);
    EXPECT_EQ(FieldOf(output, "Proxy-Status"), "culvert; error=" + cases[i].error + "; details=\"no \\\"way\\\" \\\\ out??X: ??\"");
    EXPECT_TRUE(output.ends_with("\r\n\r\nculvert: no \"way\" \\ out??X: \u00fc\n")) << output;
    ExpectGoodResponse(output);
    EXPECT_EQ(door->state(), State::kRefused);
    EXPECT_EQ(door->refusal(), refusal);
    EXPECT_EQ(door->refusal_message(), "no \"way\" \\ out??X: \u00fc");
    EXPECT_EQ(door->OnBytes(AsBytes("more")), 0u);
  }
}

TEST(HttpConnect, AnAnswerWithoutMessageSaysItsReason) {
  const auto door = Open();
  Feed(*door, kHead, kHead.size());
  door->Answer(Refusal::kConnectRefused, "", {});
  EXPECT_TRUE(TakeOutput(*door).ends_with("\r\n\r\nculvert: CONNECT_REFUSED\n"));
}

TEST(HttpConnect, AnOpenTunnelHasNoBody) {
  const auto door = Open();
  Feed(*door, kHead, kHead.size());
  door->Answer(Refusal::kNone, "", *SocketAddress::Parse("1.2.3.4:5"));
  EXPECT_EQ(TakeOutput(*door), "HTTP/1.1 200 Connection established\r\n\r\n");
  EXPECT_EQ(door->state(), State::kDone);
  EXPECT_EQ(door->OnBytes(AsBytes("more")), 0u);
}

}  // namespace
}  // namespace culvert::frontdoor
