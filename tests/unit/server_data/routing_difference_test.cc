#include "server/routing_difference.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "core/base/random.h"
#include "server/config.h"

namespace culvert::server {
namespace {

using Ptr = std::shared_ptr<const ForwardConfig>;
using List = std::vector<Ptr>;

Ptr Make(const std::string& name, uint64_t incarnation = 1) {
  auto config = std::make_shared<ForwardConfig>();
  config->id = {name, incarnation};
  return config;
}

std::string Names(const List& list) {
  std::string names;
  for (const Ptr& config : list) names += config->id.name + std::to_string(config->id.incarnation) + " ";
  return names;
}

TEST(RoutingDifferenceTest, WhatIsTheSameIsNoDifference) {
  const List list = {Make("a"), Make("b"), Make("c")};
  const auto difference = DifferenceOf(list, list);
  EXPECT_TRUE(difference.gone.empty() && difference.changed.empty() && difference.fresh.empty());
}

TEST(RoutingDifferenceTest, AnotherIncarnationIsAnotherObject) {
  const Ptr kept = Make("b");
  const auto difference = DifferenceOf(List{Make("a"), kept}, List{Make("a", 2), kept});
  EXPECT_EQ(Names(difference.gone), "a1 ");
  EXPECT_EQ(Names(difference.fresh), "a2 ");
  EXPECT_TRUE(difference.changed.empty());
}

TEST(RoutingDifferenceTest, AgreesWithASearchForEachName) {
  SeededRandom random(5);
  for (int round = 0; round < 2'000; ++round) {
    std::map<std::string, Ptr> before, after;
    for (char name = 'a'; name <= 'h'; ++name) {
      const std::string key(1, name);
      if (random.NextInRange(0, 2) > 0) before[key] = Make(key, random.NextInRange(1, 2));
      switch (random.NextInRange(0, 3)) {
        case 0: break;
        case 1: after[key] = Make(key, random.NextInRange(1, 2)); break;
        default:
          if (before.contains(key)) after[key] = before[key];
      }
    }
    List old, now, gone, changed, fresh;
    for (const auto& [key, config] : before) {
      old.push_back(config);
      const auto same = after.find(key);
      if (same == after.end() || same->second->id != config->id) gone.push_back(config);
    }
    for (const auto& [key, config] : after) {
      now.push_back(config);
      const auto same = before.find(key);
      if (same == before.end() || same->second->id != config->id) {
        fresh.push_back(config);
      } else if (same->second != config) {
        changed.push_back(config);
      }
    }
    const auto difference = DifferenceOf(old, now);
    ASSERT_EQ(difference.gone, gone) << Names(old) << "-> " << Names(now);
    ASSERT_EQ(difference.changed, changed) << Names(old) << "-> " << Names(now);
    ASSERT_EQ(difference.fresh, fresh) << Names(old) << "-> " << Names(now);
  }
}

}  // namespace
}  // namespace culvert::server
