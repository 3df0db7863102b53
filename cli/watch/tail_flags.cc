#include "cli/watch/tail_flags.h"

#include <ctime>

#include "absl/strings/str_format.h"
#include "cli/text/units.h"
#include "proto/manifest/manifest.h"

namespace culvert::cli {
namespace {

constexpr int32_t kMaxRate = 10'000;

std::string CauseText(v1::LostRecords::Cause cause) {
  switch (cause) {
    case v1::LostRecords::CAUSE_OVERWRITTEN: return "came too fast for the daemon to keep";
    case v1::LostRecords::CAUSE_RATE_LIMIT: return "rate limit: --rate";
    case v1::LostRecords::CAUSE_SLOW_READER: return "not read in time";
    default: return "unknown cause";
  }
}

}  // namespace

void TailFlags::AddTo(CLI::App& app, const std::string& what) {
  app.add_option("--last", last, "begin with at most so many of the past (all; with --follow none)");
  app.add_option("--since", since_text, "begin with what is this young, e.g. 10m");
  app.add_flag("-f,--follow", follow, "go on with what happens, until interrupted");
  app.add_option("--rate", rate, absl::StrFormat("show at most so many %s a second, count the others (1000)", what));
}

Outcome TailFlags::Validate() {
  if (last && *last < 0) return Usage("--last: at least 0");
  if (rate && (*rate < 1 || *rate > kMaxRate)) return Usage(absl::StrFormat("--rate: 1 to %d", kMaxRate));
  if (since_text.empty()) return std::nullopt;
  const auto since = manifest::ParseDuration(since_text);
  if (!since.ok()) return Usage("--since: " + std::string(since.status().message()));
  if (Seconds(*since) < 0) return Usage("--since: must not be negative");
  since_ = *since;
  return std::nullopt;
}

std::string LostText(const v1::LostRecords& lost, const std::string& what) {
  return absl::StrFormat("-- %d %s lost (%s) --", lost.records(), what, CauseText(lost.cause()));
}

std::string ClockText(const google::protobuf::Timestamp& time) {
  const std::time_t seconds = time.seconds();
  std::tm parts{};
  localtime_r(&seconds, &parts);
  return absl::StrFormat("%02d:%02d:%02d.%03d", parts.tm_hour, parts.tm_min, parts.tm_sec, time.nanos() / 1'000'000);
}

}  // namespace culvert::cli
