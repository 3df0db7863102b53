#include "core/base/slot_map.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "core/base/random.h"

namespace culvert {
namespace {

TEST(SlotMap, FindsWhatWasPutIn) {
  SlotMap<std::string> map;
  const SlotHandle a = map.Emplace("a");
  const SlotHandle b = map.Emplace("b");
  EXPECT_NE(a, b);
  ASSERT_NE(map.Find(a), nullptr);
  EXPECT_EQ(*map.Find(a), "a");
  EXPECT_EQ(*map.Find(b), "b");
  EXPECT_EQ(map.size(), 2u);
}

TEST(SlotMap, TheNullHandleFindsNothing) {
  SlotMap<int> map;
  EXPECT_EQ(map.Find(SlotHandle{}), nullptr);
  map.Emplace(1);
  EXPECT_EQ(map.Find(SlotHandle{}), nullptr);
  EXPECT_FALSE(map.Erase(SlotHandle{}));
  EXPECT_TRUE(SlotHandle{}.is_null());
}

TEST(SlotMap, AStaleHandleFindsNothingAfterReuse) {
  SlotMap<int> map;
  const SlotHandle old = map.Emplace(1);
  EXPECT_TRUE(map.Erase(old));
  EXPECT_EQ(map.Find(old), nullptr);
  const SlotHandle reused = map.Emplace(2);
  EXPECT_EQ(reused.index, old.index);
  EXPECT_EQ(map.Find(old), nullptr);
  EXPECT_FALSE(map.Erase(old)) << "a stale handle must not erase the slot's next object";
  EXPECT_EQ(*map.Find(reused), 2);
}

TEST(SlotMap, AddressesStayWhileOthersComeAndGo) {
  SlotMap<int> map;
  const SlotHandle kept = map.Emplace(42);
  const int* const address = map.Find(kept);
  for (int i = 0; i < 1000; ++i) map.Emplace(i);
  EXPECT_EQ(map.Find(kept), address);
}

TEST(SlotMap, HandlesSurvivePacking) {
  const SlotHandle handle{123, 456};
  EXPECT_EQ(SlotHandle::FromPacked(handle.packed()), handle);
}

TEST(SlotMap, TheVisitorMayEraseWhatItIsGiven) {
  SlotMap<int> map;
  for (int i = 0; i < 10; ++i) map.Emplace(i);
  map.ForEach([&](SlotHandle handle, int& value) {
    if (value % 2 == 0) map.Erase(handle);
  });
  std::vector<int> left;
  std::as_const(map).ForEach([&](SlotHandle, const int& value) { left.push_back(value); });
  EXPECT_EQ(left, (std::vector<int>{1, 3, 5, 7, 9}));
}

TEST(SlotMap, BehavesLikeAMapUnderRandomOperations) {
  SeededRandom random(11);
  SlotMap<uint32_t> map;
  std::map<uint64_t, uint32_t> reference;
  std::vector<SlotHandle> all;
  for (int step = 0; step < 20000; ++step) {
    if (all.empty() || random.NextInRange(0, 2) != 0) {
      const uint32_t value = random.NextU32();
      all.push_back(map.Emplace(value));
      ASSERT_TRUE(reference.emplace(all.back().packed(), value).second) << "a handle came twice";
    } else {
      const SlotHandle handle = all[random.NextInRange(0, static_cast<uint32_t>(all.size() - 1))];
      ASSERT_EQ(map.Erase(handle), reference.erase(handle.packed()) == 1);
    }
    const SlotHandle probe = all[random.NextInRange(0, static_cast<uint32_t>(all.size() - 1))];
    const auto expected = reference.find(probe.packed());
    ASSERT_EQ(map.Find(probe) != nullptr, expected != reference.end());
    if (expected != reference.end()) {
      ASSERT_EQ(*map.Find(probe), expected->second);
    }
    ASSERT_EQ(map.size(), reference.size());
  }
}

}  // namespace
}  // namespace culvert
