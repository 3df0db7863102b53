// The kinds as people type them, and references to objects: "listener/local-pg", "lsn local-pg".
// Thread: any; no state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace culvert::cli {

enum class Kind { kListener, kDialer, kForward, kSession, kStream, kUdpFlow, kEvent };

// Listeners, dialers and forwards: people declare them. The others are observed.
bool IsDeclared(Kind kind);

// "listener"
std::string_view Singular(Kind kind);
// "listeners"
std::string_view Plural(Kind kind);
// "lsn"
std::string_view ShortOf(Kind kind);
// All of them, in the order in which people list them.
const std::vector<Kind>& AllKinds();

// One word for a kind: singular, plural or short (lsn, dl, fwd, ses, str, udp, ev), in any letter case.
// Errors: INVALID_ARGUMENT with a suggestion.
absl::StatusOr<Kind> ParseKind(std::string_view word);

struct Reference {
  Kind kind;
  std::string name;  // empty: all of the kind
  friend bool operator==(const Reference&, const Reference&) = default;
};

// What the daemon calls "sessions/k3f9q2/streams/4" is k3f9q2/4 to people, "udpFlows/12" is 12, "sessions/k3f9q2" is
// k3f9q2. Other names stay as they are.
std::string BriefName(Kind kind, std::string_view resource);
// The way back, for requests about streams and flows; other kinds are asked for by their brief names.
std::string ResourceName(const Reference& reference);

// "KIND", "KIND NAME...", "KIND,KIND", "KIND/NAME...", "all" (the declared kinds), in the order given. Names of streams
// may be brief or the daemon's, and come out brief.
// Errors: INVALID_ARGUMENT.
absl::StatusOr<std::vector<Reference>> ParseReferences(const std::vector<std::string>& words);

// "listener/local-pg"
std::string ToString(const Reference& reference);

}  // namespace culvert::cli
