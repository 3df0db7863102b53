// The rules of a forward that no single field can state, as far as they can be judged without its listener and dialer. What
// those allow is judged with the whole table (table_rules.h).
// Thread: any.
#pragma once

#include <string>
#include <vector>

#include "culvert/v1/config.pb.h"
#include "server/violation.h"

namespace culvert::server {

// `prefix`: of the spec. Warnings: UDP_IDLE_TIMEOUT_SHORT.
void CheckForward(const v1::ForwardSpec& spec, const std::string& prefix, Violations& violations,
                  std::vector<v1::Warning>& warnings);

// The two sides of a reverse forward. A forward that has both a listener and a dialer is refused, and neither.
bool IsReversePublic(const v1::ForwardSpec& spec);
bool IsReversePrivate(const v1::ForwardSpec& spec);

}  // namespace culvert::server
