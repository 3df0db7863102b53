// EntryResolver: what an entry of the table has beside its object: keys, contexts of TLS, users: made from the spec and from the files
// that it names. A pure function but for reading them.
// Thread: the control thread.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/change_plan.h"

namespace culvert::server {

// Fills `entry` but for its object, incarnation and metadata. What is wrong with the content of a file is a violation.
// Errors: CREDENTIAL_UNREADABLE and others of reading.
absl::Status ResolveEntry(const v1::Object& object, const std::string& prefix, const PlanContext& context, Entry& entry,
                          std::vector<v1::Warning>& warnings, Violations& violations);

}  // namespace culvert::server
