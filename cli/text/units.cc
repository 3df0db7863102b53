#include "cli/text/units.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace culvert::cli {

std::string HumanBytes(uint64_t bytes) {
  static constexpr std::string_view kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  size_t unit = 0;
  uint64_t size = 1;
  while (unit + 1 < std::size(kUnits) && bytes / size >= 1024) {
    size <<= 10;
    ++unit;
  }
  if (bytes % size == 0) return absl::StrFormat("%d%s", bytes / size, kUnits[unit]);
  return absl::StrFormat("%.1f%s", static_cast<double>(bytes) / static_cast<double>(size), kUnits[unit]);
}

std::string HumanBitRate(double bytes_per_second) {
  static constexpr std::string_view kUnits[] = {"b", "kb", "Mb", "Gb", "Tb"};
  double bits = std::max(0.0, bytes_per_second) * 8;
  size_t unit = 0;
  // 999.95 would print as 1000.0.
  while (unit + 1 < std::size(kUnits) && bits >= 999.95) {
    bits /= 1000;
    ++unit;
  }
  return unit == 0 ? absl::StrFormat("%.0fb", bits) : absl::StrFormat("%.1f%s", bits, kUnits[unit]);
}

double Seconds(const google::protobuf::Duration& duration) {
  return static_cast<double>(duration.seconds()) + duration.nanos() * 1e-9;
}

std::string HumanLatency(const google::protobuf::Duration& duration) {
  const double milliseconds = Seconds(duration) * 1e3;
  if (milliseconds < 0.995) return absl::StrFormat("%.2fms", milliseconds);
  if (milliseconds < 99.95) return absl::StrFormat("%.1fms", milliseconds);
  if (milliseconds < 999.5) return absl::StrFormat("%.0fms", milliseconds);
  return absl::StrFormat("%.1fs", milliseconds / 1e3);
}

namespace {

struct Unit {
  int64_t seconds;
  char letter;
};
constexpr Unit kTimeUnits[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};

std::string LargestUnits(int64_t seconds, int count) {
  seconds = std::max<int64_t>(0, seconds);
  std::string out;
  for (const Unit& unit : kTimeUnits) {
    if (seconds < unit.seconds && out.empty() && unit.seconds != 1) continue;
    if (out.empty() || seconds >= unit.seconds) {
      absl::StrAppend(&out, seconds / unit.seconds, std::string(1, unit.letter));
    }
    seconds %= unit.seconds;
    if (--count == 0) break;
  }
  return out;
}

}  // namespace

std::string HumanAge(int64_t seconds) { return LargestUnits(seconds, 1); }
std::string HumanUptime(int64_t seconds) { return LargestUnits(seconds, 2); }

std::string HumanShare(std::optional<double> share) {
  if (!share) return "-";
  return absl::StrFormat("%.1f%%", *share * 100);
}

}  // namespace culvert::cli
