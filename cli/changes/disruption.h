// Whether a change ends live sessions, found out before it is made. Thread: confined to main.
#pragma once

#include <string>
#include <vector>

#include "cli/target/command_context.h"
#include "culvert/v1/config.pb.h"

namespace culvert::cli {

// Asks the daemon what making `after` of `before`, at `paths`, would do, and where it closes sessions says so on standard error:
// "warning: dialer/edge: closes its sessions (3 now)". What the daemon keeps secret stays as it is in that question, so secrets that are
// cleared are taken for a change that closes. A question that fails says nothing: the change itself will.
// REQUIRES: Connect() went well; the same oneof is set in both.
void WarnOfClosing(Context& context, const v1::Object& before, const v1::Object& after, const std::vector<std::string>& paths);

}  // namespace culvert::cli
