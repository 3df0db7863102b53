// Leases: declared objects that end by themselves (Metadata.expire_time, Metadata.ttl).
// Thread: any; no state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/object_table.h"
#include "server/violation.h"

namespace culvert::server {

// `before` is nullptr for a new object.
void JudgeLease(const v1::Metadata& wanted, const v1::Metadata* before, int64_t now_unix_ns, const std::string& prefix,
                Violations& violations);
// Of an object with a ttl: it goes that long from now. What it goes by is the monotonic clock; expire_time tells readers.
void StampLease(int64_t now_unix_ns, TimePoint now, Entry& entry);
// Whether `after`, which was stamped, only puts off the end that `before` had.
bool RenewsLease(const v1::Metadata& before, const v1::Metadata& after);
// The running object of `entry` with the lease of `stamped`.
EntryPtr WithLeaseOf(const Entry& entry, const Entry& stamped);
bool HasLease(const Entry& entry);
bool IsExpired(const Entry& entry, int64_t now_unix_ns, TimePoint now);
// Of an object that is not in force. `lease_end`: LeaseEndOf of it when it was met first.
std::optional<TimePoint> LeaseEndOf(const v1::Metadata& metadata, TimePoint now);
bool IsExpired(const v1::Metadata& metadata, std::optional<TimePoint> lease_end, int64_t now_unix_ns, TimePoint now);
// What has expired and may go, forwards first: what an object that stays refers to stays too.
std::vector<ObjectKey> ExpiredIn(const ObjectTable& table, int64_t now_unix_ns, TimePoint now);

}  // namespace culvert::server
