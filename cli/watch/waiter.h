// Waiting until objects are as somebody wants them, by watching them: nothing is polled, and nothing is missed in between.
// Thread: confined to main.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/objects/kinds.h"
#include "cli/target/command_context.h"
#include "cli/watch/wait_for.h"
#include "core/base/time.h"
#include "culvert/v1/daemon.pb.h"

namespace culvert::cli {

// Waits until each of `references` has been as wanted once, and calls `on_met` (may be nullptr) when it is. A daemon that is not there, or
// goes and comes back, is waited for like what it holds. timeout 0: looks once.
// Errors: kTimeout with a line for each that is not, kNotFound and kConflict for what will never be, kInterrupted; kDenied and others
// as the daemon answers. REQUIRES: CanBeWaitedFor every kind; `wanted` fits them.
Outcome WaitForAll(Context& context, const std::vector<Reference>& references, const WaitFor& wanted, Duration timeout,
                   const std::function<void(const Reference&)>& on_met);
// What somebody made of an answer of the daemon: it was waited for, or how things are.
struct PollStep {
  bool is_over = false;
  std::string text;
};
// Asks the daemon again and again, and tells `look` what it is like, or nullptr: it does not answer.
// Errors: kTimeout with the last text, kInterrupted; kDenied and others as the daemon answers.
Outcome PollDaemon(Context& context, Duration timeout, const std::function<PollStep(const v1::Daemon*)>& look);
// The same for the daemon itself.
Outcome WaitForDaemon(Context& context, const WaitFor& wanted, Duration timeout);

// "--timeout": 0 to 24h. Errors: kUsage.
Outcome ParseTimeout(const std::string& text, Duration& out);

}  // namespace culvert::cli
