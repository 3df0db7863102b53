// get -w: what there is, and every change of it. A table on a terminal is redrawn in place, several kinds in one view; anything else,
// and everything on a pipe, is appended: rows that line up, or one document for each change.
// Thread: confined to the command.
#pragma once

#include <string>
#include <vector>

#include "cli/objects/kinds.h"
#include "cli/output/show.h"
#include "cli/target/command_context.h"

namespace culvert::cli {

struct WatchOptions {
  std::vector<Reference> references;  // with names: only these, which need not be there yet
  std::string filter;
  bool output_events = false;  // ADDED, MODIFIED or DELETED in front, and what is deleted too; appended on a terminal as well
  bool reconnect = true;       // when the daemon goes away
};

// Until it is interrupted (130), or the daemon is not to be had any more.
Outcome WatchResources(Context& context, const WatchOptions& options, const Show& show);

}  // namespace culvert::cli
