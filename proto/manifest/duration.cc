// Durations as users write them. Exact: integers of nanoseconds throughout, no floating point.
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "google/protobuf/duration.pb.h"
#include "proto/manifest/faults.h"
#include "proto/manifest/manifest.h"

namespace culvert::manifest {
namespace {

__extension__ typedef __int128 Wide;

struct Unit {
  std::string_view name;
  int64_t nanoseconds;
};
// Longest spelling first where one begins with another ("ms" before "m").
constexpr Unit kUnits[] = {
    {"ns", 1},
    {"us", 1'000},
    {"ms", 1'000'000},
    {"s", 1'000'000'000},
    {"m", 60'000'000'000},
    {"h", 3'600'000'000'000},
    {"d", 86'400'000'000'000},
};
constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kMaxSeconds = 315'576'000'000;  // google/protobuf/duration.proto: about 10,000 years
constexpr size_t kMaxText = 64;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

absl::Status Bad(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(absl::StrFormat("\"%s\" is not a duration: %s", Quotable(text), why));
}

constexpr std::string_view kHint = "write a number with a unit, e.g. 50ms, 10s, 2m, 1h";

}  // namespace

absl::StatusOr<google::protobuf::Duration> ParseDuration(std::string_view text) {
  google::protobuf::Duration duration;
  if (text == "0") return duration;
  if (text.empty() || text.size() > kMaxText) return Bad(text, kHint);
  Wide total = 0;
  size_t at = 0;
  while (at < text.size()) {
    const size_t begin = at;
    Wide whole = 0;
    while (at < text.size() && IsDigit(text[at])) {
      whole = whole * 10 + (text[at++] - '0');
      if (whole > Wide{kMaxSeconds} * kSecond) return Bad(text, "it is too long");
    }
    Wide fraction = 0, scale = 1;
    bool digits = at > begin;
    if (at < text.size() && text[at] == '.') {
      const size_t point = ++at;
      while (at < text.size() && IsDigit(text[at])) {
        if (at - point < 9) {  // nanoseconds of a second; what is finer does not exist here
          fraction = fraction * 10 + (text[at] - '0');
          scale *= 10;
        }
        ++at;
      }
      digits = digits && at > point;
    }
    if (!digits) return Bad(text, kHint);
    const Unit* unit = nullptr;
    for (const Unit& one : kUnits) {
      if (text.substr(at, one.name.size()) == one.name) {
        unit = &one;
        break;
      }
    }
    if (unit == nullptr) return Bad(text, kHint);
    at += unit->name.size();
    total += whole * unit->nanoseconds + fraction * unit->nanoseconds / scale;
    if (total > Wide{kMaxSeconds} * kSecond) return Bad(text, "it is too long");
  }
  duration.set_seconds(static_cast<int64_t>(total / kSecond));
  duration.set_nanos(static_cast<int32_t>(total % kSecond));
  return duration;
}

std::string FormatDuration(const google::protobuf::Duration& duration) {
  // No field of ours is negative; a message from elsewhere still has to print, and may hold the one number that has no opposite.
  const bool is_negative = duration.seconds() < 0 || duration.nanos() < 0;
  const auto magnitude = [is_negative](int64_t value) -> uint64_t {
    if (is_negative) return value < 0 ? 0 - static_cast<uint64_t>(value) : 0;
    return static_cast<uint64_t>(value);
  };
  const uint64_t seconds = magnitude(duration.seconds());
  const uint64_t nanos = magnitude(duration.nanos());
  std::string out;
  if (seconds >= 3600) absl::StrAppend(&out, seconds / 3600, "h");
  if (seconds % 3600 >= 60) absl::StrAppend(&out, seconds % 3600 / 60, "m");
  if (seconds % 60 != 0) absl::StrAppend(&out, seconds % 60, "s");
  if (nanos != 0) {
    if (nanos % 1'000'000 == 0) {
      absl::StrAppend(&out, nanos / 1'000'000, "ms");
    } else if (nanos % 1'000 == 0) {
      absl::StrAppend(&out, nanos / 1'000, "us");
    } else {
      absl::StrAppend(&out, nanos, "ns");
    }
  }
  if (out.empty()) out = "0s";
  return is_negative ? "-" + out : out;
}

}  // namespace culvert::manifest
