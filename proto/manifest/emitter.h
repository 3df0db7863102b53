// Messages as YAML of the file form: descriptor order, short enums, written durations, quotes where a reader could take
// a text for something else. Secrets are never printed. Thread: any; no state.
#pragma once

#include <string>
#include <string_view>

#include "google/protobuf/message.h"

namespace culvert::manifest {

struct EmitOptions {
  bool with_output_only = false;  // status and what else the daemon sets
};

// The fields of `message` as a block mapping, `indent` spaces deep, one line each or more; empty when nothing is set.
std::string EmitFields(const google::protobuf::Message& message, int indent, const EmitOptions& options);

// `text` as a YAML scalar: plain when every reader agrees that it is a text, else in double quotes.
std::string EmitText(std::string_view text);

}  // namespace culvert::manifest
