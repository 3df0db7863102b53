#include <gtest/gtest.h>

#include <vector>

#include "core/frontdoor/stream_header.h"
#include "tests/unit/frontdoor/outcome.h"

namespace culvert::frontdoor {
namespace {

using namespace std::string_literals;
using State = Door::State;

const std::string kMagic = "\x0d\x31\x54\x56\x43"s;

const Request kRequest = {.network = Network::kTcp, .destination = {"db", 5432}, .source = "10.0.0.9:40000", .forward = "web"};

std::string Written() {
  std::vector<uint8_t> out;
  AppendStreamOpen(kRequest, out);
  return std::string(AsText(out));
}

Outcome Of(std::string_view bytes) {
  const Outcome whole = Feed(*CreateAddressedDoor(), bytes, bytes.size());
  for (const size_t piece : {1, 2, 3, 5, 7, 20})
    EXPECT_EQ(Feed(*CreateAddressedDoor(), bytes, piece), whole) << "in pieces of " << piece;
  return whole;
}

TEST(AddressedDoor, ReadsTheRequestAndLeavesTheRest) {
  const Outcome outcome = Of(Written() + "application data");
  EXPECT_EQ(outcome.state, State::kRequested);
  EXPECT_EQ(outcome.request, kRequest);
  EXPECT_EQ(outcome.taken, Written().size());
  EXPECT_EQ(outcome.output, "");
}

TEST(AddressedDoor, WaitsForEveryByte) {
  for (size_t size = 0; size < Written().size(); ++size) {
    const Outcome outcome = Of(Written().substr(0, size));
    EXPECT_EQ(outcome.state, State::kReading);
    EXPECT_EQ(outcome.taken, size);
    EXPECT_EQ(outcome.output, "");
  }
}

TEST(AddressedDoor, AnswersWithAStreamAccept) {
  for (size_t i = 0; i < kRefusalCount; ++i) {
    const auto refusal = static_cast<Refusal>(i);
    const auto door = CreateAddressedDoor();
    Feed(*door, Written(), 1000);
    door->Answer(refusal, i == 0 ? "" : "be\ncause", {});
    StreamAcceptReader reader;
    const std::string output = TakeOutput(*door);
    EXPECT_EQ(reader.OnBytes(AsBytes(output)), output.size());
    EXPECT_EQ(reader.refusal(), refusal);
    EXPECT_EQ(reader.message(), i == 0 ? "" : "be?cause");
    EXPECT_EQ(reader.state(), i == 0 ? StreamAcceptReader::State::kAccepted : StreamAcceptReader::State::kRefused);
    EXPECT_EQ(door->state(), i == 0 ? State::kDone : State::kRefused);
    EXPECT_EQ(door->refusal(), refusal);
    EXPECT_EQ(door->refusal_message(), i == 0 ? "" : "be?cause");
    EXPECT_EQ(door->OnBytes(AsBytes("more")), 0u);
  }
}

TEST(AddressedDoor, SaysNothingToWhoDoesNotSpeakThis) {
  struct Case {
    std::string bytes;
    size_t taken;
  };
  for (const Case& test :
       {Case{"GET / HTTP/1.1\r\n\r\n", 2}, Case{"\x05\x01\x00"s, 3}, Case{"\x00\x00"s, 2}, Case{"\x00\x04"s + kMagic, 2},
        Case{"\x10\x01"s + kMagic, 2}, Case{"\xff\xff"s, 2}, Case{"\x00\x07\x0c"s, 3}, Case{"\x00\x07\x10\x01"s + kMagic, 3},
        Case{"\x00\x07\x0d\x31\x54\x56\x42\x10\x01"s, 7}}) {
    const Outcome outcome = Of(test.bytes + "more bytes of it");
    EXPECT_EQ(outcome.state, State::kRefused);
    EXPECT_EQ(outcome.refusal, Refusal::kMalformed);
    EXPECT_FALSE(outcome.message.empty());
    EXPECT_EQ(outcome.output, "");
    EXPECT_EQ(outcome.taken, test.taken);
  }
}

TEST(AddressedDoor, TellsAPeerThatItsRequestIsMalformed) {
  for (const std::string& fields : {"\x10\x03"s, "\x1a\x02"s + "db", "\x2a\x01\n"s, "\x32\x01x"s, "\x4b\x4c"s}) {
    const std::string bytes = "\x00"s + static_cast<char>(kMagic.size() + fields.size()) + kMagic + fields;
    const Outcome outcome = Of(bytes + "more");
    EXPECT_EQ(outcome.state, State::kRefused);
    EXPECT_EQ(outcome.refusal, Refusal::kMalformed);
    EXPECT_EQ(outcome.taken, bytes.size());
    StreamAcceptReader reader;
    EXPECT_EQ(reader.OnBytes(AsBytes(outcome.output)), outcome.output.size());
    EXPECT_EQ(reader.state(), StreamAcceptReader::State::kRefused);
    EXPECT_EQ(reader.refusal(), Refusal::kMalformed);
    EXPECT_EQ(reader.message(), outcome.message);
  }
}

TEST(AddressedDoor, TakesTheLargestHeader) {
  // Filled up with a field that is not known.
  const size_t padding = kMaxStreamHeaderBytes - kMagic.size() - 3;
  const std::string message =
      kMagic + "\x4a" + static_cast<char>(0x80 | (padding & 0x7f)) + static_cast<char>(padding >> 7) + std::string(padding, 'p');
  ASSERT_EQ(message.size(), kMaxStreamHeaderBytes);
  const Outcome outcome = Of("\x10\x00"s + message + "x");
  EXPECT_EQ(outcome.state, State::kRequested);
  EXPECT_EQ(outcome.taken, 2 + message.size());
}

}  // namespace
}  // namespace culvert::frontdoor
