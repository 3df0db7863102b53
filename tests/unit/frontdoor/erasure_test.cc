// That passwords do not stay in memory.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "core/frontdoor/http_connect.h"
#include "core/frontdoor/socks5.h"
#include "tests/unit/frontdoor/heap_search.h"

namespace culvert::frontdoor {
namespace {

constexpr std::string_view kSecret = "correct horse battery";

std::shared_ptr<const UserTable> Users() {
  SeededRandom random(1);
  return *UserTable::Parse("ann:correct horse battery", random);
}

TEST(Erasure, TheSearchFindsWhatIsNotErased) {
  const HeapSearch search(kSecret);
  {
    const std::string kept(kSecret);
    EXPECT_EQ(kept, kSecret);
    EXPECT_EQ(search.Count(), 1);
  }
  EXPECT_EQ(search.Count(), 1) << "freed as it was";
}

TEST(Erasure, ATableHoldsNoPassword) {
  const HeapSearch search(kSecret);
  const auto users = Users();
  EXPECT_TRUE(users->Admits("ann", kSecret));
  EXPECT_EQ(search.Count(), 0);
}

constexpr std::string_view kSocks5Start =
    "\x05\x01\x02\x01\x03"
    "ann\x15"
    "correct horse battery";

TEST(Erasure, Socks5ForgetsThePassword) {
  const auto users = Users();
  const HeapSearch search(kSecret);
  auto door = CreateSocks5Door(users);
  EXPECT_EQ(door->OnBytes(AsBytes(kSocks5Start)), kSocks5Start.size());
  EXPECT_EQ(AsText(door->output()), std::string_view("\x05\x02\x01\x00", 4));
  EXPECT_EQ(door->state(), Door::State::kReading);
  EXPECT_EQ(search.Count(), 0) << "while the request is waited for";
  door.reset();
  EXPECT_EQ(search.Count(), 0);
}

TEST(Erasure, Socks5ForgetsAWrongPasswordAndHalfOfOne) {
  SeededRandom random(1);
  const auto others = *UserTable::Parse("ann:another", random);
  const HeapSearch search(kSecret);
  const auto refused = CreateSocks5Door(others);
  EXPECT_EQ(refused->OnBytes(AsBytes(kSocks5Start)), kSocks5Start.size());
  EXPECT_EQ(refused->state(), Door::State::kRefused);
  EXPECT_EQ(search.Count(), 0);
  auto unfinished = CreateSocks5Door(others);
  // One byte more is said to come than does.
  constexpr std::string_view kStart =
      "\x05\x01\x02\x01\x03"
      "ann\x16"
      "correct horse battery";
  EXPECT_EQ(unfinished->OnBytes(AsBytes(kStart)), kStart.size());
  EXPECT_EQ(search.Count(), 1) << "the search would not see it";
  unfinished.reset();
  EXPECT_EQ(search.Count(), 0);
}

constexpr std::string_view kBase64 = "YW5uOmNvcnJlY3QgaG9yc2UgYmF0dGVyeQ==";  // ann:correct horse battery
constexpr std::string_view kHeadStart = "CONNECT a:1 HTTP/1.1\r\nProxy-Authorization: Basic YW5uOmNvcnJlY3QgaG9yc2UgYmF0dGVyeQ==";

// Spaces behind the value make the line outgrow its buffer with the credentials in it.
std::string Head(size_t spaces) { return std::string(kHeadStart) + std::string(spaces, ' ') + "\r\n"; }

TEST(Erasure, HttpConnectForgetsCredentials) {
  const auto users = Users();
  const std::string lines = Head(2000);
  for (const std::string_view what : {kBase64, kSecret}) {
    const HeapSearch search(what);
    auto door = CreateHttpConnectDoor(users);
    EXPECT_EQ(door->OnBytes(AsBytes(lines)), lines.size());
    EXPECT_EQ(search.Count(), 0) << "behind the line";
    EXPECT_EQ(door->OnBytes(AsBytes("\r\n")), 2u);
    EXPECT_EQ(door->state(), Door::State::kRequested);
    door.reset();
    EXPECT_EQ(search.Count(), 0);
  }
}

TEST(Erasure, HttpConnectForgetsCredentialsOfAHeadThatFails) {
  const auto users = Users();
  const std::string half = std::string(kHeadStart);
  const HeapSearch search(kBase64);
  auto malformed = CreateHttpConnectDoor(users);
  EXPECT_EQ(malformed->OnBytes(AsBytes(half)), half.size());
  EXPECT_EQ(search.Count(), 1) << "the search would not see it";
  EXPECT_EQ(malformed->OnBytes(AsBytes("\x01")), 1u);
  EXPECT_EQ(malformed->state(), Door::State::kRefused);
  EXPECT_EQ(search.Count(), 0);
  auto unfinished = CreateHttpConnectDoor(users);
  EXPECT_EQ(unfinished->OnBytes(AsBytes(half)), half.size());
  unfinished.reset();
  EXPECT_EQ(search.Count(), 0);
}

}  // namespace
}  // namespace culvert::frontdoor
