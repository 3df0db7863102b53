#include "server/cpu_budget.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>
#include <thread>

namespace culvert::server {
namespace {

constexpr int kMaxCgroupDepth = 32;

std::optional<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::optional<int64_t> ParseInteger(std::string_view text) {
  int64_t number = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  if (result.ec != std::errc() || result.ptr == text.data()) return std::nullopt;
  return number;
}

std::optional<double> Least(std::optional<double> a, std::optional<double> b) {
  if (!a) return b;
  return b ? std::min(*a, *b) : a;
}

std::optional<double> QuotaOfGroup(const std::string& group, bool unified) {
  if (unified) {
    const auto text = ReadFile(group + "/cpu.max");
    return text ? ParseCpuMax(*text) : std::nullopt;
  }
  const auto quota = ReadFile(group + "/cpu.cfs_quota_us");
  const auto period = ReadFile(group + "/cpu.cfs_period_us");
  if (!quota || !period || quota->starts_with('-')) return std::nullopt;
  return ParseCpuMax(*quota + " " + *period);
}

// A limit of any group above ours binds us too.
std::optional<double> QuotaUpwards(const std::string& root, std::string path, bool unified) {
  std::optional<double> quota;
  for (int depth = 0; depth < kMaxCgroupDepth; ++depth) {
    quota = Least(quota, QuotaOfGroup(root + (path == "/" ? "" : path), unified));
    const size_t slash = path.rfind('/');
    if (path.size() <= 1 || slash == std::string::npos) break;
    path.resize(slash);
    if (path.empty()) path = "/";
  }
  return quota;
}

std::optional<double> CgroupQuota() {
  const auto groups = ReadFile("/proc/self/cgroup");
  if (!groups) return std::nullopt;
  std::optional<double> quota;
  if (const auto path = ParseCgroupPath(*groups, "")) {
    quota = QuotaUpwards("/sys/fs/cgroup", std::string(*path), /*unified=*/true);
  }
  if (const auto path = ParseCgroupPath(*groups, "cpu")) {
    quota = Least(quota, QuotaUpwards("/sys/fs/cgroup/cpu", std::string(*path), /*unified=*/false));
  }
  return quota;
}

uint32_t Affinity() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return static_cast<uint32_t>(CPU_COUNT(&set));
  return std::thread::hardware_concurrency();  // more than 1024 processors
}

}  // namespace

std::optional<double> ParseCpuMax(std::string_view text) {
  const size_t space = text.find_first_of(" \n");
  if (space == std::string_view::npos) return std::nullopt;
  const auto quota = ParseInteger(text.substr(0, space));
  const size_t second = text.find_first_not_of(" \n", space);
  if (second == std::string_view::npos) return std::nullopt;
  const auto period = ParseInteger(text.substr(second));
  if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;
  return static_cast<double>(*quota) / static_cast<double>(*period);
}

std::optional<std::string_view> ParseCgroupPath(std::string_view proc_self_cgroup, std::string_view controller) {
  // Each line is ID:CONTROLLERS:PATH; the unified hierarchy names no controllers.
  while (!proc_self_cgroup.empty()) {
    const size_t end = proc_self_cgroup.find('\n');
    const std::string_view line = proc_self_cgroup.substr(0, end);
    proc_self_cgroup = end == std::string_view::npos ? std::string_view() : proc_self_cgroup.substr(end + 1);
    const size_t first = line.find(':');
    const size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    std::string_view names = line.substr(first + 1, second - first - 1);
    const std::string_view path = line.substr(second + 1);
    if (controller.empty() && names.empty()) return path;
    while (!controller.empty() && !names.empty()) {
      const size_t comma = names.find(',');
      if (names.substr(0, comma) == controller) return path;
      names = comma == std::string_view::npos ? std::string_view() : names.substr(comma + 1);
    }
  }
  return std::nullopt;
}

uint32_t WorkersFor(uint32_t affinity, std::optional<double> quota) {
  uint32_t workers = std::clamp(affinity, 1u, kMostWorkers);
  if (quota) workers = std::min(workers, static_cast<uint32_t>(std::max(std::ceil(*quota), 1.0)));
  return workers;
}

uint32_t CpuBudget() { return WorkersFor(Affinity(), CgroupQuota()); }

}  // namespace culvert::server
