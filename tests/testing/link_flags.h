// The command-line form of a link: "--rate 50mbit --delay 50ms --loss 2%".
// A flag sets both directions; prefixed with "up-" or "down-" it sets one ("--up-loss 1%").
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/testing/link_model.h"

namespace culvert::testing {

struct LinkPair {
  LinkOptions up;    // left to right, client to server
  LinkOptions down;  // back
};

// "50mbit", "1gbit", "800kbit", "9600bit" (powers of ten); "0" means unlimited.
absl::StatusOr<uint64_t> ParseRate(std::string_view text);
// "50ms", "1.5s", "200us", "0".
absl::StatusOr<Duration> ParseTime(std::string_view text);
// "2%", "0.02".
absl::StatusOr<double> ParseProbability(std::string_view text);
// "625000", "64k", "4M" (powers of 1024).
absl::StatusOr<uint64_t> ParseSize(std::string_view text);

// Sets the option that `flag` (without "--") names. Errors: NOT_FOUND when no such flag exists, INVALID_ARGUMENT.
absl::Status SetLinkFlag(std::string_view flag, std::string_view value, LinkPair& links);
// What SetLinkFlag knows, one flag a line, for a usage text.
std::string LinkFlagHelp();

}  // namespace culvert::testing
