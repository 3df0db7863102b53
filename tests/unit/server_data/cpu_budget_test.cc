#include "server/cpu_budget.h"

#include <gtest/gtest.h>

namespace culvert::server {
namespace {

TEST(CpuBudget, ReadsCpuMax) {
  EXPECT_DOUBLE_EQ(ParseCpuMax("150000 100000\n").value(), 1.5);
  EXPECT_DOUBLE_EQ(ParseCpuMax("50000\n 100000\n").value(), 0.5);
  EXPECT_FALSE(ParseCpuMax("max 100000\n"));
  EXPECT_FALSE(ParseCpuMax(""));
  EXPECT_FALSE(ParseCpuMax("100000"));
  EXPECT_FALSE(ParseCpuMax("100000 "));
  EXPECT_FALSE(ParseCpuMax("-1 100000"));
  EXPECT_FALSE(ParseCpuMax("100000 0"));
}

TEST(CpuBudget, FindsItsGroup) {
  const std::string_view hybrid = "5:cpu,cpuacct:/kubepods/pod1\n3:memory:/m\n0::/init.scope\n";
  EXPECT_EQ(ParseCgroupPath(hybrid, "").value(), "/init.scope");
  EXPECT_EQ(ParseCgroupPath(hybrid, "cpu").value(), "/kubepods/pod1");
  EXPECT_EQ(ParseCgroupPath(hybrid, "cpuacct").value(), "/kubepods/pod1");
  EXPECT_FALSE(ParseCgroupPath(hybrid, "pids"));
  EXPECT_FALSE(ParseCgroupPath("3:memory:/m\n", ""));
  EXPECT_FALSE(ParseCgroupPath("nonsense\n:\n", "cpu"));
}

TEST(CpuBudget, TheLesserLimitRoundedUp) {
  EXPECT_EQ(WorkersFor(8, std::nullopt), 8u);
  EXPECT_EQ(WorkersFor(8, 1.5), 2u);
  EXPECT_EQ(WorkersFor(8, 0.1), 1u);
  EXPECT_EQ(WorkersFor(2, 16.0), 2u);
  EXPECT_EQ(WorkersFor(0, std::nullopt), 1u);
}

TEST(CpuBudget, HereThereIsAtLeastOne) { EXPECT_GE(CpuBudget(), 1u); }

}  // namespace
}  // namespace culvert::server
