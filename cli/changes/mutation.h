// What every verb that changes something does first: says where, and asks where it must. And what tells a request from others.
// Thread: confined to main.
#pragma once

#include <string>
#include <vector>

#include "cli/target/command_context.h"
#include "culvert/v1/types.pb.h"

namespace culvert::cli {

struct MutationPlan {
  std::string question;            // "delete these 2 objects"; asked with a question mark behind it
  std::vector<std::string> names;  // listed before the question; may be empty
  size_t count = 1;                // how many go; more than one asks where asks_for_many is set
  bool asks_for_many = false;      // of what cannot be taken back
};

// Connects; prints "context: NAME (unix:/...)" to standard error where a person looks on; and asks before more than one thing
// goes, or before a protected context changes. --yes answers. Without a terminal nobody is asked: what goes by the dozen goes, a
// protected context is refused. --no-input refuses whatever would be asked.
// With --dry-run nothing changes, so nothing is asked.
// Errors: what Connect answers; kUsage when it may not ask; kFalse when the answer was no.
Outcome BeginMutation(Context& context, const MutationPlan& plan);

// A random UUID for the request_id of a request: the daemon does it once, however often it is sent. Empty: the system has none to give.
std::string NewRequestId();

// Warnings of an answer, on standard error: "warning: NAME: FIELD: MESSAGE (REASON)".
void PrintWarning(Context& context, const std::string& place, const v1::Warning& warning);
template <typename Warnings>
void PrintWarnings(Context& context, const std::string& name, const Warnings& warnings) {
  for (const v1::Warning& warning : warnings) PrintWarning(context, name, warning);
}

}  // namespace culvert::cli
