// Where the values of completions come from, one function each. Thread: any; no state.
#pragma once

#include <string>
#include <vector>

#include "cli/help/complete.h"
#include "cli/objects/kinds.h"
#include "cli/target/client.h"
#include "google/protobuf/descriptor.h"

namespace culvert::cli {

// Names of objects of a kind, at most a page of them, asking with the client's deadline; empty when there is no answer.
std::vector<std::string> LiveNames(Client& client, Kind kind);

// "kcp." and "max_sessions" for "", "kcp.mtu_bytes" for "kcp.mt": paths of fields one level below what is typed. With `assigns` they end
// with '=', behind which the values of enums and booleans follow.
std::vector<Candidate> FieldPaths(const google::protobuf::Descriptor* message, const std::string& typed, bool assigns);

// "culvert.v1.ListenerService/GetListener" without the package, for all methods of the API.
std::vector<Candidate> Methods();

}  // namespace culvert::cli
