#include "core/quic/endpoint_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace culvert::quic {
namespace {

using ::testing::Each;
using ::testing::Not;

using Key = std::array<uint8_t, 32>;
using File = std::array<uint8_t, EndpointKeys::kFileSize>;

constexpr int64_t kStart = 1'700'000'000;
constexpr int64_t kDay = 86'400;

struct AllKeys {
  Key reset{}, current{}, previous{};
  friend bool operator==(const AllKeys&, const AllKeys&) = default;
};

AllKeys KeysOf(const EndpointKeys& keys) {
  AllKeys all;
  keys.CopyResetKey(all.reset);
  keys.CopyTokenKeys(all.current, all.previous);
  return all;
}

File Saved(const EndpointKeys& keys) {
  File file{};
  keys.Save(file);
  return file;
}

bool UseNumber(EndpointKeys& keys, int64_t now, uint32_t number) {
  std::array<uint8_t, 4> bytes;
  StoreBigEndian32(bytes.data(), number);
  return keys.UseOnce(now, bytes);
}

TEST(EndpointKeys, AreDrawnAtRandomAndDiffer) {
  SeededRandom random(1);
  const AllKeys one = KeysOf(*EndpointKeys::Generate(random, kStart));
  const AllKeys other = KeysOf(*EndpointKeys::Generate(random, kStart));
  EXPECT_NE(one.reset, one.current);
  EXPECT_NE(one.current, one.previous);
  EXPECT_NE(one.reset, other.reset);
  EXPECT_NE(one.current, other.current);
  EXPECT_THAT(one.previous, Not(Each(0)));
}

TEST(EndpointKeys, ComeBackFromWhatWasSaved) {
  SeededRandom random(2);
  const auto keys = EndpointKeys::Generate(random, kStart);
  ASSERT_TRUE(keys->Rotate(random, kStart + kDay));
  const auto loaded = EndpointKeys::Load(Saved(*keys));
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(KeysOf(**loaded), KeysOf(*keys));
  EXPECT_EQ(Saved(**loaded), Saved(*keys));
  // The time came back too.
  EXPECT_FALSE((*loaded)->Rotate(random, kStart + 2 * kDay - 1));
  EXPECT_TRUE((*loaded)->Rotate(random, kStart + 2 * kDay));
}

TEST(EndpointKeys, RefuseEveryDamagedBit) {
  SeededRandom random(3);
  const File good = Saved(*EndpointKeys::Generate(random, kStart));
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    File bad = good;
    bad[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
    const auto loaded = EndpointKeys::Load(bad);
    ASSERT_EQ(loaded.status().code(), absl::StatusCode::kInvalidArgument) << "bit " << bit;
  }
}

TEST(EndpointKeys, RefuseEveryOtherSize) {
  SeededRandom random(4);
  const File good = Saved(*EndpointKeys::Generate(random, kStart));
  std::vector<uint8_t> longer(good.begin(), good.end());
  longer.push_back(0);
  EXPECT_FALSE(EndpointKeys::Load(longer).ok());
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(EndpointKeys::Load(ByteView(good).first(size)).status().code(), absl::StatusCode::kInvalidArgument) << size;
  }
}

TEST(EndpointKeys, RefusalsShowNoByteOfTheFile) {
  File file;
  std::ranges::fill(file, uint8_t{'S'});
  const std::string text(EndpointKeys::Load(file).status().message());
  EXPECT_NE(text, "");
  EXPECT_EQ(text.find("SS"), std::string::npos) << text;
}

TEST(EndpointKeys, TokenKeysTurnOverDailyAndTheResetKeyNever) {
  SeededRandom random(5);
  const auto keys = EndpointKeys::Generate(random, kStart);
  const AllKeys first = KeysOf(*keys);
  const uint64_t generation = keys->token_key_generation();
  EXPECT_FALSE(keys->Rotate(random, kStart));
  EXPECT_FALSE(keys->Rotate(random, kStart + kDay - 1));
  EXPECT_EQ(KeysOf(*keys), first);
  EXPECT_EQ(keys->token_key_generation(), generation);

  EXPECT_TRUE(keys->Rotate(random, kStart + kDay));
  const AllKeys second = KeysOf(*keys);
  EXPECT_EQ(second.reset, first.reset);
  EXPECT_EQ(second.previous, first.current) << "tokens of the last day are still known";
  EXPECT_NE(second.current, first.current);
  EXPECT_NE(keys->token_key_generation(), generation);
  EXPECT_FALSE(keys->Rotate(random, kStart + 2 * kDay - 1));
}

TEST(EndpointKeys, KeysFromTheFutureTurnOver) {
  SeededRandom random(6);
  const auto keys = EndpointKeys::Generate(random, kStart);
  EXPECT_TRUE(keys->Rotate(random, kStart - 1));
  EXPECT_FALSE(keys->Rotate(random, kStart - 1)) << "once is enough";
}

TEST(UseOnce, GrantsEverythingOnce) {
  SeededRandom random(7);
  const auto keys = EndpointKeys::Generate(random, kStart);
  for (uint32_t i = 0; i < 1000; ++i) EXPECT_TRUE(UseNumber(*keys, kStart, i));
  for (uint32_t i = 0; i < 1000; ++i) EXPECT_FALSE(UseNumber(*keys, kStart + 1, i));
  EXPECT_TRUE(keys->UseOnce(kStart, {})) << "the empty token is one as well";
  EXPECT_FALSE(keys->UseOnce(kStart, {}));
}

TEST(UseOnce, RemembersForADayAtLeastAndForgetsAfterTwo) {
  SeededRandom random(8);
  const auto keys = EndpointKeys::Generate(random, kStart);
  ASSERT_TRUE(UseNumber(*keys, kStart, 1));              // opens a generation
  ASSERT_TRUE(UseNumber(*keys, kStart + kDay - 1, 2));   // the last of it
  EXPECT_FALSE(UseNumber(*keys, kStart + kDay, 2));      // the second generation begins
  EXPECT_FALSE(UseNumber(*keys, kStart + 2 * kDay - 2, 2));
  EXPECT_FALSE(UseNumber(*keys, kStart + 2 * kDay - 1, 1));
  EXPECT_TRUE(UseNumber(*keys, kStart + 2 * kDay, 1)) << "the third begins, the first is gone";
}

TEST(UseOnce, RemembersAcrossAClockThatIsSetBack) {
  SeededRandom random(9);
  const auto keys = EndpointKeys::Generate(random, kStart);
  ASSERT_TRUE(UseNumber(*keys, kStart + 10 * kDay, 1));
  EXPECT_FALSE(UseNumber(*keys, kStart, 1));
  EXPECT_FALSE(UseNumber(*keys, kStart + kDay, 1));
}

TEST(UseOnce, RefusesAllWhenFullUntilTheGenerationEnds) {
  SeededRandom random(10);
  const auto keys = EndpointKeys::Generate(random, kStart);
  uint32_t granted = 0;
  while (granted < 10'000'000 && UseNumber(*keys, kStart, granted)) ++granted;
  ASSERT_GE(granted, 100'000u);
  ASSERT_LT(granted, 1'000'000u) << "it has a bound";
  EXPECT_FALSE(UseNumber(*keys, kStart + kDay - 1, granted + 1));
  EXPECT_TRUE(UseNumber(*keys, kStart + kDay, granted + 1));
  EXPECT_FALSE(UseNumber(*keys, kStart + kDay, 0)) << "of the full generation nothing is forgotten";
}

TEST(UseOnce, GrantsOneOfManyThreads) {
  SeededRandom random(11);
  const auto keys = EndpointKeys::Generate(random, kStart);
  constexpr uint32_t kThings = 2000;
  std::atomic<uint32_t> granted = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (uint32_t thing = 0; thing < kThings; ++thing) granted += UseNumber(*keys, kStart, thing) ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(granted, kThings);
}

}  // namespace
}  // namespace culvert::quic
