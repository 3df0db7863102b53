// Damaged manifests: whatever the bytes, Parse answers, its answer is OK or INVALID_ARGUMENT with at most 20 lines, and
// what it accepts prints and reads back.
#include <algorithm>
#include <string>

#include "core/base/random.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "proto/manifest/manifest.h"

namespace culvert::manifest {
namespace {

constexpr char kStart[] =
    "apiVersion: culvert/v1\nkind: Dialer\nmetadata: {name: site-b, labels: {a: \"b\"}}\nspec:\n  transport: KCP\n"
    "  targets: [\"site-b.example:4000\", &x 10.0.0.1:1]\n  kcp:\n    seed: \"s\\x41\"\n    header: SRTP\n    "
    "mtu_bytes: 1350\n"
    "    tick_interval: 20ms\n  socket: {mark: 0x10, receive_buffer_bytes: 4Mi}\n  dial_timeout: 1m30s\n  paused: "
    "false\n---\n"
    "apiVersion: culvert/v1\nkind: Forward\nmetadata: {name: pg}\nspec: {listener: l, dialer: site-b}\n";

constexpr std::string_view kPieces[] = {
    "---\n",        "{",        "}",    "[",           "]",          ": ",           "- ", "*x",   "&x ",
    "!!str ",       "\"",       "'",    "|\n",         ">\n",        "? ",           "#",  "\n",   "  ",
    "\t",           "~",        "null", "true",        "0x",         "99999999999",  "Ki", "\xff", "\x04",
    "kind: List\n", "items:\n", "<<: ", "%YAML 1.2\n", "%TAG ! x\n", "\xe2\x80\xa8", ",",  "@"};

std::string Mutate(std::string text, SeededRandom& random) {
  const uint32_t steps = random.NextInRange(1, 6);
  for (uint32_t i = 0; i < steps; ++i) {
    const size_t at = random.NextInRange(0, static_cast<uint32_t>(text.size()));
    switch (random.NextInRange(0, 4)) {
      case 0:
        text.insert(at, kPieces[random.NextInRange(0, std::size(kPieces) - 1)]);
        break;
      case 1:
        text.erase(at, random.NextInRange(1, 20));
        break;
      case 2:
        if (at < text.size()) text[at] = static_cast<char>(random.NextInRange(0, 255));
        break;
      case 3:
        text.insert(at,
                    text.substr(random.NextInRange(0, static_cast<uint32_t>(text.size())), random.NextInRange(1, 60)));
        break;
      default:
        text.resize(at);
    }
  }
  return text;
}

TEST(Mutation, NeverCrashesAndAlwaysRoundTrips) {
  SeededRandom random(7);
  int accepted = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::string text = Mutate(kStart, random);
    const auto parsed = Parse(text, "f", "");
    if (!parsed.ok()) {
      ASSERT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << text;
      const std::string message(parsed.status().message());
      ASSERT_LT(std::count(message.begin(), message.end(), '\n'), 20) << text;
      continue;
    }
    ++accepted;
    for (const SourceObject& source : *parsed) {
      const auto again = Parse(ToYaml(source.object), "f", "");
      ASSERT_TRUE(again.ok()) << again.status() << "\n" << text << "\n" << ToYaml(source.object);
      v1::Object expected = source.object;
      if (expected.has_dialer()) expected.mutable_dialer()->mutable_spec()->mutable_kcp()->clear_seed();
      v1::Object actual = (*again)[0].object;
      if (actual.has_dialer()) actual.mutable_dialer()->mutable_spec()->mutable_kcp();
      ASSERT_TRUE(google::protobuf::util::MessageDifferencer::Equivalent(expected, actual)) << text;
    }
  }
  EXPECT_GT(accepted, 300);
}

TEST(Mutation, HostileShapesEndSoon) {
  for (const std::string_view piece :
       {"[", "{",     "- ",  "? ",   "a: ", "&a ", "*a ", "!",  "!!a ", "\"",   "'",
        "|", "---\n", "[a,", "{a: ", "{? ", "#",   "%",   "\n", " ",    "- - ", "a:\n "}) {
    std::string text;
    while (text.size() < 64 * 1024) text += piece;
    const auto parsed = Parse(text, "f", "");  // the test's own time limit is the assertion
    EXPECT_TRUE(!parsed.ok() || parsed->empty());
  }
}

}  // namespace
}  // namespace culvert::manifest
