// The kinds as people type them, and references to objects: "listener/local-pg", "lsn local-pg".
// Thread: any; no state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace culvert::cli {

enum class Kind { kListener, kDialer, kForward, kSession };

// "listener"
std::string_view Singular(Kind kind);
// "listeners"
std::string_view Plural(Kind kind);

// One word for a kind: singular, plural or short (lsn, dl, fwd, ses), in any letter case.
// Errors: INVALID_ARGUMENT with a suggestion.
absl::StatusOr<Kind> ParseKind(std::string_view word);

struct Reference {
  Kind kind;
  std::string name;  // empty: all of the kind
  friend bool operator==(const Reference&, const Reference&) = default;
};

// "KIND", "KIND NAME...", "KIND,KIND", "KIND/NAME...", "all" (the declared kinds), in the order given.
// Errors: INVALID_ARGUMENT.
absl::StatusOr<std::vector<Reference>> ParseReferences(const std::vector<std::string>& words);

// "listener/local-pg"
std::string ToString(const Reference& reference);

}  // namespace culvert::cli
