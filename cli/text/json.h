// Protobuf JSON: lowerCamelCase names, 64-bit integers as texts, fields that are not set left out. What a terminal must not get
// is escaped.
// Thread: any; no state.
#pragma once

#include <string>
#include <vector>

#include "culvert/v1/config.pb.h"
#include "google/protobuf/message.h"

namespace culvert::cli {

// On one line, for streams.
std::string ToJsonLine(const google::protobuf::Message& message);
// Over several lines, ends with a newline.
std::string ToJson(const google::protobuf::Message& message);

// An object with apiVersion and kind in front: the file form in JSON, which apply reads.
std::string ObjectToJson(const v1::Object& object);
// The same for what is observed: a session, a stream, a flow, an event. The kind is the message's name.
std::string ObservedToJson(const google::protobuf::Message& message);
// Either on one line, for -o jsonl.
std::string ObjectToJsonLine(const v1::Object& object);
std::string ObservedToJsonLine(const google::protobuf::Message& message);
// {"apiVersion": "culvert/v1", "kind": "List", "items": [...]} around documents made by the two above.
std::string ListToJson(const std::vector<std::string>& items);

}  // namespace culvert::cli
