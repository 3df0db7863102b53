// What -l and --sort say, in the words of the API: a filter (server/query/filter.h) and an order (order.h).
// Thread: any; no state.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "cli/objects/kinds.h"

namespace culvert::cli {

// "tier=edge,site!=a" as a filter. Requirements stand between commas and must all hold:
//   KEY=VALUE, KEY==VALUE   the label has that value
//   KEY!=VALUE              it has another, or is not there
//   KEY, !KEY               it is there, or is not
// Empty: no filter. Errors: INVALID_ARGUMENT, which names the requirement.
absl::StatusOr<std::string> FilterOfSelector(std::string_view selector);

// `text` as a value in a filter, in quotes: nothing in it is a wildcard or an end.
std::string QuotedValue(std::string_view text);

// Both must hold; either may be empty.
std::string Both(const std::string& filter, const std::string& other);

// "-tx,name" as "tx_bytes desc,name": each key is the header of a column of `kind`, in any letter case, or a field that the daemon
// knows; with - in front it goes down. Errors: INVALID_ARGUMENT: a column that the daemon cannot sort by, a key without a name.
absl::StatusOr<std::string> OrderOfKeys(Kind kind, std::string_view keys);

}  // namespace culvert::cli
