#include "server/session_registry.h"

#include <gtest/gtest.h>

namespace culvert::server {
namespace {

class SessionRegistryTest : public testing::Test {
 protected:
  SlotHandle Begin() {
    Session session;
    session.tally = &tally;
    session.target = &target;
    return registry.Begin(std::move(session));
  }
  SessionRegistry registry{3};
  ObjectTally tally;
  TargetState target;
};

TEST_F(SessionRegistryTest, CountsFromBeginToEnd) {
  const SlotHandle handle = Begin();
  EXPECT_EQ(tally.counters.opened, 1u);
  EXPECT_EQ(tally.counters.active, 1u);
  EXPECT_EQ(target.sessions, 1u);
  SessionStats final_stats;
  final_stats.rx_bytes = 7;
  final_stats.lost_segments = 2;
  registry.End(handle, final_stats);
  registry.End(handle, final_stats);  // stale: no effect
  EXPECT_EQ(tally.counters.closed, 1u);
  EXPECT_EQ(tally.counters.active, 0u);
  EXPECT_EQ(tally.counters.rx_bytes, 7u);
  EXPECT_EQ(tally.counters.lost_segments, 2u);
  EXPECT_EQ(target.sessions, 0u);
}

TEST_F(SessionRegistryTest, RemembersTheLastThatEnded) {
  const SlotHandle handle = Begin();
  const std::string id = registry.IdOf(handle);
  SessionStats final_stats;
  final_stats.rx_bytes = 7;
  registry.End(handle, final_stats, CloseReason::kIdleTimeout);
  ASSERT_EQ(registry.closed().size(), 1u);
  EXPECT_EQ(registry.closed().front().id, id);
  EXPECT_EQ(registry.closed().front().close_reason, "IDLE_TIMEOUT");
  EXPECT_EQ(registry.closed().front().stats.rx_bytes, 7u);
  EXPECT_NE(registry.closed().front().closed_at_unix_ns, 0);
  for (size_t i = 0; i < SessionRegistry::kMaxClosed; ++i) registry.End(Begin(), {});
  EXPECT_EQ(registry.closed().size(), SessionRegistry::kMaxClosed);
  EXPECT_NE(registry.closed().front().id, id) << "the oldest is forgotten";
}

TEST_F(SessionRegistryTest, IdsTellTheWorkerAndAreNeverUsedAgain) {
  const SlotHandle first = Begin();
  const std::string id = registry.IdOf(first);
  EXPECT_EQ(id.substr(0, 3), "s3x");
  EXPECT_EQ(id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789"), std::string::npos);
  EXPECT_EQ(registry.Parse(id), first);
  registry.End(first, {});
  const SlotHandle second = Begin();
  EXPECT_NE(registry.IdOf(second), id);
  EXPECT_EQ(registry.Find(*registry.Parse(id)), nullptr);
}

TEST_F(SessionRegistryTest, RefusesIdsThatAreNotItsOwn) {
  for (const char* id : {"", "s", "s3", "s3x", "s2x1", "x3x1", "s3x1!", "s3x zz", "s99999999999x1", "s3xzzzzzzzzzzzzzzzzzzzz"}) {
    EXPECT_FALSE(registry.Parse(id)) << id;
  }
}

}  // namespace
}  // namespace culvert::server
