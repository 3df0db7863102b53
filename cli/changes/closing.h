// Ending what is observed: sessions, streams and UDP flows, by name or all that match. Shared by close and delete.
// Thread: confined to main.
#pragma once

#include <string>

#include "cli/changes/selection.h"
#include "cli/target/command_context.h"

namespace culvert::cli {

struct CloseOptions {
  bool graceful = false;  // sessions and streams: deliver what is queued first
  std::string reason;     // for the daemon's log
  bool is_dry = false;    // change nothing, say what would be
};

// REQUIRES of `reference`: observed, with a name. Errors: kNotFound and what else the daemon answers.
Outcome CloseOne(Client& client, const Reference& reference, const CloseOptions& options);

// Everything the selection chooses. By name: a line each, and the first failure is answered, the others are printed. By filter:
// how many there are is found out first, then it is asked, then they go; a line for each kind. What ended by itself meanwhile is
// no failure. REQUIRES: all of its kinds are observed.
Outcome CloseSelected(Context& context, const Selection& selection, const CloseOptions& options);

}  // namespace culvert::cli
