#include "core/frontdoor/stream_header.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/frontdoor/text.h"

namespace culvert::frontdoor {
namespace {

using namespace std::string_literals;

const std::string kMagic = "\x0d\x31\x54\x56\x43"s;

std::string Written(const Request& request) {
  std::vector<uint8_t> out;
  AppendStreamOpen(request, out);
  return std::string(AsText(out));
}

std::string Written(Refusal refusal, std::string_view message) {
  std::vector<uint8_t> out;
  AppendStreamAccept(refusal, message, out);
  return std::string(AsText(out));
}

// `fields` behind the magic.
std::string WrongWith(std::string_view fields, Request* out = nullptr) {
  Request request;
  const std::string message = kMagic + std::string(fields);
  const std::string wrong(ParseStreamOpen(AsBytes(message), request));
  EXPECT_TRUE(wrong.empty() || request == Request()) << "changed by a malformed message";
  if (out != nullptr) *out = request;
  return wrong;
}

std::string BytesField(char number, std::string_view value) {
  std::string field{static_cast<char>(number << 3 | 2)};
  for (size_t size = value.size();; size >>= 7) {
    field += static_cast<char>(size < 0x80 ? size : size | 0x80);
    if (size < 0x80) break;
  }
  return field + std::string(value);
}

Request Full() {
  return {.network = Network::kUdp,
          .destination = {"2001:db8::1", 53},
          .source = "10.0.0.9:40000",
          .forward = "web",
          .reverse = "back",
          .trace_id = "0123456789abcdef",
          .addressed_datagrams = true};
}

std::vector<Request> Requests() {
  const std::string longest(255, 'x');
  return {{},
          Full(),
          {.destination = {"db", 5432}},
          {.destination = {"b\u00fccher.example", 65535}, .source = "[::1]:1"},
          {.reverse = "offer"},
          {.network = Network::kUdp, .addressed_datagrams = true},
          {.destination = {longest, 65535},
           .source = longest,
           .forward = longest,
           .reverse = longest,
           .trace_id = "\0\0\0\0\xff\xff\xff\xff....????"s}};
}

TEST(StreamOpen, IsWrittenByteForByte) {
  EXPECT_EQ(Written(Request{}), "\x00\x07"s + kMagic + "\x10\x01");
  EXPECT_EQ(Written(Full()), "\x00\x48"s + kMagic + "\x10\x02" + "\x1a\x10" + "[2001:db8::1]:53" + "\x22\x0e" + "10.0.0.9:40000" +
                                 "\x2a\x03" + "web" + "\x32\x10" + "0123456789abcdef" + "\x3a\x04" + "back" + "\x40\x01");
}

TEST(StreamOpen, ComesBackAsItWas) {
  for (const Request& request : Requests()) {
    const std::string written = Written(request);
    EXPECT_EQ(LoadBigEndian16(AsBytes(written).data()), written.size() - 2);
    Request parsed;
    EXPECT_EQ(ParseStreamOpen(AsBytes(written).subspan(2), parsed), "");
    EXPECT_EQ(parsed, request);
  }
}

TEST(StreamOpen, IsAppended) {
  std::vector<uint8_t> out = {1, 2, 3};
  AppendStreamOpen(Full(), out);
  AppendStreamAccept(Refusal::kNone, "", out);
  EXPECT_EQ(AsText(out), "\x01\x02\x03" + Written(Full()) + Written(Refusal::kNone, ""));
}

TEST(StreamOpen, DefaultsAndRepetitionsAreThoseOfProto3) {
  Request request;
  EXPECT_EQ(WrongWith("", &request), "");
  EXPECT_EQ(request, Request());
  EXPECT_EQ(WrongWith("\x10\x00"s, &request), "");
  EXPECT_EQ(request.network, Network::kTcp);
  EXPECT_EQ(WrongWith("\x10\x82\x80\x00"s, &request), "") << "a longer form than needed";
  EXPECT_EQ(request.network, Network::kUdp);
  EXPECT_EQ(WrongWith(BytesField(3, "a:1") + BytesField(5, "x") + BytesField(3, "b:2") + BytesField(5, ""), &request), "");
  EXPECT_EQ(request, (Request{.destination = {"b", 2}})) << "the last one counts";
  EXPECT_EQ(WrongWith(BytesField(3, "a:1") + BytesField(3, "") + BytesField(6, ""), &request), "");
  EXPECT_EQ(request, Request());
  EXPECT_EQ(WrongWith("\x40\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"s, &request), "");
  EXPECT_TRUE(request.addressed_datagrams) << "any number but 0";
  EXPECT_EQ(WrongWith(kMagic, &request), "") << "the magic again";
}

TEST(StreamOpen, SkipsUnknownFields) {
  Request request;
  EXPECT_EQ(WrongWith("\x48\xff\x01"s + "\x51" + "12345678" + BytesField(11, "\xff\0\n"s) + "\x65" + "1234" +
                          "\xf8\xff\xff\xff\x0f\x00"s + BytesField(5, "web"),
                      &request),
            "");
  EXPECT_EQ(request, (Request{.forward = "web"}));
}

TEST(StreamOpen, RefusesWhatIsMalformed) {
  const std::string long_text(256, 'x');
  for (const std::string& fields : {
           "\x10"s,
           "\x10\x03"s,
           "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s,
           "\x10\x81\x80\x80\x80\x10"s,  // network
           "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"s,
           "\x10\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x01"s,
           "\x15\x01\x00\x00\x00"s,
           BytesField(2, "\x01"),
           BytesField(3, "db"),
           BytesField(3, "db:"),
           BytesField(3, ":1"),
           BytesField(3, "db:65536"),
           BytesField(3, "::1:5"),
           BytesField(3, "a b:1"),
           BytesField(3, "a\0:1"s),
           BytesField(3, "\xff:1"),
           BytesField(3, "a\n:1"),
           BytesField(3, long_text + ":1"),
           BytesField(3, "[a:b]:1"),
           "\x18\x01"s,
           BytesField(4, "\x01"),
           BytesField(4, "\xc3"),
           BytesField(4, long_text),
           "\x20\x01"s,
           BytesField(5, "\x7f"),
           BytesField(5, "\xc2\x85"),
           BytesField(5, long_text),
           "\x28\x01"s,
           BytesField(6, "0123456789abcde"),
           BytesField(6, "0123456789abcdef0"),
           "\x30\x01"s,
           "\x31" + "12345678"s,
           BytesField(7, "a\tb"),
           BytesField(7, "\xed\xa0\x80"),
           BytesField(7, long_text),
           "\x38\x01"s,
           BytesField(8, "\x01"),
           "\x45\x01\x00\x00\x00"s,
           "\x40"s,
           "\x0d\x31\x54\x56\x44"s,
           "\x08\x01"s,
           "\x0a\x04"s + "1TVC",  // magic again, another
           "\x00\x01"s,
           "\x02\x00"s,  // no field 0
           "\x4b\x4c"s,
           "\x4c"s,
           "\x4e\x00"s,
           "\x4f\x00"s,  // groups, no such types
           "\x4a\x05" + "1234"s,
           "\x4a\xff\xff\xff\xff\x0f"s,
           "\x49" + "1234567"s,
           "\x4d" + "123"s,
           "\x48\x80"s,  // cut short
           "\x80\x80\x80\x80\x10\x01"s,
           "\xc8\x80\x80\x80\x80\x00\x01"s,  // tags above 32 bits
       }) {
    EXPECT_NE(WrongWith(fields), "") << testing::PrintToString(fields);
    EXPECT_NE(WrongWith(BytesField(5, "web") + fields), "") << testing::PrintToString(fields);
  }
}

TEST(StreamOpen, TheMagicComesFirst) {
  Request request;
  for (const std::string& message : {""s, "\x0d"s, "\x0d\x31\x54\x56"s, "\x0d\x31\x54\x56\x42"s, "\x0d\x43\x56\x54\x31"s,
                                     "\x10\x01"s + kMagic, "\x09\x31\x54\x56\x43\x00\x00\x00\x00"s}) {
    EXPECT_NE(ParseStreamOpen(AsBytes(message), request), "") << testing::PrintToString(message);
  }
}

StreamAcceptReader Read(std::string_view bytes, size_t piece, size_t& taken) {
  StreamAcceptReader reader;
  taken = 0;
  for (size_t at = 0; at < bytes.size(); at += piece) taken += reader.OnBytes(AsBytes(bytes.substr(at, piece)));
  return reader;
}

TEST(StreamAccept, IsWrittenByteForByte) {
  EXPECT_EQ(Written(Refusal::kNone, ""), "\x00\x05"s + kMagic);
  EXPECT_EQ(Written(Refusal::kConnectRefused, "no"), "\x00\x0b"s + kMagic + "\x10\x03\x1a\x02no");
}

TEST(StreamAccept, IsReadInAnyPieces) {
  using State = StreamAcceptReader::State;
  for (size_t i = 0; i < kRefusalCount; ++i) {
    const auto refusal = static_cast<Refusal>(i);
    for (const std::string& message : {""s, "because of \u00fc"s, std::string(512, 'm')}) {
      const std::string written = Written(refusal, message);
      for (const size_t piece : {size_t{1}, size_t{3}, size_t{8}, size_t{1000}}) {
        size_t taken = 0;
        const StreamAcceptReader reader = Read(written + "application", piece, taken);
        EXPECT_EQ(taken, written.size());
        EXPECT_EQ(reader.state(), i == 0 ? State::kAccepted : State::kRefused);
        EXPECT_EQ(reader.refusal(), refusal);
        EXPECT_EQ(reader.message(), message);
      }
      for (size_t size = 0; size < written.size(); ++size) {
        size_t taken = 0;
        EXPECT_EQ(Read(written.substr(0, size), 1000, taken).state(), State::kReading);
        EXPECT_EQ(taken, size);
      }
    }
  }
}

TEST(StreamAccept, AMessageIsMadePlainAndCut) {
  size_t taken = 0;
  EXPECT_EQ(Read(Written(Refusal::kInternal, "a\nb\xff"), 1000, taken).message(), "a?b?");
  EXPECT_EQ(Read(Written(Refusal::kInternal, std::string(2000, 'm')), 1000, taken).message(), std::string(512, 'm'));
  EXPECT_EQ(Read(Written(Refusal::kInternal, std::string(511, 'm') + "\u00fc"), 1000, taken).message(), std::string(511, 'm'));
}

TEST(StreamAccept, AReasonThatIsNotKnownIsInternal) {
  for (const std::string& reason : {"\x10\x0f"s, "\x10\xff\x7f"s, "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s}) {
    size_t taken = 0;
    const StreamAcceptReader reader = Read("\x00"s + static_cast<char>(kMagic.size() + reason.size()) + kMagic + reason, 1, taken);
    EXPECT_EQ(reader.state(), StreamAcceptReader::State::kRefused);
    EXPECT_EQ(reader.refusal(), Refusal::kInternal);
  }
}

TEST(StreamAccept, TellsWhatIsMalformed) {
  struct Case {
    std::string bytes;
    size_t taken;
  };
  for (const Case& test :
       {Case{"\x00\x04"s + kMagic, 2}, Case{"\x10\x01"s + kMagic, 2}, Case{"HTTP/1.1 200 OK\r\n", 2},
        Case{"\x00\x05\x0d\x31\x54\x57\x43"s, 6}, Case{"\x00\x07\x10\x00"s + kMagic, 3}, Case{"\x00\x06"s + kMagic + "\x10", 8},
        Case{"\x00\x0a"s + kMagic + "\x10\x01\x1a\x01\n", 12}, Case{"\x00\x0a"s + kMagic + "\x15" + "1234", 12},
        Case{"\x02\x09"s + kMagic + "\x1a\x81\x04" + std::string(513, 'm'), 523}}) {
    for (const size_t piece : {size_t{1}, size_t{1000}}) {
      size_t taken = 0;
      StreamAcceptReader reader = Read(test.bytes + "more", piece, taken);
      EXPECT_EQ(reader.state(), StreamAcceptReader::State::kMalformed) << testing::PrintToString(test.bytes);
      EXPECT_EQ(reader.refusal(), Refusal::kMalformed);
      EXPECT_FALSE(reader.message().empty());
      EXPECT_EQ(taken, test.taken) << testing::PrintToString(test.bytes);
      EXPECT_EQ(reader.OnBytes(AsBytes("more")), 0u);
    }
  }
}

TEST(StreamHeader, MutationsNeverPassAWrongMagic) {
  SeededRandom random(20);
  const std::vector<Request> requests = Requests();
  size_t accepted = 0;
  for (int i = 0; i < 50'000; ++i) {
    std::string bytes =
        i % 2 == 0 ? Written(requests[static_cast<size_t>(i / 2) % requests.size()]) : Written(Refusal::kMalformed, "why");
    for (uint32_t changes = random.NextInRange(1, 4); changes > 0; --changes) {
      // Half of the changes near the front, where the magic is.
      const uint32_t last = static_cast<uint32_t>(changes % 2 == 0 ? bytes.size() - 1 : std::min<size_t>(bytes.size() - 1, 12));
      bytes[random.NextInRange(0, last)] = static_cast<char>(random.NextU32());
    }
    const bool has_magic = bytes.substr(2, kMagic.size()) == kMagic;
    size_t taken = 0;
    const StreamAcceptReader reader = Read(bytes, 1 + random.NextInRange(0, 40), taken);
    EXPECT_LE(taken, bytes.size());
    if (reader.state() == StreamAcceptReader::State::kAccepted || reader.state() == StreamAcceptReader::State::kRefused) {
      ++accepted;
      EXPECT_TRUE(has_magic);
      EXPECT_TRUE(IsPlainText(reader.message()));
    }
    Request request;
    if (ParseStreamOpen(AsBytes(bytes).subspan(2), request).empty()) {
      ++accepted;
      EXPECT_TRUE(has_magic);
      // What was taken is what would be written.
      Request again;
      EXPECT_EQ(ParseStreamOpen(AsBytes(Written(request)).subspan(2), again), "");
      EXPECT_EQ(again, request);
    }
  }
  EXPECT_GT(accepted, 1000u) << "the mutations reach nothing";
}

}  // namespace
}  // namespace culvert::frontdoor
