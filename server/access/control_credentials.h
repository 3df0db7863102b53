// The files of --control-tcp, judged before the daemon serves: gRPC reads them itself, but one that is missing or does not fit is to it a
// reason to try again later, and until then nobody gets in and nobody is told.
// Thread: main's; it waits for a local disk.
#pragma once

#include "absl/status/status.h"
#include "server/options.h"

namespace culvert::server {

// Errors: FAILED_PRECONDITION (CREDENTIAL_UNREADABLE) and INVALID_ARGUMENT, naming the flag and the file; never a byte of it.
absl::Status JudgeControlCredentials(const Options::ControlTcp& tcp);

}  // namespace culvert::server
