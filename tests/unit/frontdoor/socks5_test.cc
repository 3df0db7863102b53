#include "core/frontdoor/socks5.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/unit/frontdoor/outcome.h"

namespace culvert::frontdoor {
namespace {

using namespace std::string_literals;
using State = Door::State;

const std::string kNone = "\x05\x01\x00"s;                                // greeting: no authentication
const std::string kPassword = "\x05\x02\x00\x02"s;                        // greeting: either
const std::string kAnn = "\x01\x03"s + "ann" + "\x06" + "secret";         // credentials
const std::string kToV4 = "\x05\x01\x00\x01\x01\x02\x03\x04\x00\x50"s;    // CONNECT 1.2.3.4:80
const std::string kToName = "\x05\x01\x00\x03\x02"s + "db" + "\x15\x38";  // CONNECT db:5432
const std::string kUdp = "\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00"s;     // UDP ASSOCIATE 0.0.0.0:0
const std::string kZeroAddress = "\x00\x01\x00\x00\x00\x00\x00\x00"s;

std::unique_ptr<Door> Open() { return CreateSocks5Door(nullptr); }

std::unique_ptr<Door> Guarded() {
  SeededRandom random(1);
  return CreateSocks5Door(*UserTable::Parse("ann:secret", random));
}

// The outcome is the same however the bytes are cut.
Outcome Of(const MakeDoor& make, std::string_view bytes) {
  const Outcome whole = Feed(*make(), bytes, bytes.size());
  for (const size_t piece : {1, 2, 3, 5, 7}) EXPECT_EQ(Feed(*make(), bytes, piece), whole) << "in pieces of " << piece;
  return whole;
}

std::string Reply(char code) { return "\x05"s + code + kZeroAddress; }

TEST(Socks5, ConnectsToAnAddress) {
  const Outcome outcome = Of(Open, kNone + kToV4);
  EXPECT_EQ(outcome.state, State::kRequested);
  EXPECT_EQ(outcome.request, (Request{.network = Network::kTcp, .destination = {"1.2.3.4", 80}}));
  EXPECT_EQ(outcome.output, "\x05\x00"s);
}

TEST(Socks5, ConnectsToANameAndToIpv6) {
  EXPECT_EQ(Of(Open, kNone + kToName).request.destination, (HostPort{"db", 5432}));
  const std::string v6 = "\x05\x01\x00\x04\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x01\xbb"s;
  EXPECT_EQ(Of(Open, kNone + v6).request.destination, (HostPort{"2001:db8::1", 443}));
  const std::string longest(255, 'x');
  EXPECT_EQ(Of(Open, kNone + "\x05\x01\x00\x03\xff"s + longest + "\x00\x50"s).request.destination, (HostPort{longest, 80}));
}

TEST(Socks5, AssociatesUdp) {
  const Outcome outcome = Of(Open, kNone + kUdp);
  EXPECT_EQ(outcome.state, State::kRequested);
  EXPECT_EQ(outcome.request, (Request{.network = Network::kUdp, .destination = {"0.0.0.0", 0}}));
}

TEST(Socks5, LeavesWhatFollowsTheRequest) {
  const Outcome outcome = Of(Open, kNone + kToV4 + "\x05\x01 application data");
  EXPECT_EQ(outcome.state, State::kRequested);
  EXPECT_EQ(outcome.taken, kNone.size() + kToV4.size());
  EXPECT_EQ(outcome.output, "\x05\x00"s);
}

TEST(Socks5, WaitsForEveryByte) {
  const std::string bytes = kPassword + kAnn + kToName;
  for (size_t size = 0; size < bytes.size(); ++size) {
    const Outcome outcome = Feed(*Guarded(), bytes.substr(0, size), bytes.size());
    EXPECT_EQ(outcome.state, State::kReading) << size;
    EXPECT_EQ(outcome.taken, size);
  }
  EXPECT_EQ(Of(Guarded, bytes).state, State::kRequested);
}

TEST(Socks5, ChecksNameAndPassword) {
  const Outcome outcome = Of(Guarded, kPassword + kAnn + kToV4);
  EXPECT_EQ(outcome.state, State::kRequested);
  EXPECT_EQ(outcome.output, "\x05\x02\x01\x00"s);
  for (const std::string& credentials : {"\x01\x03"s + "ann" + "\x06" + "Secret", "\x01\x03"s + "bob" + "\x06" + "secret",
                                         "\x01\x00\x06"s + "secret", "\x01\x03"s + "ann" + "\x00"s, "\x01\x00\x00"s}) {
    const Outcome refused = Of(Guarded, kPassword + credentials + kToV4);
    EXPECT_EQ(refused.state, State::kRefused);
    EXPECT_EQ(refused.refusal, Refusal::kUnauthenticated);
    EXPECT_EQ(refused.output, "\x05\x02\x01\x01"s);
    EXPECT_EQ(refused.taken, kPassword.size() + credentials.size());
    EXPECT_EQ(refused.message, "wrong user name or password");
  }
  const Outcome other_form = Of(Guarded, kPassword + "\x05\x03" + kAnn.substr(2));
  EXPECT_EQ(other_form.refusal, Refusal::kMalformed);
  EXPECT_EQ(other_form.output, "\x05\x02\x01\x01"s);
}

TEST(Socks5, TakesTheLongestCredentials) {
  const std::string name(255, 'n');
  const std::string password(255, 'p');
  SeededRandom random(1);
  const auto users = *UserTable::Parse(name + ":" + password, random);
  const Outcome outcome = Of([&] { return CreateSocks5Door(users); }, kPassword + "\x01\xff" + name + "\xff" + password + kToV4);
  EXPECT_EQ(outcome.state, State::kRequested);
}

TEST(Socks5, RefusesMethodsItDoesNotTake) {
  std::string all_but_one = "\x05\xff"s;
  for (int method = 0; method < 256; ++method) {
    if (method != 2) all_but_one += static_cast<char>(method);
  }
  struct Case {
    MakeDoor make;
    std::string greeting;
  };
  for (const Case& test : {Case{Open, "\x05\x00"s}, Case{Open, "\x05\x01\x02"s}, Case{Open, "\x05\x02\x01\xff"s},
                           Case{Guarded, "\x05\x01\x00"s}, Case{Guarded, "\x05\x00"s}, Case{Guarded, all_but_one}}) {
    const Outcome outcome = Of(test.make, test.greeting + kToV4);
    EXPECT_EQ(outcome.state, State::kRefused);
    EXPECT_EQ(outcome.refusal, Refusal::kUnauthenticated);
    EXPECT_EQ(outcome.output, "\x05\xff"s);
    EXPECT_EQ(outcome.taken, test.greeting.size());
  }
}

TEST(Socks5, RefusesMalformedRequests) {
  struct Case {
    std::string request;
    char reply;
    Refusal refusal;
  };
  const std::vector<Case> cases = {
      {"\x04\x01\x00\x01\x01\x02\x03\x04\x00\x50"s, 1, Refusal::kMalformed},     // version
      {"\x05\x01\x01\x01\x01\x02\x03\x04\x00\x50"s, 1, Refusal::kMalformed},     // reserved
      {"\x05\x01\x00\x01\x01\x02\x03\x04\x00\x00"s, 1, Refusal::kMalformed},     // port 0
      {"\x05\x01\x00\x03\x02"s + "db\x00\x00"s, 1, Refusal::kMalformed},         // port 0
      {"\x05\x01\x00\x03\x00\x00\x50"s, 1, Refusal::kMalformed},                 // no name
      {"\x05\x01\x00\x03\x02"s + "d\0\x00\x50"s, 1, Refusal::kMalformed},        // NUL
      {"\x05\x01\x00\x03\x02"s + "d\n\x00\x50"s, 1, Refusal::kMalformed},        // control character
      {"\x05\x01\x00\x03\x02"s + "d \x00\x50"s, 1, Refusal::kMalformed},         // space
      {"\x05\x01\x00\x03\x04"s + "d]:5\x00\x50"s, 1, Refusal::kMalformed},       // would read as another destination
      {"\x05\x01\x00\x03\x01\xff\x00\x50"s, 1, Refusal::kMalformed},             // not UTF-8
      {"\x05\x03\x00\x03\x00\x00\x00"s, 1, Refusal::kMalformed},                 // UDP, no name
      {"\x05\x02\x00\x01\x01\x02\x03\x04\x00\x50"s, 7, Refusal::kNotSupported},  // BIND
      {"\x05\x00\x00\x01\x01\x02\x03\x04\x00\x50"s, 7, Refusal::kNotSupported},  // no command
      {"\x05\xff\x00\x03\x02"s + "db\x00\x50"s, 7, Refusal::kNotSupported},
      {"\x05\x01\x00\x02\x01\x02\x03\x04\x00\x50"s, 8, Refusal::kNotSupported},  // address type
      {"\x05\x01\x00\x00\x01\x02\x03\x04\x00\x50"s, 8, Refusal::kNotSupported},
      {"\x05\x02\x00\xff\x01\x02\x03\x04\x00\x50"s, 8, Refusal::kNotSupported},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(testing::PrintToString(test.request));
    const Outcome outcome = Of(Open, kNone + test.request);
    EXPECT_EQ(outcome.state, State::kRefused);
    EXPECT_EQ(outcome.refusal, test.refusal);
    EXPECT_FALSE(outcome.message.empty());
    EXPECT_EQ(outcome.output, "\x05\x00"s + Reply(test.reply));
  }
}

TEST(Socks5, AnswersOtherProtocolsInTheirOwnWords) {
  const Outcome socks4 = Of(Open, "\x04\x01\x00\x50\x01\x02\x03\x04\x00"s);
  EXPECT_EQ(socks4.refusal, Refusal::kMalformed);
  EXPECT_EQ(socks4.output, "\x00\x5b\x00\x00\x00\x00\x00\x00"s);
  const Outcome http = Of(Open, "GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(http.refusal, Refusal::kMalformed);
  EXPECT_TRUE(http.output.starts_with("HTTP/1.1 400 ")) << http.output;
  EXPECT_NE(http.output.find("SOCKS5"), std::string::npos);
  const std::string body = http.output.substr(http.output.find("\r\n\r\n") + 4);
  EXPECT_NE(http.output.find("Content-Length: " + std::to_string(body.size()) + "\r\n"), std::string::npos) << http.output;
  for (const char first : {'\0', '\x01', '\x06', '\x16', 'a', '\xff'}) {
    const Outcome other = Of(Open, std::string(1, first) + kToV4);
    EXPECT_EQ(other.refusal, Refusal::kMalformed);
    EXPECT_EQ(other.output, "");
    EXPECT_EQ(other.taken, 1u);
  }
}

TEST(Socks5, EveryAnswerHasItsReply) {
  for (size_t i = 1; i < kRefusalCount; ++i) {
    const auto refusal = static_cast<Refusal>(i);
    const char expected = refusal == Refusal::kDestinationDenied ? 2
                          : refusal == Refusal::kUnreachable     ? 3
                          : refusal == Refusal::kResolveFailed   ? 4
                          : refusal == Refusal::kConnectRefused  ? 5
                          : refusal == Refusal::kConnectTimeout  ? 6
                          : refusal == Refusal::kNotSupported    ? 7
                                                                 : 1;
    SCOPED_TRACE(RefusalName(refusal));
    const auto door = Open();
    Feed(*door, kNone + kToV4, 100);
    door->Answer(refusal, "why\n\x01not", *SocketAddress::Parse("9.9.9.9:9"));
    EXPECT_EQ(TakeOutput(*door), Reply(expected));
    EXPECT_EQ(door->state(), State::kRefused);
    EXPECT_EQ(door->refusal(), refusal);
    EXPECT_EQ(door->refusal_message(), "why??not");
    EXPECT_EQ(door->OnBytes(AsBytes("more")), 0u);
  }
}

TEST(Socks5, AnOpenRequestIsAnsweredWithTheBoundAddress) {
  struct Case {
    SocketAddress bound;
    std::string reply;
  };
  for (const Case& test :
       {Case{{}, Reply(0)}, Case{*SocketAddress::Parse("127.0.0.1:4660"), "\x05\x00\x00\x01\x7f\x00\x00\x01\x12\x34"s},
        Case{*SocketAddress::Parse("[::1]:80"), "\x05\x00\x00\x04"s + std::string(15, '\0') + "\x01\x00\x50"s}}) {
    const auto door = Open();
    Feed(*door, kNone + kUdp, 100);
    door->Answer(Refusal::kNone, "", test.bound);
    EXPECT_EQ(TakeOutput(*door), test.reply);
    EXPECT_EQ(door->state(), State::kDone);
    EXPECT_EQ(door->request().network, Network::kUdp);
    EXPECT_EQ(door->OnBytes(AsBytes("more")), 0u);
  }
}

}  // namespace
}  // namespace culvert::frontdoor
