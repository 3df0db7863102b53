// What tells two versions of a message apart, field by field, as update masks and people name it: "spec.kcp.mtu_bytes". Blocks are
// walked into, lists and maps count as one field, what only the daemon sets is left out.
// Thread: any; no state.
#pragma once

#include <string>
#include <vector>

#include "culvert/v1/config.pb.h"
#include "google/protobuf/message.h"

namespace culvert::cli {

// Paths for an update mask. A block that went is named as a whole, and so is one that came with nothing in it.
std::vector<std::string> ChangedPaths(const google::protobuf::Message& before, const google::protobuf::Message& after);

// Copies the fields that `paths` name, names joined by dots, from one message to another of the same type.
void CopyPaths(const google::protobuf::Message& from, const std::vector<std::string>& paths, google::protobuf::Message& to);

// The value at `path` for people: "16", "[a, b]", "<unset>"; "<secret>" where it is one. Not made printable yet.
std::string ShownAt(const google::protobuf::Message& message, const std::string& path);

// "spec.max_sessions" as "max_sessions", "metadata.labels" as "labels": what set takes and prints.
std::string BriefPath(const std::string& path);

// The Listener, Dialer or Forward in an object. REQUIRES: the oneof is set.
const google::protobuf::Message& BodyOf(const v1::Object& object);
google::protobuf::Message& MutableBodyOf(v1::Object& object);
v1::Metadata& MutableMetadataOf(v1::Object& object);

}  // namespace culvert::cli
