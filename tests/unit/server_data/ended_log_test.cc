#include "server/ended_log.h"

#include <gtest/gtest.h>

namespace culvert::server {
namespace {

EndedRecord Of(uint64_t number) {
  EndedRecord record;
  record.rx_bytes = number;
  return record;
}

TEST(EndedLog, GivesWhatCameSince) {
  EndedLog log;
  EXPECT_EQ(log.Read(0).last, 0u);
  EXPECT_TRUE(log.Read(0).records.empty());
  for (uint64_t i = 1; i <= 5; ++i) log.Add(Of(i));
  const EndedBatch all = log.Read(0);
  ASSERT_EQ(all.records.size(), 5u);
  EXPECT_EQ(all.records.front()->rx_bytes, 1u);
  EXPECT_EQ(all.last, 5u);
  const EndedBatch some = log.Read(3);
  ASSERT_EQ(some.records.size(), 2u);
  EXPECT_EQ(some.records.front()->rx_bytes, 4u);
  EXPECT_TRUE(log.Read(5).records.empty());
  EXPECT_EQ(log.Read(5).last, 5u);
}

TEST(EndedLog, ForgetsTheOldestAndSaysHowManyWereMissed) {
  EndedLog log;
  const uint64_t count = EndedLog::kCapacity + 100;
  for (uint64_t i = 1; i <= count; ++i) log.Add(Of(i));
  const EndedBatch all = log.Read(0);
  EXPECT_EQ(all.records.size(), EndedLog::kCapacity);
  EXPECT_EQ(all.records.front()->rx_bytes, 101u);
  EXPECT_EQ(all.lost, 0u) << "who reads for the first time has missed nothing";
  const EndedBatch behind = log.Read(40);
  EXPECT_EQ(behind.records.size(), EndedLog::kCapacity);
  EXPECT_EQ(behind.lost, 60u);
  EXPECT_EQ(log.Read(100).lost, 0u);
  EXPECT_EQ(log.Read(count).lost, 0u);
}

}  // namespace
}  // namespace culvert::server
