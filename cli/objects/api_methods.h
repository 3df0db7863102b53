// The methods of the API, from the descriptors that are compiled in.
// Thread: any; no state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/objects/kinds.h"
#include "culvert/v1/options.pb.h"
#include "google/protobuf/descriptor.h"

namespace culvert::cli {

struct ApiMethod {
  const google::protobuf::MethodDescriptor* method = nullptr;
  std::string name;  // "ListenerService/GetListener"

  bool IsServerStreaming() const { return method->server_streaming(); }
  std::string full_name() const { return "culvert.v1." + name; }  // as the daemon names it
  const v1::MethodRules& rules() const;
};

// All of them, services and methods in the order of their files.
const std::vector<ApiMethod>& ApiMethods();

// "SERVICE/METHOD", with or without the package or a slash in front, in any letter case; or the method alone.
// Errors: INVALID_ARGUMENT with a suggestion.
absl::StatusOr<ApiMethod> FindMethod(std::string_view name);

// The methods behind a verb of ours and a kind: "get listeners" is GetListener and ListListeners.
// Errors: INVALID_ARGUMENT: no such verb, or the kind does not have it.
absl::StatusOr<std::vector<ApiMethod>> MethodsOf(const std::string& verb, Kind kind);
// What MethodsOf knows for a kind, in a fixed order: "get", "list", "create", ...
std::vector<std::string> VerbsOf(Kind kind);
// All words that MethodsOf takes.
const std::vector<std::string>& ApiVerbs();

}  // namespace culvert::cli
