#include "server/lease.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <cstdint>
#include <memory>

#include "server/message_walk.h"

namespace culvert::server {

using google::protobuf::util::TimeUtil;

namespace {

// Times that lie beyond what nanoseconds can hold are the end of time.
int64_t NanosecondsOf(const google::protobuf::Timestamp& time) {
  constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;
  if (time.seconds() >= INT64_MAX / kNanosecondsPerSecond) return INT64_MAX;
  if (time.seconds() <= INT64_MIN / kNanosecondsPerSecond) return INT64_MIN;
  return time.seconds() * kNanosecondsPerSecond + time.nanos();
}

}  // namespace

void JudgeLease(const v1::Metadata& wanted, const v1::Metadata* before, int64_t now_unix_ns, const std::string& prefix,
                Violations& violations) {
  if (!wanted.has_expire_time() || wanted.has_ttl()) return;
  const std::string path = JoinPath(prefix, "metadata.expire_time");
  const google::protobuf::Timestamp& time = wanted.expire_time();
  if (time.seconds() < TimeUtil::kTimestampMinSeconds || time.seconds() > TimeUtil::kTimestampMaxSeconds || time.nanos() < 0 ||
      time.nanos() > 999'999'999) {
    violations.push_back({path, "is not a valid time"});
    return;
  }
  // What is about to go may be changed all the same.
  if (before != nullptr && before->has_expire_time() && before->expire_time() == wanted.expire_time()) return;
  if (NanosecondsOf(time) <= now_unix_ns) violations.push_back({path, "lies in the past"});
}

void StampLease(int64_t now_unix_ns, TimePoint now, Entry& entry) {
  v1::Metadata& metadata = MutableMetadataOf(entry.object);
  if (!metadata.has_ttl()) return;
  *metadata.mutable_expire_time() = TimeUtil::NanosecondsToTimestamp(now_unix_ns) + metadata.ttl();
  entry.lease_end = LeaseEndOf(metadata, now);
}

bool RenewsLease(const v1::Metadata& before, const v1::Metadata& after) {
  return before.has_ttl() && after.has_ttl() && before.ttl() == after.ttl();
}

EntryPtr WithLeaseOf(const Entry& entry, const Entry& stamped) {
  auto renewed = std::make_shared<Entry>(entry);
  *MutableMetadataOf(renewed->object).mutable_expire_time() = MetadataOf(stamped.object).expire_time();
  renewed->lease_end = stamped.lease_end;
  return renewed;
}

bool HasLease(const Entry& entry) { return MetadataOf(entry.object).has_expire_time(); }

bool IsExpired(const Entry& entry, int64_t now_unix_ns, TimePoint now) {
  return IsExpired(MetadataOf(entry.object), entry.lease_end, now_unix_ns, now);
}

std::optional<TimePoint> LeaseEndOf(const v1::Metadata& metadata, TimePoint now) {
  if (!metadata.has_ttl()) return std::nullopt;
  return now + Duration(TimeUtil::DurationToNanoseconds(metadata.ttl()));
}

bool IsExpired(const v1::Metadata& metadata, std::optional<TimePoint> lease_end, int64_t now_unix_ns, TimePoint now) {
  if (lease_end) return *lease_end <= now;
  return metadata.has_expire_time() && NanosecondsOf(metadata.expire_time()) <= now_unix_ns;
}

std::vector<ObjectKey> ExpiredIn(const ObjectTable& table, int64_t now_unix_ns, TimePoint now) {
  std::vector<ObjectKey> forwards;
  std::vector<ObjectKey> others;
  for (const auto& [key, entry] : table.entries()) {
    if (IsExpired(*entry, now_unix_ns, now)) (key.kind == Kind::kForward ? forwards : others).push_back(key);
  }
  std::vector<ObjectKey> gone = forwards;
  for (const ObjectKey& key : others) {
    const std::vector<ObjectKey> referrers = table.ReferrersOf(key);
    const auto goes = [&forwards](const ObjectKey& referrer) { return std::ranges::find(forwards, referrer) != forwards.end(); };
    if (std::ranges::all_of(referrers, goes)) gone.push_back(key);
  }
  return gone;
}

}  // namespace culvert::server
