// How many workers are worth starting: the processors we may use, not those the machine has.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace culvert::server {

// More than that are never started: a QUIC connection id has one octet for its worker.
inline constexpr uint32_t kMostWorkers = 256;

// The lesser of the CPU affinity and the cgroup's quota (v2 cpu.max or v1 cpu.cfs_quota_us, the tightest from our group up to
// the root), rounded up; at least 1.
uint32_t CpuBudget();

// The text of cpu.max, "150000 100000" or "max 100000", in processors. nullopt: no limit, or not understood.
std::optional<double> ParseCpuMax(std::string_view text);
// The path of our group from /proc/self/cgroup: of the unified hierarchy (`controller` empty) or of a v1 controller.
std::optional<std::string_view> ParseCgroupPath(std::string_view proc_self_cgroup, std::string_view controller);
// Affinity and quota (in processors) put together.
uint32_t WorkersFor(uint32_t affinity, std::optional<double> quota);

}  // namespace culvert::server
