// One message in a file of its own, in YAML or JSON, with the rules of manifest.h: for files that are no declared objects.
// Thread: any; no state.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace culvert::manifest {

// Fills `message` and the line of every path met. An empty text leaves it empty.
// Errors: INVALID_ARGUMENT with one line per fault found, at most 20.
absl::Status ParseMessage(std::string_view text, const std::string& file, google::protobuf::Message& message,
                          std::map<std::string, int>& lines);

// "FILE:LINE" of the nearest line known for `path` (its longest prefix that has one); "FILE" when there is none.
std::string WhereIn(const std::string& file, const std::map<std::string, int>& lines, std::string_view path);

}  // namespace culvert::manifest
