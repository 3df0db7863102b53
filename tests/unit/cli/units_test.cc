#include "cli/text/units.h"

#include "gtest/gtest.h"

namespace culvert::cli {
namespace {

TEST(Units, Bytes) {
  EXPECT_EQ(HumanBytes(0), "0B");
  EXPECT_EQ(HumanBytes(1023), "1023B");
  EXPECT_EQ(HumanBytes(12 << 10), "12KiB");
  EXPECT_EQ(HumanBytes(1181116006), "1.1GiB");
  EXPECT_EQ(HumanBytes(UINT64_MAX), "16.0EiB");
}

TEST(Units, BitRate) {
  EXPECT_EQ(HumanBitRate(0), "0b");
  EXPECT_EQ(HumanBitRate(-1), "0b");
  EXPECT_EQ(HumanBitRate(100), "800b");
  EXPECT_EQ(HumanBitRate(2.275e6), "18.2Mb");
  EXPECT_EQ(HumanBitRate(237.5e6), "1.9Gb");
  EXPECT_EQ(HumanBitRate(124'999), "1.0Mb");
}

std::string Latency(int64_t nanoseconds) {
  google::protobuf::Duration duration;
  duration.set_seconds(nanoseconds / 1'000'000'000);
  duration.set_nanos(static_cast<int32_t>(nanoseconds % 1'000'000'000));
  return HumanLatency(duration);
}

TEST(Units, Latency) {
  EXPECT_EQ(Latency(40'000), "0.04ms");
  EXPECT_EQ(Latency(38'100'000), "38.1ms");
  EXPECT_EQ(Latency(112'000'000), "112ms");
  EXPECT_EQ(Latency(1'200'000'000), "1.2s");
}

TEST(Units, Ages) {
  EXPECT_EQ(HumanAge(-5), "0s");
  EXPECT_EQ(HumanAge(17), "17s");
  EXPECT_EQ(HumanAge(41 * 60 + 5), "41m");
  EXPECT_EQ(HumanAge(3 * 86400 + 7200), "3d");
  EXPECT_EQ(HumanUptime(3 * 86400 + 7200), "3d2h");
  EXPECT_EQ(HumanUptime(5 * 3600), "5h");
  EXPECT_EQ(HumanUptime(63), "1m3s");
  EXPECT_EQ(HumanUptime(0), "0s");
}

TEST(Units, Shares) {
  EXPECT_EQ(HumanShare(std::nullopt), "-");
  EXPECT_EQ(HumanShare(0.004), "0.4%");
}

}  // namespace
}  // namespace culvert::cli
